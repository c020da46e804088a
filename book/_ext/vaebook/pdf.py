"""The book on paper: the built site, printed by a browser and bound into one PDF.

    python -m vaebook pdf            # make pdf

Each page is printed by itself, as a reader's browser would print it, but with its
solutions and hidden code open, and with a picture and a link in the place of each live
figure. Then the pages are bound: a title page and a table of contents before them,
numbers under them, bookmarks beside them, and links from one to another that stay in
the book.
"""

import argparse
import html
import os
import re
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

ROOT = Path(__file__).resolve().parents[3]
MILLIMETRE = 96 / 25.4
WIDTH, HEIGHT = 210, 297  # A4, in millimetres
MARGIN = 19
TEXT = int((WIDTH - 2 * MARGIN) * MILLIMETRE)  # the width of the text, in CSS pixels
# Chromium does not say where the targets of links came to stand on paper. So each gets
# a link of its own, an invisible one to this address, which is found again and removed.
MARK = "https://mark.invalid/"
LIVE = "live-figure"  # marks, in a link's query, one that leads to a figure that moves

STYLE = """
@page { size: A4; margin: 17mm 19mm 21mm; }
html, body { background: #fff !important; scroll-padding: 0 !important; }
.bd-header, .bd-header-article, .bd-sidebar-primary, .bd-sidebar-secondary, .bd-footer,
.prev-next-footer, .bd-footer-article, .headerlink, .copybtn, .toggle-button,
button.toggle-button, .header-article-items, #pst-skip-link, .bd-footer-content,
#jb-print-docs-body, .search-button__wrapper, .pst-async-banner-revealer,
summary::marker, .vb-checks, .skip-link, .bd-header-announcement
{ display: none !important; }
.bd-main, .bd-content, .bd-article-container, .bd-article, .bd-container,
.bd-container__inner
{ display: block !important; max-width: none !important; width: auto !important;
  margin: 0 !important; padding: 0 !important; }
.bd-article { font-size: 10pt !important; line-height: 1.42; }
.bd-article h1 { display: block !important; font-size: 21pt; margin: 0 0 8pt; }
.bd-article h2 { font-size: 14.5pt; margin-top: 20pt; }
.bd-article h3 { font-size: 12pt; }
.bd-article :is(.admonition, .proof, .exercise, .solution, table.table, p.vb-cost)
{ font-size: 9.5pt !important; }
.bd-article div.highlight pre { font-size: 8pt; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.bd-article div.cell details.hide > summary { display: none !important; }
*, *::before, *::after { animation: none !important; transition: none !important; }
.bd-article :is(svg.vb-figure, .vb-drawing, div.math, .admonition-title, tr, img,
pre) { break-inside: avoid; }
.bd-article :is(h1, h2, h3, .vb-cost) { break-after: avoid; }
.bd-article p { orphans: 3; widows: 3; }
.bd-article .vb-drawing svg { max-height: 110mm; }
.bd-article aside.margin.sidebar { float: none !important; width: auto !important;
  margin: 6pt 0 !important; border-left: 2px solid #ccd; padding-left: 8pt; }
.bd-article .pst-scrollable-table-container { overflow: visible; }
.vb-still { margin: 10pt 0; text-align: center; break-inside: avoid;
  font-family: var(--vb-sans); font-size: 9pt; }
.vb-still:has(.vf-questions-still) { break-inside: auto; }
.vb-still :is(svg, img) { max-height: 80mm; }
a { text-decoration: none !important; }
.vb-mark { position: absolute; width: 2px; height: 2px; color: transparent; }
"""
# With the width of the paper: open what is closed, put still pictures in place of live
# figures, make equations that are too wide smaller, and name what other pages link to.
PREPARE = """([page, live, mark_at, named]) => {
  document.documentElement.dataset.theme = "light";
  document.querySelectorAll("details").forEach((e) => (e.open = true));
  document.querySelectorAll(".toggle-hidden").forEach(
    (e) => e.classList.remove("toggle-hidden"));
  for (const host of document.querySelectorAll("[data-live-figure]")) {
    const label = JSON.parse(host.dataset.liveFigure).state.label;
    const still = document.createElement("div");
    still.className = "vb-still";
    still.innerHTML = host.querySelector("noscript")?.textContent ?? "";
    still.querySelectorAll(":scope > p").forEach((e) => e.remove());
    const section = host.closest("section[id]")?.id ?? "";
    const line = document.createElement("p");
    const link = document.createElement("a");
    link.textContent = `${page} on the website`;
    link.href = `${location.href.split(/[?#]/)[0]}?${live}#${section}`;
    line.append(`${label}. ${host.dataset.livePromise}: `, link, ".");
    still.append(line);
    host.replaceWith(still);
  }
  for (const box of document.querySelectorAll('mjx-container[display="true"]')) {
    const size = parseFloat(getComputedStyle(box).fontSize);
    const ratio = box.clientWidth / box.scrollWidth;
    if (ratio < 1) box.style.fontSize = `${size * ratio * 0.99}px`;
    box.style.overflow = "visible";
  }
  const here = [...document.querySelectorAll("article a[href^='#']")].map(
    (e) => decodeURIComponent(e.hash.slice(1)));
  for (const id of new Set([...named, ...here])) {
    let place = document.getElementById(id);
    if (!place) continue;
    if (place.matches("table, tbody, thead, tr")) place = place.querySelector("td, th");
    const mark = document.createElement("a");
    mark.className = "vb-mark";
    mark.href = mark_at + encodeURIComponent(id);
    place.prepend(mark);
  }
}"""


