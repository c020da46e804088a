"""The first code cell of every chapter, which fetches vaelib where it is missing.

    make first-cell               # into all chapters, with the address they agree on
    make first-cell ADDRESS=here  # with that of the repository this clone came from
    make first-cell ADDRESS=https://github.com/owner/book

A chapter must run where it lies alone: opened on Colab from the repository, or copied
from a stick. The cell therefore has to hold the address itself; on Colab a kernel
cannot ask where its notebook came from. This command writes that address, and the cell
around it, into every notebook, so that nobody types either. The workflow that
publishes the site does it too, in the repository that it publishes; so does the build,
in the copies that the site offers.

The cell tries, in this order:

1. a wheel that lies beside the notebook, as in the site's archive: no network needed;
2. the clone that the notebook lies in;
3. the repository.

It installs vaelib without its dependencies. pip would otherwise look at what PyTorch
asks for in turn, and on Colab, whose PyTorch is built differently, fetch gigabytes.
What vaelib needs and the kernel lacks is then found out, and installed, by
`vaelib/_missing.py`.
"""

import argparse
from pathlib import Path

import nbformat

from vaebook import repository
from vaelib import _missing

ROOT = Path(__file__).resolve().parents[3]
ID = "install"
# Not on the page; closed in JupyterLab and on Colab, where it can be opened.
METADATA = {
    "cellView": "form",
    "jupyter": {"source_hidden": True},
    "tags": ["remove-cell"],
}


def address(notebook) -> str | None:
    """The address that a notebook's cell holds, as pip reads it; None without it."""
    cell = find(notebook)
    before, _, after = _missing.CELL.partition("{address}")
    if cell is None:
        return None
    text = cell.source
    if not (text.startswith(before) and text.endswith(after)):
        return None
    return text[len(before) : len(text) - len(after)].strip('"')


def find(notebook):
    return next((cell for cell in notebook.cells if cell.get("id") == ID), None)


def put(notebook, url: str | None) -> bool:
    """Write the cell into a notebook, as the first code cell; whether it changed."""
    cells = list(notebook.cells)
    source = _missing.first_cell(url)
    wanted = nbformat.v4.new_code_cell(source, id=ID, metadata=METADATA)
    rest = [cell for cell in cells if cell.get("id") != ID]
    first = next(i for i, cell in enumerate(rest) if cell.cell_type == "code")
    notebook.cells = [*rest[:first], wanted, *rest[first:]]
    return notebook.cells != cells


def agreed(notebooks) -> str | None:
    """The address that the notebooks hold; None when they hold none, or several."""
    held = {address(notebook) for notebook in notebooks} - {None, ""}
    return held.pop().removeprefix("git+") if len(held) == 1 else None


def chosen(said: str, notebooks) -> str | None:
    """The address to write, for what --address said."""
    if said == "none":
        return None
    if said not in ("", "here"):
        return repository.web_address(said) or said
    here = repository.find(ROOT)
    return (not said and agreed(notebooks)) or (here and here.url) or None


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vaebook first-cell")
    parser.add_argument(
        "--address",
        default="",
        help="where vaelib is fetched from; here: the repository of this clone; none; "
        "by default what the chapters agree on, else here",
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all")
    options = parser.parse_args(arguments)

    chapters = {
        path: nbformat.read(path, as_version=4)
        for path in sorted(ROOT.glob("notebooks/*.ipynb"))
    }
    url = chosen(options.address, chapters.values())
    if options.notebooks:
        chapters = {p: nbformat.read(p, as_version=4) for p in options.notebooks}
    where = _missing.pip_address(url) if url else "a wheel beside the chapter"
    print(f"The first cell fetches vaelib from {where}")
    changed = [path for path, notebook in chapters.items() if put(notebook, url)]
    for path in changed:
        print(f"{'differs' if options.check else 'written'}: {path.name}")
        if not options.check:
            nbformat.write(chapters[path], path)
    return int(bool(changed) and options.check)
