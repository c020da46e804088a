"""The first cell of a chapter, and what it runs: nothing moved, nothing forgotten."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from vaebook import first_cell, offline
from vaelib import _missing

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
URL = "https://github.com/someone/fork"


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_begins_with_the_cell(path):
    """make first-cell puts it there."""
    url = first_cell.agreed(map(read, CHAPTERS))
    assert not first_cell.put(read(path), url), "run make first-cell"


def test_chapters_agree_on_the_address():
    addresses = {first_cell.address(read(path)) for path in CHAPTERS}
    assert len(addresses) == 1 and None not in addresses, addresses


def test_command_writes_the_address_and_is_then_content(tmp_path, capsys):
    path = tmp_path / "chapter.ipynb"
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell("# 1. One", id="title"),
            nbformat.v4.new_code_cell("import torch", id="setup"),
        ]
    )
    nbformat.write(notebook, path)
    ask = ["--address", "git@github.com:someone/fork.git", str(path)]
    assert first_cell.main(["--check", *ask]) == 1
    assert read(path).cells == notebook.cells  # it only looked
    assert first_cell.main(ask) == 0
    assert first_cell.main(["--check", *ask]) == 0
    cells = read(path).cells
    assert [cell.id for cell in cells] == ["title", "install", "setup"]
    assert f'"git+{URL}"' in cells[1].source
    assert first_cell.address(read(path)) == f"git+{URL}"
    # Another address replaces the cell, and does not add one.
    assert first_cell.main(["--address", "none", str(path)]) == 0
    assert len(read(path).cells) == 3 and URL not in read(path).cells[1].source


def test_address_is_kept_until_another_is_asked_for(monkeypatch):
    monkeypatch.setenv("VAEBOOK_REPOSITORY", "https://github.com/upstream/book")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("1", id="one")]
    )
    assert first_cell.chosen("", [notebook]) == "https://github.com/upstream/book"
    first_cell.put(notebook, URL)
    # A clone of a fork, made to propose a change, changes no other line.
    assert first_cell.chosen("", [notebook]) == URL
    assert first_cell.chosen("here", [notebook]) == "https://github.com/upstream/book"
    assert first_cell.chosen("none", [notebook]) is None


RUN = """
import subprocess, sys, types
asked = []
subprocess.run = lambda command, check: asked.append(command[1:]) or HOOK()
HOOK = lambda: None
"""


def run_cell(folder, before="", address=URL):
    """Run the cell in a Python of its own; the commands that it would have run."""
    code = RUN + before + _missing.first_cell(address) + "\nprint(asked)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return eval(done.stdout)


# find_spec says that vaelib is missing until pip has run.
ABSENT = """
import importlib.util
spec = types.SimpleNamespace(origin="/there/vaelib/__init__.py")
importlib.util.find_spec = lambda name: spec if asked else None
"""


def test_cell_does_nothing_where_the_library_is(tmp_path):
    assert run_cell(tmp_path) == []


def test_cell_takes_the_wheel_then_the_clone_then_the_repository(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    pip = ["-m", "pip", "install", "-qq", "--no-deps"]
    rest = ["/there/vaelib/_missing.py"]
    assert run_cell(folder, ABSENT) == [[*pip, f"git+{URL}"], rest]
    (tmp_path / "vaelib").mkdir()  # somebody's folder, no clone
    assert run_cell(folder, ABSENT) == [[*pip, f"git+{URL}"], rest]
    (tmp_path / "pyproject.toml").touch()
    assert run_cell(folder, ABSENT) == [[*pip, "../vaelib/.."], rest]
    (folder / "vaelib-0.1.0-py3-none-any (1).whl").touch()  # pip would not take it
    assert run_cell(folder, ABSENT) == [[*pip, "../vaelib/.."], rest]
    (folder / "vaelib-0.1.0-py3-none-any.whl").touch()
    (first, _) = run_cell(folder, ABSENT)
    assert first == [*pip, "vaelib-0.1.0-py3-none-any.whl"]


def test_cell_with_nothing_to_take_says_what_to_do(tmp_path):
    code = RUN + ABSENT + _missing.first_cell(None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Put the file vaelib-...-any.whl beside this notebook." in done.stderr


def test_what_is_missing_is_read_from_the_package():
    asked = _missing.requirements()
    names = [_missing.name_of(line) for line in asked]
    assert {"torch", "scikit-learn", "anywidget"} <= set(names)
    assert _missing.missing(asked, dict.fromkeys(names, "0")) == []  # old, but there
    there = dict.fromkeys(names, "1.0")
    del there["scikit-learn"]
    (line,) = _missing.missing(asked, there)
    assert line.startswith("scikit-learn>=")
    assert _missing.missing(asked, _missing.present()) == []


def test_names_are_compared_as_pip_compares_them():
    assert _missing.canonical("Scikit_Learn") == "scikit-learn"
    assert _missing.name_of("typing_extensions>=4 ; python_version<'3.13'") == (
        "typing-extensions"
    )


def test_what_is_there_is_held(monkeypatch):
    seen = {}

    def run(command, check):
        seen["held"] = Path(command[command.index("--constraint") + 1]).read_text()
        seen["wanted"] = command[-1]

    monkeypatch.setattr(_missing.subprocess, "run", run)
    there = {"torch": "2.11.0+cu128", "numpy": "2.1.3", "odd": "not a version"}
    _missing.install(["anywidget>=0.9"], there)
    assert seen == {
        "held": "torch==2.11.0+cu128\nnumpy==2.1.3",
        "wanted": "anywidget>=0.9",
    }


def test_missing_runs_before_the_library_can_be_imported():
    """As a file, without site-packages in which torch could be found."""
    code = (
        "import sys; sys.modules['torch'] = None; import runpy; "
        f"runpy.run_path({_missing.__file__!r}, run_name='other')"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_archive_holds_the_wheel_and_every_chapter(tmp_path):
    wheel = offline.build_wheel(ROOT, tmp_path)
    with zipfile.ZipFile(wheel) as file:
        (name,) = [n for n in file.namelist() if n.endswith("METADATA")]
        metadata = file.read(name).decode()
    assert "Requires-Dist: torch>=2.6" in metadata
    target = tmp_path / "chapters.zip"
    offline.archive(CHAPTERS, wheel, URL, target)
    with zipfile.ZipFile(target) as file:
        assert file.read(f"chapters/{wheel.name}") == wheel.read_bytes()
        for path in CHAPTERS:
            notebook = nbformat.reads(file.read(f"chapters/{path.name}"), as_version=4)
            if first_cell.find(notebook):
                assert first_cell.address(notebook) == f"git+{URL}"
            assert [c.id for c in notebook.cells] == [c.id for c in read(path).cells]
        assert wheel.name in file.read("chapters/README.txt").decode()
    again = tmp_path / "again" / "chapters.zip"
    again.parent.mkdir()
    offline.archive(CHAPTERS, wheel, URL, again)
    assert again.read_bytes() == target.read_bytes()


def test_without_the_sources_there_is_no_wheel(tmp_path):
    assert offline.build_wheel(tmp_path, tmp_path) is None


def test_notebooks_are_given_out_as_they_are_when_nobody_can_find_the_book():
    path = CHAPTERS[0]
    assert offline.with_address(path, None) == path.read_text("utf-8")
    text = offline.with_address(path, URL)
    assert f"git+{URL}" in text and json.loads(text)["nbformat"] == 4
