"""The book's Sphinx extension: its parts alone, and builds that must fail."""

import re
import shutil
import subprocess
import zipfile

import pytest

from sites import build, stage_sample
from vaebook.api import escaped
from vaebook.costs import budgeted, duration, fallback, sentence
from vaebook.execution import LOADS_MNIST, cache_folder, tree_hash
from vaebook.figures import inline_svg
from vaebook.repository import Repository, find, options, web_address

DRAWING = """<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
     width="72pt" height="36pt" viewBox="0 0 72 36">
 <metadata><x/></metadata>
 <defs><style type="text/css">*{stroke-linejoin: round}</style></defs>
 <g id="patch_1">
  <path d="M0 0" style="fill: none; stroke: #000000; stroke-width: 1"/>
 </g>
 <path d="M1 1" style="stroke:#000;fill:#3a7fc1"/>
 <path d="M1 1" style="fill: #ffffff; stroke: #000000ff"/>
 <g clip-path="url(#p1)"><use xlink:href="#glyph"/></g>
 <image xlink:href="data:image/png;base64,AAAA"/>
 <defs><path id="glyph"/><clipPath id="p1"><rect/></clipPath></defs>
</svg>"""


def test_black_becomes_the_ink_of_the_page_and_other_colours_stay():
    svg = inline_svg(DRAWING, "fig1-", "alt")
    assert 'style="fill: none; stroke: currentColor; stroke-width: 1"' in svg
    assert 'style="stroke:currentColor;fill:#3a7fc1"' in svg
    assert 'style="fill: #ffffff; stroke: #000000ff"' in svg  # not a plain black
    assert svg.count('fill="currentColor"') == 1  # of the root, where none is set


def test_ids_are_made_unique_and_still_found():
    svg = inline_svg(DRAWING, "fig7-", "alt")
    ids = set(re.findall(r' id="([^"]+)"', svg))
    assert ids == {"fig7-glyph", "fig7-p1"}  # those that nothing uses are gone
    assert 'href="#fig7-glyph"' in svg and "url(#fig7-p1)" in svg
    assert 'href="data:image/png;base64,AAAA"' in svg


def test_figure_has_a_name_a_size_and_no_style_for_the_whole_page():
    svg = inline_svg(DRAWING, "f-", 'an "alternative" & <text>')
    assert 'aria-label="an &quot;alternative&quot; &amp; &lt;text&gt;"' in svg
    assert "width:96px" in svg and "height" not in svg.partition(">")[0]
    assert "<style" not in svg and "metadata" not in svg


@pytest.mark.parametrize(
    ("code", "loads"),
    [
        ("data = vaelib.load()", True),
        ('vaelib.load("mnist")', True),
        ("vaelib.load(name='mnist', fallback=None)", True),
        ("vaelib.load(root=here)", True),
        ('vaelib.load("digits")', False),
        ("vaelib.load('digits8')", False),
        ('vaelib.load(name="shapes")', False),
        ("vaelib.VAE.load(path)", False),
        ("torch.load(path)", False),
    ],
)
def test_notebook_that_loads_mnist_is_recognised(code, loads):
    assert bool(LOADS_MNIST.search(code)) == loads


def test_cost_line_says_what_the_run_knows():
    assert sentence(41.2, "cpu", 2, "mnist") == (
        "This page ran in 41 s on 2 CPU cores with MNIST (a download of 12 MB, once)."
    )
    assert sentence(0.3, "cpu", 1, None) == (
        "This page ran in under a second on 1 CPU core."
    )
    assert sentence(240, "NVIDIA H200", 16, None).endswith("4 minutes on NVIDIA H200.")
    held = {"held": 710_000_000, "card": None}
    assert sentence(41.2, "cpu", 2, "mnist", held).startswith(
        "This page ran in 41 s on 2 CPU cores, in 0.7 GB of memory, with MNIST ("
    )
    assert sentence(41.2, "cpu", 2, None, held).endswith("in 0.7 GB of memory.")
    card = {"held": 3e9, "card": 1.2e9}
    assert sentence(9, "A card", 2, None, card).endswith(
        "A card, in 1.2 GB of its memory."
    )
    assert duration(99.9) == "100 s" and duration(5.04) == "5.0 s"
    assert fallback("mnist") is None and fallback(None) is None
    assert "MNIST could not be had" in fallback("digits")
    assert "for a CPU" in budgeted("cpu") and "for a GPU" in budgeted("gpu")
    assert budgeted(None) is None


