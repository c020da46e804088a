"""What the site gives out: the library's wheel, and all chapters in one archive.

Both lie in the folder `downloads` of the site. A page links to one of them with the
role `download-chapters` or `download-wheel`, which also says how large it is. The
archive holds the wheel, too: the first cell of a chapter takes the one that lies beside
it, so that the archive is all that a class without a network needs beside PyTorch.

The notebooks that the site offers one by one, under the download button of a chapter,
get the address of the repository written into their first cell.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.util import logging

from vaebook import first_cell
from vaebook.execution import library

LOGGER = logging.getLogger(__name__)
FOLDER = "downloads"
ARCHIVE = "chapters.zip"
# What a wheel is built from.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "vaelib")
BUILD = "import sys; from setuptools.build_meta import build_wheel; "
BUILD += "print(build_wheel(sys.argv[1]))"
# The same bytes from the same files: a date that does not change.
DATE = (2020, 1, 1, 0, 0, 0)
README = """\
The chapters of the book as notebooks, and the library they use.

You need Python 3.11 or newer with PyTorch and JupyterLab:

    pip install torch jupyterlab
    pip install {wheel}
    jupyter lab

Without a network, the second line is not needed where the other packages are installed:
the first cell of each chapter installs the wheel that lies beside it. Chapters that
train on images use MNIST where they find it (set VAELIB_DATA to the folder above
MNIST/raw), and otherwise the smaller digits that come with scikit-learn.
"""


def build_wheel(root: Path, folder: Path) -> Path | None:
    """Build the library's wheel into a folder; None when its sources are not here.

    It needs setuptools and no network.
    """
    if not (root / "pyproject.toml").exists():
        return None
    with tempfile.TemporaryDirectory() as scratch:
        for name in SOURCES:  # setuptools leaves its own files beside the sources
            if (root / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(root / name, Path(scratch, name), ignore=ignored)
            elif (root / name).exists():
                shutil.copy2(root / name, scratch)
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(Path(folder).resolve())],
            cwd=scratch,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"the wheel of vaelib cannot be built: {done.stderr}")
    return Path(folder, done.stdout.split()[-1])


def archive(notebooks: list[Path], wheel: Path, url: str | None, target: Path) -> None:
    """Write all chapters, the wheel and a few words into one zip file."""
    top = target.stem
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:

        def add(name: str, content: str | bytes):
            file.writestr(
                zipfile.ZipInfo(f"{top}/{name}", DATE), content, zipfile.ZIP_DEFLATED
            )

        add("README.txt", README.format(wheel=wheel.name))
        add(wheel.name, wheel.read_bytes())
        for path in notebooks:
            add(path.name, with_address(path, url))


def with_address(path: Path, url: str | None) -> str:
    """A notebook's text, its first cell with this address if there is one."""
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    if url is None or first_cell.find(notebook) is None:
        return text
    first_cell.put(notebook, url)
    return nbformat.writes(notebook) + "\n"


def prepare(app, config):
    """Make the files before any page is read: their sizes stand on the pages."""
    folder = Path(app.outdir).resolve().parent / "offline" / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config.vaebook_offline = {}
    wheel = build_wheel(library().parent, folder)
    if wheel is None:
        LOGGER.info("vaelib's sources are not here: no wheel, no archive of chapters")
        return
    chapters = sorted(Path(app.srcdir).glob("notebooks/*.ipynb"))
    archive(chapters, wheel, address(app), folder / ARCHIVE)
    config.html_extra_path.append(str(folder.parent))
    config.vaebook_offline = {
        "download-wheel": (wheel.name, size(wheel)),
        "download-chapters": (ARCHIVE, size(folder / ARCHIVE)),
    }


def address(app) -> str | None:
    found = app.config.vaebook_repository
    return found[0] if found else None


def size(path: Path) -> str:
    """ "0.3 MB", "41 kB"."""
    count = path.stat().st_size
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{max(count / 1e3, 1):.0f} kB"


def role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """{download-chapters}`all chapters` links to the archive: all chapters (0.3 MB)."""
    env = inliner.document.settings.env
    found = env.config.vaebook_offline.get(name)
    if found is None:
        return [nodes.Text(f"{text} (not in this copy)")], []
    file, large = found
    up = "../" * env.docname.count("/")
    link = nodes.reference("", text, refuri=f"{up}{FOLDER}/{file}")
    return [link, nodes.Text(f" ({large})")], []


def rewrite_sources(app, exception):
    """Put the address into the notebooks behind the download buttons."""
    url = address(app)
    if exception is not None or url is None or app.builder.format != "html":
        return
    for path in Path(app.outdir, "_sources").rglob("*.ipynb"):
        text = with_address(path, url)
        if text != path.read_text(encoding="utf-8"):
            path.write_text(text, encoding="utf-8")


def setup(app):
    # "env": a page that names a size is read again when it changes.
    app.add_config_value("vaebook_offline", {}, "env")
    for name in ("download-wheel", "download-chapters"):
        app.add_role(name, role)
    # After `repository`, which knows the address.
    app.connect("config-inited", prepare, priority=900)
    app.connect("build-finished", rewrite_sources)
