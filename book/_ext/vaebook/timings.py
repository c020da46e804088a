"""The table of what the chapters cost, cell by cell, in the build that made the page.

The kernels of the build note how long each cell took (see STARTUP in `execution`), in a
file beside the cached runs. A page shows the table with the directive `chapter-costs`.
"""

import hashlib
import json
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from vaebook.costs import duration
from vaebook.punctuation import NO_BREAK

DEAREST = 3  # cells named for each chapter
HEADINGS = ("chapter", "run", "its dearest cells")


class ChapterCosts(nodes.General, nodes.Element):
    """Where the table goes, once all chapters have run."""


class Directive(SphinxDirective):
    def run(self):
        return [ChapterCosts()]


def cell_seconds(notebook: Path, folder: Path) -> list[tuple[str, float]]:
    """(cell id, seconds) of each code cell, from the newest run of just this code."""
    return run_of(notebook, folder)[0]


def peak_memory(notebook: Path, folder: Path) -> dict[str, int | None]:
    """The most bytes that run held: "held" by the kernel, "card" by torch on a GPU."""
    return run_of(notebook, folder)[1]


def run_of(notebook: Path, folder: Path) -> tuple[list[tuple[str, float]], dict]:
    """The seconds and the memory of the newest run of just this notebook's code."""
    if notebook.suffix != ".ipynb":
        return [], {}
    cells = nbformat.read(notebook, as_version=4).cells
    cells = [c for c in cells if c.cell_type == "code" and c.source.strip()]
    wanted = [hashlib.sha256(c.source.encode()).hexdigest() for c in cells]
    for path in sorted(folder.glob("*.json"), key=lambda p: -p.stat().st_mtime):
        noted = json.loads(path.read_text())
        if [code for code, _ in noted] == wanted:
            memory = path.with_suffix(".memory")
            seconds = [(c.id, s) for c, (_, s) in zip(cells, noted, strict=True)]
            return seconds, json.loads(memory.read_text()) if memory.exists() else {}
    return [], {}


def fill(app, doctree, docname):
    places = list(doctree.findall(ChapterCosts))
    if not places:
        return
    folder = Path(app.config.nb_execution_cache_path) / "seconds"
    rows = []
    for name in sorted(app.env.found_docs):
        path = Path(app.env.doc2path(name))
        if path.suffix != ".ipynb":
            continue
        timed = cell_seconds(path, folder)
        if timed:
            rows.append((name, timed))
    for place in places:
        place.replace_self(table(app, docname, rows) if rows else [])


def table(app, docname, rows) -> nodes.table:
    group = nodes.tgroup("", cols=len(HEADINGS))
    group += [nodes.colspec(colwidth=width) for width in (3, 1, 4)]
    group += nodes.thead("", row([nodes.Text(heading) for heading in HEADINGS]))
    body = nodes.tbody()
    for name, timed in rows:
        title = app.env.titles[name].astext()
        address = app.builder.get_relative_uri(docname, name)
        whole = duration(sum(seconds for _, seconds in timed))
        dearest = sorted(timed, key=lambda cell: -cell[1])[:DEAREST]
        cells = ", ".join(f"{cell} {duration(seconds)}" for cell, seconds in dearest)
        body += row(
            [
                nodes.reference("", title, internal=True, refuri=address),
                nodes.Text(whole.replace(" ", NO_BREAK)),
                nodes.Text(cells),
            ]
        )
    group += body
    return nodes.table("", group, classes=["colwidths-auto"])


def row(contents) -> nodes.row:
    return nodes.row(
        "", *(nodes.entry("", nodes.paragraph("", "", content)) for content in contents)
    )


def pages_to_write(app, env) -> list[str]:
    """The table's page is written anew in each build: the times are not its own."""
    sources = {name: Path(env.doc2path(name)) for name in env.found_docs}
    return [
        name
        for name, path in sources.items()
        if path.suffix == ".md" and "```{chapter-costs}" in path.read_text()
    ]


def setup(app):
    app.add_node(ChapterCosts)
    app.add_directive("chapter-costs", Directive)
    app.connect("doctree-resolved", fill)
    app.connect("env-updated", pages_to_write)