def order(toc: dict) -> list[tuple[str, list[str]]]:
    """The parts of the book and their pages, in order, as _toc.yml has them."""
    parts = [("", [toc["root"]])]
    for part in toc.get("parts", [{"chapters": toc.get("chapters", [])}]):
        files = [chapter["file"] for chapter in part["chapters"]]
        parts.append((part.get("caption", ""), files))
    return parts


def anchors(site: Path, pages: list[str]) -> dict[str, set[str]]:
    """For each page the ids that other pages' links lead to."""
    found = defaultdict(set)
    for page in pages:
        text = (site / f"{page}.html").read_text("utf-8")
        for target in re.findall(r'href="([^"#:]+\.html)#([^"]+)"', text):
            path = os.path.normpath(Path(page).parent / unquote(target[0]))
            name = Path(path).as_posix().removesuffix(".html")
            found[name].add(html.unescape(target[1]))
    return found


class Printer:
    """A browser that prints pages of the site to PDF."""

    def __init__(self, browser):
        self.context = browser.new_context(
            viewport={"width": TEXT, "height": 1000}, color_scheme="light"
        )
        # Live figures are not to start: their pictures take their place.
        self.context.route("**/_static/live/**", lambda route: route.abort())

    def chapter(self, site: Path, page: str, named: set[str], target: Path) -> str:
        """Print a page of the site; its title."""
        sheet = self.context.new_page()
        sheet.emulate_media(media="print")
        sheet.goto((site / f"{page}.html").as_uri())
        sheet.wait_for_load_state("networkidle")
        sheet.add_style_tag(content=STYLE)
        sheet.evaluate("() => window.MathJax?.startup?.promise")
        sheet.evaluate("() => document.fonts.ready")
        sheet.evaluate(PREPARE, [page, LIVE, MARK, sorted(named)])
        title = sheet.evaluate(
            """() => { const title = document.querySelector("h1").cloneNode(true);
              title.querySelectorAll(".headerlink").forEach((e) => e.remove());
              return title.textContent.trim(); }"""
        )
        self.write(sheet, target)
        return title

    def text(self, body: str, target: Path, site: Path) -> None:
        """Print a page that is made here, in the look of the book."""
        sheet = self.context.new_page()
        draft = target.with_suffix(".html")
        draft.write_text(
            "<!doctype html><html lang=en><meta charset=utf-8><title>Contents</title>"
            f"<link rel=stylesheet href='{site.as_uri()}/_static/book.css'>"
            f"<style>{STYLE}{FRONT}</style>{body}",
            encoding="utf-8",
        )
        sheet.goto(draft.as_uri())
        sheet.evaluate("() => document.fonts.ready")
        self.write(sheet, target)

    def write(self, sheet, target: Path) -> None:
        sheet.pdf(
            path=str(target),
            prefer_css_page_size=True,
            print_background=True,
            tagged=True,
            outline=True,
        )
        sheet.close()


