"""Checked equations: a mark beside the equation, a link back from the check.

A code cell tagged `check-LABEL` verifies the equation labelled LABEL on its page. The
build fails when the cell raises (as for any cell), and when no equation has that label.
"""

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
PREFIX = "check-"
SAYS = "Verified by running code: go to the check"


class LinkChecks(SphinxTransform):
    """Join the equations of a page and the cells that check them."""

    default_priority = 500

    def apply(self, **kwargs):
        equations = {
            node["label"]: node
            for node in self.document.findall(nodes.math_block)
            if node.get("label")
        }
        found = {}  # label -> anchors of the cells that check it
        for cell in list(self.document.findall(is_code_cell)):
            tags = cell.get("cell_metadata", {}).get("tags", [])
            labels = [tag[len(PREFIX) :] for tag in tags if tag.startswith(PREFIX)]
            for label in labels:
                if label not in equations:
                    LOGGER.warning(
                        f"a cell is tagged {PREFIX}{label}, but no equation on this "
                        f"page is labelled {label}; write $$ ... $$ ({label})",
                        location=cell,
                    )
            labels = [label for label in labels if label in equations]
            for label in labels:
                anchors = found.setdefault(label, [])
                suffix = f"-{len(anchors) + 1}" if anchors else ""
                anchor = nodes.make_id(PREFIX + label + suffix)
                anchors.append(anchor)
                cell["ids"].append(anchor)
            if labels:
                line = back_link(labels, self.env.docname)
                cell.parent.insert(cell.parent.index(cell), line)
        for label, anchors in found.items():
            equation = equations[label]
            parent = equation.parent
            parent.insert(parent.index(equation) + 1, mark(anchors))
        records(self.env)[self.env.docname] = found


def is_code_cell(node) -> bool:
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def mark(anchors: list[str]) -> nodes.container:
    """The small mark under an equation's number, with a link to each check."""
    links = []
    for number, anchor in enumerate(anchors, 1):
        text = "\N{CHECK MARK}\N{NO-BREAK SPACE}checked" if number == 1 else "again"
        link = nodes.reference(
            "", text, internal=True, refid=anchor, reftitle=SAYS, classes=["vb-check"]
        )
        link += nodes.inline("", f" ({SAYS})", classes=["visually-hidden"])
        links += [nodes.Text(", "), link] if links else [link]
    line = nodes.paragraph("", "", *links)
    return nodes.container("", line, classes=["vb-checked"])


def back_link(labels: list[str], docname: str) -> nodes.paragraph:
    """The line above a cell that says which equations it checks."""
    start = "Check of equation " if len(labels) == 1 else "Check of equations "
    line = nodes.paragraph("", start, classes=["vb-checks"])
    for number, label in enumerate(labels):
        if number:
            line += nodes.Text(" and " if number == len(labels) - 1 else ", ")
        link = addnodes.pending_xref(
            "",
            refdomain="math",
            reftype="eq",
            reftarget=label,
            refdoc=docname,
            refexplicit=False,
            refwarn=True,
        )
        link += nodes.inline("", label)
        line += link
    return line


def records(env) -> dict[str, dict[str, list[str]]]:
    """docname -> label -> anchors, for pages that list the book's checks."""
    if not hasattr(env, "vaebook_checks"):
        env.vaebook_checks = {}
    return env.vaebook_checks


def forget(app, env, docname):
    records(env).pop(docname, None)


def merge(app, env, docnames, other):
    for docname in docnames:
        if docname in records(other):
            records(env)[docname] = records(other)[docname]


def setup(app):
    app.add_transform(LinkChecks)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
