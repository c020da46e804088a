"""Every chapter keeps the contract of CONTRIBUTING.md, and runs.

A chapter that the last `make book` ran, with the same code, library, Python, PyTorch,
device and images, is taken from that build's cache: it has run. Any other runs here.
"""

import re
from pathlib import Path

import nbformat
import pytest
from jupyter_cache import get_cache
from myst_nb.core.read import read_myst_markdown_notebook
from nbclient import NotebookClient

from vaebook import exercises
from vaebook.execution import cache_folder, facts, kernel_environment

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = sorted(
    path
    for path in (ROOT / "book").glob("*.md")
    if "file_format: mystnb" in path.read_text("utf-8")
)
SECONDS_A_CELL = 600
MACHINE = re.compile(
    r"""(?<![\w.:/])/(?:home|Users|root|tmp|mnt|srv|opt)/|[A-Z]:\\\\"""
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def read(path: Path):
    if path.suffix == ".md":
        return read_myst_markdown_notebook(path.read_text("utf-8"))
    return nbformat.read(path, as_version=4)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="session")
def machine() -> dict:
    return facts(ROOT)


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_chapter_keeps_the_contract(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert [i for i in ids if not re.fullmatch(r"[a-z][a-z0-9-]*", i)] == []
    # Jupyter's own ids are eight hexadecimal digits, and change.
    assert [i for i in ids if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f-]+)?", i)] == []
    assert re.match(r"# \d+\. \S", notebook.cells[0].source), "# N. Title comes first"
    assert not MACHINE.search("\n".join(cell.source for cell in notebook.cells))
    for cell in code_cells(notebook):
        lines = cell.source.splitlines()
        assert cell.outputs == [] and cell.execution_count is None, cell.id
        assert [line for line in lines if len(line) > 79] == [], cell.id
        assert len([line for line in lines if line.strip()]) <= 16, cell.id
        # What the page folds away, JupyterLab folds away, too.
        hidden = {"hide-input", "remove-input"} & set(cell.metadata.get("tags", []))
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert folded or not hidden, cell.id


def test_chapters_have_a_number_of_their_own():
    for path in CHAPTERS:
        title = read(path).cells[0].source
        assert int(path.name.split("_")[0]) == int(re.match(r"# (\d+)", title)[1]), path


def test_equation_labels_and_exercises_are_unique_in_the_book():
    found = {}
    for path in [*CHAPTERS, *(ROOT / "book").glob("*.md")]:
        text = path.read_text("utf-8")
        if path.suffix == ".ipynb":
            cells = read(path).cells
            text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
        labels = re.findall(r"\$\$\s*\(([\w-]+)\)\s*$", text, re.M)
        labels += re.findall(r"^:label:\s*([\w-]+)\s*$", text, re.M)
        for label in labels:
            found.setdefault(label, []).append(name(path))
    assert {label: where for label, where in found.items() if len(where) > 1} == {}


@pytest.mark.parametrize("path", [*CHAPTERS, *PAGES], ids=name)
def test_chapter_runs(path, machine, tmp_path, monkeypatch):
    notebook = run_by_the_build(path, machine)
    if notebook is None:
        for variable, value in kernel_environment(tmp_path).items():
            monkeypatch.setenv(variable, value)
        notebook = read(path)
        NotebookClient(
            notebook,
            timeout=SECONDS_A_CELL,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
        ).execute()
    source = code_cells(read(path))
    for cell, executed in zip(source, code_cells(notebook), strict=True):
        where = f"{name(path)}, the cell that begins {cell.source[:60]!r}"
        kinds = {kind for out in executed.outputs for kind in out.get("data", {})}
        assert "application/vnd.jupyter.widget-view+json" not in kinds, where
        if any(kind.startswith("image/") for kind in kinds):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt.split()) >= 4, f"alternative text is missing: {where}"


def run_by_the_build(path: Path, machine: dict):
    """The executed notebook, if the build of the website holds a run that is valid."""
    folder = cache_folder(ROOT / "_build", machine)
    if not folder.exists():
        return None
    cache = get_cache(str(folder))
    try:
        return cache.merge_match_into_notebook(read(path))[1]
    except KeyError:
        return None


@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_exercises_are_those_of_the_library(path):
    number = exercises.chapter_of(path)
    assert not exercises.put(read(path), number), "run make exercises"