def test_cached_runs_depend_on_library_and_machine(tmp_path, monkeypatch):
    library = tmp_path / "vaelib"
    library.mkdir()
    (library / "a.py").write_text("x = 1")
    monkeypatch.setattr("vaebook.execution.library", lambda: library)
    facts = {"python": "3.11", "data": "mnist"}
    first = cache_folder(tmp_path, facts)
    assert cache_folder(tmp_path, facts) == first
    assert cache_folder(tmp_path, facts | {"data": "digits"}) != first
    (library / "a.py").write_text("x = 2")
    assert cache_folder(tmp_path, facts) != first


def test_tree_hash_sees_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    first = tree_hash(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert tree_hash(tmp_path) != first


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b"),
        ("https://github.com/a/b/", "https://github.com/a/b"),
        ("https://user:secret@github.com/a/b", "https://github.com/a/b"),
        ("git@github.com:a/b.git", "https://github.com/a/b"),
        ("git@github.com:123/b", "https://github.com/123/b"),
        ("ssh://git@github.com/a/b.git", "https://github.com/a/b"),
        ("git@gitlab.com:group/sub/book.git", "https://gitlab.com/group/sub/book"),
        ("https://gitlab.example.org:8443/a/b", "https://gitlab.example.org:8443/a/b"),
        (
            "ssh://git@gitlab.example.org:22/g/s/b.git",
            "https://gitlab.example.org/g/s/b",
        ),
        ("/srv/git/book.git", None),
        ("../github.com/a/b", None),
        ("C:\\github.com\\a\\b", None),
        ("https://github.com/a", None),
        ("file:///srv/github.com/a/b", None),
        ("https://git.example.org/a/b", None),
        ("", None),
    ],
)
def test_repository_links_only_where_a_reader_can_go(remote, address):
    assert web_address(remote) == address