FRONT = """
body { font-family: var(--vb-sans); margin: 0; color: #1d2127; }
.cover { height: 240mm; display: flex; flex-direction: column;
  justify-content: center; }
.cover h1 { font-size: 40pt; line-height: 1.1; margin: 0 0 6mm; }
.cover p { font-size: 14pt; margin: 0 0 2mm; }
.contents { break-before: page; }
.contents h2 { font-size: 20pt; }
.contents h3 { font-size: 12pt; margin: 6mm 0 1mm; }
.line { display: flex; gap: 2mm; font-size: 11.5pt; line-height: 1.75; }
.line i { flex: 1; border-bottom: 1px dotted #889; margin-bottom: 2mm; }
.line a { color: inherit; }
"""
NUMBERS = """
@page { size: A4; margin: 0; }
html, body { margin: 0; background: none !important; font-family: var(--vb-sans); }
.sheet { height: 297mm; position: relative; break-after: page; overflow: hidden; }
.sheet p { position: absolute; left: 19mm; right: 19mm; bottom: 9mm; margin: 0;
  display: flex; justify-content: space-between; font-size: 8.5pt; color: #5d6673; }
"""


def front(book: str, parts, titles: dict, starts: dict, site: Path) -> str:
    """The title page and the table of contents."""
    lines = []
    for caption, pages in parts:
        lines.append(f"<h3>{html.escape(caption)}</h3>" if caption else "")
        for page in pages:
            link = (site / f"{page}.html").as_uri()
            lines.append(
                f"<div class=line><a href='{link}'>{html.escape(titles[page])}</a>"
                f"<i></i><span>{starts[page]}</span></div>"
            )
    return (
        f"<div class=cover><h1>{html.escape(book)}</h1>"
        "<p>The website of this book shows the same, and its figures move.</p></div>"
        f"<div class=contents><h2>Contents</h2>{''.join(lines)}</div>"
    )


def numbers(total: int, heads: dict[int, str]) -> str:
    """A sheet for each page, with its number and the chapter's title at its foot."""
    sheets = []
    for page in range(1, total + 1):
        head = html.escape(heads.get(page, ""))
        number = f"<span>{head}</span><span>{page}</span>" if page in heads else ""
        sheets.append(f"<div class=sheet><p>{number}</p></div>")
    return f"<style>{NUMBERS}</style>{''.join(sheets)}"


def bind(printer, site: Path, parts, book: str, target: Path, address: str) -> int:
    """Print and bind everything; the number of pages."""
    from pypdf import PdfReader, PdfWriter

    pages = [page for _, files in parts for page in files]
    folder = target.parent / "pdf"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    named = anchors(site, pages)
    titles, printed = {}, {}
    for count, page in enumerate(pages):
        file = folder / f"{count:02}.pdf"
        titles[page] = printer.chapter(site, page, named[page], file)
        printed[page] = PdfReader(file)

    # The contents take as many pages with the true numbers as with these.
    starts = dict.fromkeys(pages, 100)
    printer.text(front(book, parts, titles, starts, site), folder / "front.pdf", site)
    at = len(PdfReader(folder / "front.pdf").pages) + 1
    heads = {}
    for page in pages:
        starts[page] = at
        for _ in printed[page].pages:
            heads[at] = titles[page]
            at += 1
    printer.text(front(book, parts, titles, starts, site), folder / "front.pdf", site)
    printer.text(numbers(at - 1, heads), folder / "numbers.pdf", site)

    writer = PdfWriter()
    writer.append(PdfReader(folder / "front.pdf"), import_outline=False)
    places = {}  # (page of the site, anchor) -> where that is in the book
    for page in pages:
        first = starts[page] - 1
        places[page, ""] = (first, None)
        for name, (number, top) in marks(printed[page]).items():
            places[page, name] = (first + number, top)
        writer.append(printed[page], outline_item=titles[page], import_outline=True)
    stamps = PdfReader(folder / "numbers.pdf").pages
    owners = {
        number - 1: page for page in pages for number in span(page, starts, printed)
    }
    for number, sheet in enumerate(writer.pages):
        if number + 1 in heads:
            sheet.merge_page(stamps[number])
            sheet.compress_content_streams()
        for note in sheet.get("/Annots") or []:
            relink(writer, note.get_object(), owners.get(number), places, site, address)
    writer.add_metadata({"/Title": book, "/Author": "", "/Creator": "vaebook"})
    writer.page_mode = "/UseOutlines"
    writer.compress_identical_objects()
    writer.write(target)
    shutil.rmtree(folder)
    return len(writer.pages)


