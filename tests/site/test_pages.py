"""Every page of the sample and of the book, in a browser that reaches nothing else."""

import re
from contextlib import suppress
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlparse

import pytest
from playwright.sync_api import TimeoutError, expect

from sites import BOOK, book_is_current, pages_of, unavailable

SAMPLE_PAGES = ["book/start.html", "notebooks/03_sample.html", "book/sources.html"]
CURRENT = book_is_current()
PAGES = [("sample", page) for page in [*SAMPLE_PAGES, "search.html"]]
PAGES += [("book", page) for page in (pages_of(BOOK) if CURRENT else ["all"])]

# TeX that MathJax has left as text, or has complained about. Code may show TeX.
RAW_TEX = r"""() => {
  const article = document.querySelector("article") ?? document.body;
  const walk = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  const left = [];
  while (walk.nextNode()) {
    const node = walk.currentNode;
    if (node.parentElement.closest("pre, code, script, style, svg")) continue;
    if (/\\[(\[]|\$\$|\\[a-zA-Z]+\{/.test(node.data)) left.push(node.data.trim());
  }
  for (const error of document.querySelectorAll("mjx-merror"))
    left.push(error.getAttribute("data-mjx-error") ?? error.textContent);
  const untouched = [...document.querySelectorAll(".math")].filter(
    (e) => !e.querySelector("mjx-container"));
  return [...left, ...untouched.map((e) => e.textContent.trim())];
}"""
WIDER_THAN_PAGE = """() => [...document.querySelectorAll("article *")]
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
  .filter((e) => {  // what scrolls in a box of its own is not the page's width
    for (let p = e.parentElement; p && p.tagName != "BODY"; p = p.parentElement)
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(p).overflowX))
        return false;
    return true; })
  .slice(0, 5).map((e) => e.outerHTML.slice(0, 120))"""
# Displayed equations that scroll on a telephone, in solutions, too.
CUT_OFF = """() => {
  for (const box of document.querySelectorAll("article details")) box.open = true;
  return [...document.querySelectorAll('article mjx-container[display="true"]')]
    .filter((e) => e.scrollWidth > e.clientWidth + 1)
    .map((e) => (e.closest("[id]")?.id ?? "") + " " + e.textContent.slice(0, 60)); }"""
INK = """() => [...document.querySelectorAll("svg.vb-figure")]
  .map((e) => getComputedStyle(e).color)"""
CLICK_THEME = """() => document.querySelector("button.theme-switch-button").click()"""


def site_folder(name, sample):
    if name == "sample":
        return sample
    if not CURRENT:
        unavailable(
            "NO CURRENT BOOK: _build/html is missing or older than its sources, and "
            "its pages were not looked at. Run make book and test again."
        )
    return BOOK


@pytest.mark.parametrize(("name", "page"), PAGES, ids=lambda value: str(value))
def test_page_over_http(name, page, sample, address, visit):
    """Wide and light, then dark, then as narrow as a telephone; live figures, too."""
    seen = visit(address(site_folder(name, sample)) + page)
    assert seen.page.evaluate(RAW_TEX) == []
    for figure in seen.page.locator("[data-live-figure]").all():
        figure.scroll_into_view_if_needed()  # then it starts
        expect(figure).to_have_attribute("data-mounted", "yes", timeout=15_000)
    ink = seen.page.evaluate(INK)

    modes = set()
    for _ in range(3):  # auto, light, dark
        seen.page.evaluate(CLICK_THEME)
        theme = seen.page.evaluate("document.documentElement.dataset.theme")
        modes.add(theme)
        if theme == "dark":
            dark = seen.page.evaluate(INK)
    assert modes == {"light", "dark"}
    assert all(a != b for a, b in zip(ink, dark, strict=True)), "a figure stays black"

    seen.page.set_viewport_size({"width": 390, "height": 844})
    fits = "document.documentElement.scrollWidth <= 390"
    with suppress(TimeoutError):  # a busy machine takes a while to lay it out anew
        seen.page.wait_for_function(fits, timeout=5000)
    assert seen.page.evaluate(fits), seen.page.evaluate(WIDER_THAN_PAGE)
    assert seen.page.evaluate(WIDER_THAN_PAGE) == []
    if name == "book":
        with suppress(TimeoutError):
            seen.page.wait_for_function(f"({CUT_OFF})().length == 0", timeout=5000)
        assert seen.page.evaluate(CUT_OFF) == []
    assert seen.problems == []


@pytest.mark.parametrize(("name", "page"), PAGES, ids=lambda value: str(value))
def test_page_from_the_disk(name, page, sample, address, visit):
    seen = visit(address(site_folder(name, sample), "file") + page)
    assert seen.page.evaluate(RAW_TEX) == []
    assert seen.problems == []


class Page(HTMLParser):
    """What a page offers (ids) and what it asks for (links, images, scripts)."""

    def __init__(self, text: str):
        super().__init__()
        self.ids, self.asks, self.twice = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if found.get("id"):
            self.twice += [found["id"]] if found["id"] in self.ids else []
            self.ids.add(found["id"])
        if tag in ("a", "img", "link", "script", "source"):
            target = found.get("href") or found.get("src")
            if target and found.get("rel") != "canonical":
                self.asks.append(target)


@pytest.mark.parametrize("name", ["sample", "book"])
def test_every_link_leads_somewhere(name, sample):
    site = site_folder(name, sample)
    pages = {page: Page((site / page).read_text("utf-8")) for page in pages_of(site)}
    broken = []
    for page, parsed in pages.items():
        for target in parsed.asks:
            where = urlparse(urljoin(f"http://site/{page}", target))
            if where.netloc != "site" or where.scheme != "http":
                continue
            path, anchor = unquote(where.path).lstrip("/"), unquote(where.fragment)
            if not (site / path).exists():
                broken.append(f"{page}: {target}")
            elif anchor and path in pages and anchor not in pages[path].ids:
                broken.append(f"{page}: {target}")
    assert broken == []


@pytest.mark.parametrize("name", ["sample", "book"])
def test_ids_are_unique_on_a_page(name, sample):
    """Two figures that share a clip path or a glyph draw one another's."""
    site = site_folder(name, sample)
    twice = {p: Page((site / p).read_text("utf-8")).twice for p in pages_of(site)}
    # The theme draws its search field once a layout; sphinx-exercise and sphinx-proof
    # name the body of every box alike.
    ignored = re.compile(r"pst-|searchbox|search-|__|(exercise|solution|proof)-content")
    twice = {p: [i for i in ids if not ignored.match(i)] for p, ids in twice.items()}
    assert {page: ids for page, ids in twice.items() if ids} == {}


@pytest.mark.parametrize("name", ["sample", "book"])
def test_nothing_that_needs_another_host(name, sample):
    site = site_folder(name, sample)
    wrong = re.compile(r"require(\.min)?\.js|html-manager|thebe|cdn\.|unpkg\.com", re.I)
    for page in pages_of(site):
        text = (site / page).read_text("utf-8")
        assert [ask for ask in Page(text).asks if wrong.search(ask)] == [], page
        assert "widget-state+json" not in text, page