def clone(folder, remote: str):
    folder.mkdir(exist_ok=True)
    for command in (["init", "-q"], ["remote", "add", "origin", remote]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


GITHUB = {
    "GITHUB_REPOSITORY": "someone/fork",
    "GITHUB_REF_TYPE": "branch",
    "GITHUB_REF_NAME": "trunk",
}


@pytest.mark.parametrize(
    ("environment", "repository"),
    [
        ({}, ("https://github.com/a/b", "main")),
        (GITHUB, ("https://github.com/someone/fork", "trunk")),
        (
            # A pull request's own ref, 7/merge, is not one that readers can open.
            GITHUB | {"GITHUB_BASE_REF": "main", "GITHUB_REF_NAME": "7/merge"},
            ("https://github.com/someone/fork", "main"),
        ),
        (
            GITHUB | {"GITHUB_SERVER_URL": "https://github.example.org"},
            ("https://github.example.org/someone/fork", "trunk"),
        ),
        (
            {"CI_PROJECT_URL": "https://gitlab.com/g/b", "CI_DEFAULT_BRANCH": "dev"},
            ("https://gitlab.com/g/b", "dev"),
        ),
        (
            GITHUB | {"VAEBOOK_REPOSITORY": "git@gitlab.com:c/d.git"},
            ("https://gitlab.com/c/d", "main"),
        ),
        (
            {"VAEBOOK_REPOSITORY": "https://user:key@github.com/c/d@v2/x"},
            ("https://github.com/c/d", "v2/x"),
        ),
        (GITHUB | {"VAEBOOK_REPOSITORY": "none"}, None),
        ({"VAEBOOK_REPOSITORY": "/srv/book"}, None),
    ],
)
def test_one_place_knows_where_the_book_lives(tmp_path, environment, repository):
    folder = clone(tmp_path / "book", "git@github.com:a/b.git")
    assert find(folder, environment) == repository


def test_a_clone_of_a_folder_or_around_the_book_is_no_repository(tmp_path):
    assert find(clone(tmp_path / "one", str(tmp_path / "origin")), {}) is None
    assert find(clone(tmp_path / "two", (tmp_path / "origin").as_uri()), {}) is None
    inside = clone(tmp_path / "three", "https://github.com/a/b") / "copy"
    inside.mkdir()
    assert find(inside, {}) is None
    assert find(tmp_path, {}) is None


def test_colab_opens_what_is_on_github_only():
    github = options(Repository("https://github.com/a/b", "main"))
    gitlab = options(Repository("https://gitlab.com/a/b", "main"))
    assert "colab_url" in github["launch_buttons"]
    assert "colab_url" not in gitlab["launch_buttons"]
    assert "binderhub_url" in gitlab["launch_buttons"]


def test_docstring_is_text_and_not_markup():
    assert escaped("(q || p) of x_ and `mu`*2") == r"(q \|\| p) of x\_ and ``mu``\*2"


def test_what_is_wrong_with_a_chapter_fails_the_build(tmp_path):
    """A check that fails, a check without its equation, a figure without a name."""
    stage_sample(tmp_path)
    page = tmp_path / "notebooks" / "03_sample.md"
    text = page.read_text("utf-8")
    for right, wrong in [
        ("[check-eq-sample-mean]", "[check-eq-sample-absent]"),
        ("    alt: Two bell curves, one narrow and one wide.", "    classes: plain"),
        # The last cell: one that fails ends the run.
        ("total = sum(tqdm(range(10)))", "assert sum(tqdm(range(10))) == 44"),
    ]:
        assert right in text
        text = text.replace(right, wrong)
    page.write_text(text, "utf-8")
    done = build(tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "no equation on this page is labelled eq-sample-absent" in said
    assert "AssertionError" in said
    assert "a figure without alternative text" in said
    # Unchanged pages are not read again, but a build that failed must fail again.
    assert build(tmp_path).returncode != 0


def test_warm_build_takes_a_new_style_sheet_and_runs_nothing(sample, tmp_path):
    shutil.copytree(sample.parents[1], tmp_path / "copy")
    folder = tmp_path / "copy"
    assert build(folder).returncode == 0  # the paths have changed, so pages are read
    (runs,) = (folder / "_build" / ".jupyter_cache").iterdir()
    before = {path: path.stat().st_mtime for path in runs.rglob("*.ipynb")}
    assert before
    (folder / "book" / "assets" / "book.css").write_text("/* new */")
    assert build(folder).returncode == 0
    assert (folder / "_build/html/_static/book.css").read_text() == "/* new */"
    assert {path: path.stat().st_mtime for path in runs.rglob("*.ipynb")} == before


def links(page) -> str:
    return " ".join(re.findall(r'href="(https?://[^"]+)"', page.read_text("utf-8")))


def test_site_of_a_fork_points_at_the_fork(sample, tmp_path):
    """And a site that nobody can find on the web has no such buttons."""
    chapter = "notebooks/03_sample.html"
    for host in ("colab", "mybinder", "github.com", "issues"):
        assert host not in links(sample / chapter)

    shutil.copytree(sample.parents[1], tmp_path / "fork")
    folder = clone(tmp_path / "fork", "git@github.com:someone/fork.git")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    found = links(folder / "_build/html" / chapter).replace("&amp;", "&")
    path = "someone/fork/{}/main/notebooks/03_sample"
    assert "colab.research.google.com/github/" + path.format("blob") in found
    assert "mybinder.org/v2/gh/someone/fork/main?urlpath=lab/tree/notebooks" in found
    assert "github.com/" + path.format("edit") in found
    assert "/issues/new?template=chapter.yml&chapter=notebooks%2F03_sample" in found
    # Prose pages can be changed and reported, too, but there is nothing to run.
    found = links(folder / "_build/html/book/start.html")
    assert "edit/main/book/start.md" in found and "issues/new" in found
    assert "colab" not in found and "mybinder" not in found


def test_site_gives_out_the_library_and_the_chapters(sample):
    page = (sample / "book" / "start.html").read_text("utf-8")
    assert re.search(
        r'href="\.\./downloads/chapters\.zip".*?\((\d+\skB|0\.\d\sMB)\)', page
    )
    (wheel,) = (sample / "downloads").glob("vaelib-*-py3-none-any.whl")
    held = zipfile.ZipFile(wheel).namelist()
    assert {"vaelib/_missing.py", "vaelib/style.mplstyle"} <= set(held)
    assert any(name.startswith("vaelib/figures/static/") for name in held)
    names = zipfile.ZipFile(sample / "downloads" / "chapters.zip").namelist()
    assert f"chapters/{wheel.name}" in names and "chapters/README.txt" in names
