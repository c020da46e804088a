"""The book on paper: complete, numbered, bookmarked, and its links stay in it."""

import re

import pytest
import yaml

from sites import SAMPLE
from vaebook import pdf


@pytest.fixture(scope="session")
def book(sample, browser, tmp_path_factory):
    """The sample site, bound."""
    from pypdf import PdfReader

    target = tmp_path_factory.mktemp("pdf") / "book.pdf"
    parts = pdf.order(yaml.safe_load((SAMPLE / "_toc.yml").read_text("utf-8")))
    printer = pdf.Printer(browser)
    total = pdf.bind(printer, sample, parts, "A book", target, "https://example.org/b")
    reader = PdfReader(target)
    assert len(reader.pages) == total
    assert [path.name for path in target.parent.iterdir()] == ["book.pdf"]
    return reader


def words(page) -> str:
    return " ".join(page.extract_text().split())


def links(book) -> list:
    """Each link as (page it stands on, address, or page and height it leads to)."""
    pages = [page.get_object() for page in book.pages]
    found = []
    for number, page in enumerate(book.pages):
        for note in page.get("/Annots") or []:
            note = note.get_object()
            if "/A" in note:
                found.append((number, str(note["/A"]["/URI"])))
            else:
                target, _, _, height, _ = note["/Dest"]
                found.append((number, (pages.index(target.get_object()), height)))
    return found


def test_contents_name_the_pages_on_which_chapters_begin(book):
    assert "A book" in words(book.pages[0])
    contents = book.pages[1].extract_text()
    listed = {
        title: int(number)
        for title, number in re.findall(r"^(\D.*?|3\. Sample)\s+(\d+)$", contents, re.M)
    }
    titles = ["A sample book", "3. Sample", "Bibliography"]
    assert list(listed) == titles
    outline = [item for item in book.outline if not isinstance(item, list)]
    assert [item.title for item in outline] == titles
    for item in outline:
        page = book.get_destination_page_number(item)
        assert listed[item.title] == page + 1
        assert item.title in words(book.pages[page])
        # The stamp at its foot: the chapter and the number.
        assert words(book.pages[page]).endswith(f"{item.title} {page + 1}")


def test_nothing_is_closed_and_mathematics_is_set(book):
    said = " ".join(map(words, book.pages))
    assert "The expectation is linear" in said  # a solution
    assert 'label="narrow"' in said  # code that the page hides
    assert "Show the code" not in said and "Hide the code" not in said
    assert "\\frac" not in said and "\\bar" not in said


def test_live_figure_is_a_picture_with_a_link_to_where_it_moves(book):
    said = " ".join(map(words, book.pages))
    assert "This figure moves: notebooks/03_sample on the website" in said
    address = "https://example.org/b/notebooks/03_sample.html#figures"
    assert [target for _, target in links(book)].count(address) == 1


def test_links_within_the_book_stay_in_it(book):
    found = links(book)
    assert not [t for _, t in found if isinstance(t, str) and t.startswith("file:")]
    start, chapter = (
        next(p for p, page in enumerate(book.pages) if text in words(page))
        for text in ("heteroscedastic", "colour of the text can be judged")
    )
    (whole, _), (theorem, low), (equation, high) = (
        t for p, t in found if p == start and isinstance(t, tuple)
    )
    assert whole == equation == chapter
    assert "Theorem 3.1 (Jensen" in words(book.pages[theorem])
    assert (theorem, -float(low)) > (equation, -float(high))  # it stands further down
    assert 0 < float(low) < 842 and 0 < float(high) < 800


def test_order_is_that_of_the_table_of_contents():
    toc = {
        "root": "book/start",
        "parts": [
            {"caption": "One", "chapters": [{"file": "a"}, {"file": "b"}]},
            {"caption": "Two", "chapters": [{"file": "c"}]},
        ],
    }
    assert pdf.order(toc) == [
        ("", ["book/start"]),
        ("One", ["a", "b"]),
        ("Two", ["c"]),
    ]


def test_without_a_site_nothing_is_printed(tmp_path, capsys):
    assert pdf.main(["--site", str(tmp_path)]) == 1
    assert "build it first" in capsys.readouterr().err
