"""Each chapter, alone in an empty folder, in an environment like Colab's.

These take minutes, and a Python with Colab's packages: `make colab` creates one and
runs them. Without VAEBOOK_COLAB, the path of that Python, they are skipped.

The first cell of the chapter installs the library itself, from a git address. What was
there before it ran must be there, at the same versions, when the chapter has ended.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

import colab_packages
from vaebook import first_cell, offline

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PYTHON = os.environ.get("VAEBOOK_COLAB", "")

pytestmark = [
    pytest.mark.skipif(
        not PYTHON, reason="no environment like Colab's: make colab creates one"
    ),
    # They install into one environment, and remove again.
    pytest.mark.xdist_group("colab"),
]

RUN = """\
import sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
if sys.argv[2:]:
    notebook.cells = [c for c in notebook.cells if c.get("id") in sys.argv[2:]]
try:
    NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
finally:
    nbformat.write(notebook, sys.argv[1])
"""


def python(*arguments, folder=None, **environment) -> str:
    """Run the environment's Python; what it printed. It sees nothing of this one."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name
        not in (
            "PYTHONPATH",
            "PYTEST_CURRENT_TEST",
            "VAELIB_STATIC",
            "IPYTHONDIR",
            "MATPLOTLIBRC",
        )
    }
    kept |= {"JUPYTER_PREFER_ENV_PATH": "1", "VIRTUAL_ENV": ""} | environment
    done = subprocess.run(
        [PYTHON, *map(str, arguments)],
        cwd=folder,
        env=kept,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


def freeze() -> list[str]:
    return python("-m", "pip", "freeze").splitlines()


@pytest.fixture
def colab():
    """The packages before the chapter runs, without vaelib; afterwards the same."""
    python("-m", "pip", "uninstall", "-q", "-y", "vaelib")
    before = freeze()
    assert not any("vaelib" in line for line in before)
    yield before
    python("-m", "pip", "uninstall", "-q", "-y", "vaelib")


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> str:
    """The git address of a repository that holds the present files."""
    folder = tmp_path_factory.mktemp("origin") / "book"
    shutil.copytree(
        ROOT,
        folder,
        ignore=shutil.ignore_patterns(".git", ".venv", "_build", "*.egg-info", "build"),
    )
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return f"git+{folder.as_uri()}"


def alone(path: Path, folder: Path, address: str | None) -> Path:
    """A chapter by itself in a folder, as the site or the repository gives it out."""
    notebook = nbformat.read(path, as_version=4)
    first_cell.put(notebook, address)
    nbformat.write(notebook, folder / path.name)
    return folder / path.name


def test_environment_is_like_colabs(colab):
    wanted = colab_packages.pins(colab_packages.PACKAGES.read_text("utf-8"))
    there = colab_packages.pins("\n".join(colab))
    assert set(wanted) <= set(there), sorted(set(wanted) - set(there))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_alone_installs_what_it_needs_and_runs(
    path, colab, repository, tmp_path
):
    notebook = alone(path, tmp_path, repository)
    python("-c", RUN, notebook, folder=tmp_path)
    after = freeze()
    assert [line for line in after if line not in colab] == [
        line for line in after if line.startswith("vaelib @ git+file://")
    ], "the first cell installed or moved another package"
    assert [line for line in colab if line not in after] == []
    assert os.listdir(tmp_path) == [path.name], "the chapter left files behind"


def test_chapter_with_the_wheel_beside_it_needs_no_network(colab, tmp_path):
    """As in the archive that the site offers: no index, no repository."""
    offline.build_wheel(ROOT, tmp_path)
    notebook = alone(CHAPTERS[0], tmp_path, None)
    python("-c", RUN, notebook, folder=tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert any(line.startswith("vaelib @ file://") for line in freeze())


def test_first_cell_brings_what_is_missing_and_moves_nothing(
    colab, repository, tmp_path
):
    """A kernel without two of the packages, one of which needs the other's kind."""
    gone = ["anywidget", "safetensors"]
    lines = [line for line in colab if line.partition("==")[0] in gone]
    assert len(lines) == 2
    try:
        python("-m", "pip", "uninstall", "-q", "-y", *gone)
        notebook = alone(CHAPTERS[0], tmp_path, repository)
        python("-c", RUN, notebook, "install", folder=tmp_path)
        after = freeze()
        assert {line.partition("==")[0] for line in after} >= set(gone)
        kept = [line for line in colab if line not in lines]
        assert [line for line in kept if line not in after] == []
        (cell,) = nbformat.read(notebook, as_version=4).cells
        said = json.dumps(cell.outputs)
        assert "vaelib also needs" in said and all(name in said for name in gone)
    finally:
        python("-m", "pip", "install", "-qq", "--no-deps", *lines)