def marks(reader) -> dict[str, tuple[int, float]]:
    """Where the targets of links stand, (page, height); their marks are removed."""
    found = {}
    for number, sheet in enumerate(reader.pages):
        notes = sheet.get("/Annots")
        if notes is None:
            continue
        notes = notes.get_object()
        for note in list(notes):
            content = note.get_object()
            address = str(content.get("/A", {}).get("/URI", ""))
            if address.startswith(MARK):
                name = unquote(address.removeprefix(MARK))
                found.setdefault(name, (number, float(content["/Rect"][3]) + 4))
                notes.remove(note)
    return found


def span(page: str, starts: dict, printed: dict) -> range:
    return range(starts[page], starts[page] + len(printed[page].pages))


def relink(writer, note, page: str | None, places: dict, site: Path, address: str):
    """Let a link that led to a page of the site lead to its place in the book.

    One to a live figure leads to the website: to its address, when that is known, or
    else to the folder in which it was built, which lies beside the book.
    """
    from pypdf.generic import (
        ArrayObject,
        FloatObject,
        NameObject,
        NullObject,
        TextStringObject,
    )

    if note.get("/Subtype") != "/Link":
        return
    action = note.get("/A", {}).get_object() if "/A" in note else {}
    if "/Dest" in note:
        asked = note["/Dest"]
        if isinstance(asked, ArrayObject):
            return
        where = places.get((page, unquote(str(asked).removeprefix("/"))))
    elif str(action.get("/URI", "")).startswith(site.as_uri() + "/"):
        parts = urlsplit(str(action["/URI"]))
        path = unquote(parts.path).removeprefix(f"{site.as_posix()}/")
        name = path.removesuffix(".html")
        if parts.query == LIVE or (name, "") not in places:
            base = address.rstrip("/") or site.name
            there = f"{base}/{path}" + (f"#{parts.fragment}" if parts.fragment else "")
            action[NameObject("/URI")] = TextStringObject(there)
            return
        where = places.get((name, unquote(parts.fragment))) or places[name, ""]
    else:
        return
    if where is None:
        return
    number, top = where
    target = writer.pages[number].indirect_reference
    height = NullObject() if top is None else FloatObject(top)
    note[NameObject("/Dest")] = ArrayObject(
        [target, NameObject("/XYZ"), NullObject(), height, NullObject()]
    )
    note.pop("/A", None)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vaebook pdf")
    parser.add_argument("--site", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--toc", type=Path, default=ROOT / "_toc.yml")
    parser.add_argument("--output", type=Path, help="default: book.pdf beside the site")
    parser.add_argument(
        "--address",
        default=os.environ.get("VAEBOOK_SITE", ""),
        help="the website's address, for the links to live figures",
    )
    options = parser.parse_args(arguments)
    site = options.site.resolve()
    if not (site / ".built").exists():
        print(
            f"{options.site} holds no finished site: build it first.", file=sys.stderr
        )
        return 1
    from playwright.sync_api import sync_playwright

    parts = order(yaml.safe_load(options.toc.read_text("utf-8")))
    config = yaml.safe_load((options.toc.parent / "_config.yml").read_text("utf-8"))
    target = (options.output or site.parent / "book.pdf").resolve()
    with sync_playwright() as playwright:
        names = ("chromium", "chromium-browser", "google-chrome", "chrome")
        found = next(filter(None, map(shutil.which, names)), None)
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        printer = Printer(browser)
        total = bind(printer, site, parts, config["title"], target, options.address)
    print(f"{total} pages: {target}")
    return 0
