"""What must not be torn apart at the end of a line.

A formula and the full stop after it: browsers may break a line on either side of a
formula, even before a comma. And a number and its unit.
"""

import re

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

CLOSES = re.compile(r"[.,;:!?)\]”’]+")
NO_BREAK = "\N{NO-BREAK SPACE}"
AFTER_NUMBER = re.compile(
    r"(?<=\d) (?=(?:%|s|ms|min|nats?|bits?|[kMG]B|GFLOP(?:/s)?)(?!\w))"
)
VERBATIM = (nodes.literal, nodes.math, nodes.FixedTextElement)


class Together(SphinxTransform):
    default_priority = 700

    def apply(self, **kwargs):
        for formula in list(self.document.findall(nodes.math)):
            line = formula.parent
            after = line.index(formula) + 1
            text = line[after] if after < len(line) else None
            mark = CLOSES.match(text) if isinstance(text, nodes.Text) else None
            if mark:
                rest = nodes.Text(text[mark.end() :])
                kept = nodes.inline("", "", formula, nodes.Text(mark[0]))
                kept["classes"].append("vb-together")
                line[after - 1 : after + 1] = [kept, rest] if rest else [kept]


class Units(SphinxPostTransform):
    default_priority = 900  # after myst-nb has put the outputs of cells in their place

    def run(self, **kwargs):
        for line in list(self.document.findall(nodes.TextElement)):
            if isinstance(line, VERBATIM):
                continue
            before = ""  # the number may be set in bold, and be a node of its own
            for i, part in enumerate(line.children):
                if isinstance(part, nodes.Text):
                    kept = AFTER_NUMBER.sub(NO_BREAK, before + part)[len(before) :]
                    line[i] = nodes.Text(kept)
                before = part.astext()[-1:]


def setup(app):
    app.add_transform(Together)
    app.add_post_transform(Units)
