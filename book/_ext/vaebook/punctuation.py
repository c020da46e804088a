"""A formula and the full stop after it stay on one line.

Browsers may break a line on either side of a formula, even before a comma.
"""

import re

from docutils import nodes
from sphinx.transforms import SphinxTransform

CLOSES = re.compile(r"[.,;:!?)\]”’]+")


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


def setup(app):
    app.add_transform(Together)
