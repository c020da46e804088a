"""Every page and every live figure, as axe-core sees them for those who cannot.

Solutions and hidden code are opened first, and live figures started, so that nothing is
passed over but repetitions (see THIN). What axe-core calls serious or critical is an
error; it also knows lesser things, which are printed when a test fails.
"""

from pathlib import Path

import axe_playwright_python
import pytest
from test_live import FIGURES, Figure, live_site  # noqa: F401  (a fixture)
from test_pages import PAGES, site_folder

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
OPEN = """async () => {
  document.querySelectorAll("details").forEach((e) => (e.open = true));
  document.querySelectorAll(".toggle-hidden").forEach(
    (e) => e.classList.remove("toggle-hidden"));
  dispatchEvent(new Event("beforeprint"));  // starts every live figure
  const figures = [...document.querySelectorAll("[data-live-figure]")];
  while (figures.some((e) => !["yes", "failed"].includes(e.dataset.mounted)))
    await new Promise((done) => setTimeout(done, 50));
  return figures.filter((e) => e.dataset.mounted !== "yes").length;
}"""
# Most of a chapter is the thousandth token of code and the thousandth letter of a
# formula, each measured against what lies behind it. Blocks of code that show no new
# kind of token in their place become plain text. Formulas keep what screen readers
# read; their drawing has the colour of the text around.
THIN = """() => {
  const seen = new Set();
  for (const block of document.querySelectorAll("pre:not(:has(a, button, input))")) {
    const place = block.parentElement.closest("[class*=cell_], .admonition, details");
    const kinds = [...block.querySelectorAll("span")].map(
      (e) => `${place?.className} ${block.className} ${e.className}`);
    if (kinds.every((kind) => seen.has(kind))) block.textContent = block.textContent;
    kinds.forEach((kind) => seen.add(kind));
  }
  document.querySelectorAll("mjx-math").forEach((e) => e.replaceChildren());
}"""
LOOK = """async (rules) => {
  const options = { resultTypes: ["violations"] };
  if (rules) options.runOnly = rules;
  const { violations } = await axe.run(document, options);
  return violations.flatMap(({ id, impact, nodes }) => nodes.map(
    (node) => [impact, id, node.target.join(" "), node.html.slice(0, 120)]));
}"""
# What only the width of the page, or only its colours, can change.
WIDTH = ["scrollable-region-focusable", "target-size"]
COLOURS = ["color-contrast", "link-in-text-block"]


def violations(page, rules=None) -> list[list[str]]:
    """What axe-core finds on a page as it stands, the worst of it."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(LOOK, rules)
    print(*(row for row in found), sep="\n")
    return [row for row in found if row[0] in ("serious", "critical")]


def in_each_form(page) -> dict[str, list]:
    """As narrow as a telephone; wide and light; dark."""
    # Colours on their way from one theme to the other are those of neither.
    page.add_style_tag(content="*, ::before, ::after { transition: none !important }")
    set_theme = "(theme) => { document.documentElement.dataset.theme = theme; }"
    wide = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(700)  # the theme waits until resizing is over
    found = {"narrow": violations(page, WIDTH)}
    page.set_viewport_size(wide)
    page.wait_for_timeout(700)
    page.evaluate(THIN)
    page.evaluate(set_theme, "light")
    found["light"] = violations(page)
    page.evaluate(set_theme, "dark")
    found["dark"] = violations(page, COLOURS)
    return {form: rows for form, rows in found.items() if rows}


@pytest.mark.parametrize(("name", "page"), PAGES, ids=lambda value: str(value))
def test_page_can_be_read_by_everyone(name, page, sample, address, visit):
    seen = visit(address(site_folder(name, sample)) + page)
    assert seen.page.evaluate(OPEN) == 0
    seen.settle()
    assert in_each_form(seen.page) == {}


def test_live_figures_can_be_used_by_everyone(visit, address, live_site):  # noqa: F811
    seen = visit(address(live_site) + "index.html", width=800)
    for name in FIGURES:
        Figure(seen.page, name).ready()
    assert in_each_form(seen.page) == {}


def test_mathematics_is_there_for_screen_readers(sample, address, visit):
    """Each formula as MathML, beside the drawn one that screen readers pass over."""
    page = visit(address(sample) + "notebooks/03_sample.html").page
    counts = page.evaluate(
        """() => [...document.querySelectorAll("mjx-container")].map((e) => [
          e.querySelectorAll("mjx-assistive-mml > math").length,
          e.querySelectorAll("mjx-math[aria-hidden=true]").length])"""
    )
    assert len(counts) > 10 and counts == [[1, 1]] * len(counts)


def test_headings_are_in_order(sample, address, visit):
    """One title a page, and no level left out on the way down."""
    for page in ("book/start.html", "notebooks/03_sample.html"):
        levels = visit(address(sample) + page).page.evaluate(
            """() => [...document.querySelectorAll(
              "article :is(h1, h2, h3, h4, h5, h6)")].map((e) => +e.tagName[1])"""
        )
        assert levels.count(1) == 1 and levels[0] == 1
        steps = [b - a for a, b in zip(levels, levels[1:], strict=False)]
        assert max(steps, default=0) <= 1, page


def test_axe_sees_what_is_wrong(browser):
    """Or the tests above would pass for another reason."""
    page = browser.new_page()
    page.set_content(
        "<!doctype html><html lang=en><title>t</title><main><h1>t</h1>"
        "<img src='data:,'><p style='color:#aaa;background:#fff'>pale</p>"
        "<div style='overflow:auto;height:2em'><p style='height:9em'>long</p></div>"
    )
    found = {row[1] for row in violations(page)}
    assert found >= {"image-alt", "color-contrast", "scrollable-region-focusable"}
    page.close()


def test_repetitions_are_thinned_out_and_nothing_else(browser):
    page = browser.new_page()
    block = "<pre>{}</pre>".format
    known, pale = "<span class=k>def</span>", "<span class=c># pale</span>"
    page.set_content(
        "<!doctype html><html lang=en><title>t</title>"
        "<style>.c { color: #ccc } .cell_output { background: #111 }</style>"
        f"<main><h1>t</h1>{block(known)}{block(known)}{block(known + pale)}"
        f"<div class=cell_output>{block(known)}{block(pale)}</div></main>"
    )
    page.evaluate(THIN)
    left = page.evaluate(
        """() => [...document.querySelectorAll("pre")].map(
          (e) => e.querySelectorAll("span").length)"""
    )
    assert left == [1, 0, 2, 1, 1]
    assert len(violations(page, COLOURS)) == 2  # pale on white, and black on black
    page.close()
