"""Which sites there are to test, and how the sample is built."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = Path(__file__).parent / "sample"
BOOK = ROOT / "_build" / "html"
REQUIRED = os.environ.get("VAEBOOK_REQUIRE_SITE", "0") not in ("", "0")
SOURCES = ("book", "notebooks", "vaelib", "_config.yml", "_toc.yml")


def unavailable(reason: str):
    """Skip, and say why; an error where nothing may be skipped."""
    if REQUIRED:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def book_is_current() -> bool:
    stamp = BOOK / ".built"
    if not stamp.exists():
        return False
    files = [
        path
        for name in SOURCES
        for path in [ROOT / name, *(ROOT / name).rglob("*")]
        if path.is_file() and not {"__pycache__", ".ruff_cache"} & set(path.parts)
    ]
    return max(path.stat().st_mtime for path in files) <= stamp.stat().st_mtime


def pages_of(site: Path) -> list[str]:
    """The pages of a built site, the search page among them, without redirects."""
    return sorted(
        path.relative_to(site).as_posix()
        for path in site.rglob("*.html")
        if "_static" not in path.parts and path != site / "index.html"
    )


def stage_sample(folder: Path) -> None:
    """The sample's pages with the book's own configuration, extension and look."""
    shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    shutil.copy2(ROOT / "_config.yml", folder)
    for name in ("_ext", "assets"):
        shutil.copytree(ROOT / "book" / name, folder / "book" / name)
    shutil.copy2(ROOT / "book" / "references.bib", folder / "book")


def build(folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "jupyter_book.cli.main"]
    # Where the book lives is the test's to say, not the runner's.
    said = ("VAEBOOK_REPOSITORY", "GITHUB_REPOSITORY", "CI_PROJECT_URL")
    environment = {k: v for k, v in os.environ.items() if k not in said}
    script = Path(sys.executable).with_name("jupyter-book")
    if script.exists():
        command = [str(script)]
    return subprocess.run(
        [*command, "build", "-W", "-n", "--keep-going", "--quiet", str(folder)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment,
    )
