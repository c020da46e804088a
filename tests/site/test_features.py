"""What a reader can do with a page, tried on the sample site."""

import re
import time

import pytest

CONTENT = "e => e.textContent"  # as it stands: innerText turns some spaces into others


@pytest.fixture
def chapter(sample, address, visit):
    return visit(address(sample) + "notebooks/03_sample.html")


def test_equations_exercises_and_theorems_are_numbered_by_chapter(chapter):
    numbers = chapter.page.locator("span.eqno").all_inner_texts()
    assert [re.search(r"\(.*\)", n)[0] for n in numbers] == ["(3.1)", "(3.2)", "(3.3)"]
    theorem = chapter.page.locator(".proof .admonition-title").inner_text()
    assert theorem.startswith("Theorem 3.1")
    assert "Exercise 3.1" in chapter.page.locator(".exercise").inner_text()


def test_other_pages_refer_to_them_by_those_numbers(sample, address, visit):
    page = visit(address(sample) + "book/start.html").page
    assert page.get_by_role("link", name="Theorem 3.1").is_visible()
    page.get_by_role("link", name="(3.1)").click()
    page.wait_for_url("**/03_sample.html#equation-eq-sample-mean")


def test_a_formula_and_its_full_stop_stay_on_one_line(chapter):
    kept = chapter.page.locator(".vb-together")
    assert "".join(t[-1] for t in kept.all_text_contents()).strip(".,") == ""
    assert kept.count() >= 4
    for width in range(320, 440):
        chapter.page.set_viewport_size({"width": width, "height": 800})
        broken = kept.evaluate_all("all => all.filter(e => e.getClientRects()[1])")
        assert not broken, width


def test_a_number_and_its_unit_stay_on_one_line(chapter):
    text = chapter.page.get_by_text("A number and its unit").evaluate(CONTENT)
    for kept in ("100\xa0ms", "12.5\xa0%", "40\xa0MB", "3\xa0nats", "3 sets", "5 ms"):
        assert kept in text
    said = chapter.page.get_by_text("The variance came out as").evaluate(CONTENT)
    assert re.search(r"0\.0\d\d\xa0nats", said)  # from the output of a cell
    cost = chapter.page.locator("h1 + p.vb-cost").evaluate(CONTENT)
    assert re.search(r"\d\xa0s on", cost)


@pytest.mark.parametrize("delay", [0, 1.0])
def test_words_in_a_formula_fit_even_if_their_letters_come_late(
    delay, sample, address, browser
):
    """MathJax measures words once: those of the fallback font have another width."""
    page = browser.new_page()
    page.route("**/fonts/source-*", lambda r: (time.sleep(delay), r.continue_()))
    page.goto(address(sample) + "book/start.html")
    page.evaluate("() => window.MathJax.startup.promise")
    page.evaluate("() => document.fonts.ready.then(() => null)")
    words = page.locator("mjx-utext")
    assert words.count() == 1
    kept, needed = words.evaluate(
        """(e) => { const kept = e.getBoundingClientRect().width;
          e.style.width = "auto"; e.style.display = "inline-block";
          return [kept, e.getBoundingClientRect().width]; }"""
    )
    page.close()
    assert kept == pytest.approx(needed, rel=0.01)


def test_citation_leads_to_the_bibliography(chapter):
    chapter.page.get_by_role("link", name="2014").first.click()
    chapter.page.wait_for_url("**/book/sources.html#*")
    anchor = chapter.page.url.rpartition("#")[2]
    assert "Kingma" in chapter.page.locator(f"[id='{anchor}']").inner_text()


def test_checked_equation_and_its_check_lead_to_one_another(chapter):
    page = chapter.page
    marks = page.locator("a.vb-check")
    assert marks.count() == 3  # two checks of the mean, one of the variance
    assert "Verified by running code" in marks.first.get_attribute("title")
    marks.first.focus()
    page.keyboard.press("Enter")
    assert page.url.endswith("#check-eq-sample-mean")
    cell = page.locator("[id='check-eq-sample-mean']")
    assert "np.isclose" in cell.inner_text()
    line = page.locator("p.vb-checks").first
    assert line.inner_text() == "Check of equations (3.1) and (3.2)"
    line.get_by_role("link", name="(3.2)").click()
    assert page.url.endswith("#equation-eq-sample-variance")


def test_unchecked_equation_has_no_mark(chapter):
    after = "#equation-eq-sample-long + .vb-checked"
    assert chapter.page.locator(after).count() == 0


def test_solution_opens(chapter):
    solution = chapter.page.locator(".solution")
    text = solution.get_by_text("The expectation is linear")
    assert not text.is_visible()
    solution.locator("button.toggle-button").click()
    assert text.is_visible()


def test_hidden_code_opens(chapter):
    code = chapter.page.locator("details.hide pre")
    assert "plt.plot" in code.text_content() and not code.is_visible()
    chapter.page.get_by_text("Show the code").click()
    assert code.is_visible()


def test_margin_note_stands_in_the_margin(chapter):
    note = chapter.page.locator("aside.margin").bounding_box()
    text = chapter.page.locator("section p").first.bounding_box()
    assert note["x"] >= text["x"] + text["width"]


def test_figure_is_named_and_drawn_in_the_ink_of_the_page(chapter):
    page = chapter.page
    figure = page.get_by_role("img", name="Two bell curves, one narrow and one wide.")
    assert figure.is_visible()
    html = figure.evaluate("e => e.outerHTML")
    assert "#000000" not in html and "currentColor" in html
    assert "#3a7fc1" in html  # the style's colours stay

    background = "() => getComputedStyle(document.body).backgroundColor"
    drawn = """e => {  // the colour of the first line that is drawn in ink
      const line = [...e.querySelectorAll("path")].find(
        (p) => p.getAttribute("style")?.includes("stroke: currentColor"));
      return getComputedStyle(line).stroke; }"""
    light = figure.evaluate(drawn), page.evaluate(background)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    dark = figure.evaluate(drawn), page.evaluate(background)
    assert brightness(light[0]) < 80 < 200 < brightness(light[1])
    assert brightness(dark[0]) > 200 > 80 > brightness(dark[1])


def brightness(colour: str) -> float:
    return sum(float(n) for n in re.findall(r"[\d.]+", colour)[:3]) / 3


def test_pixels_of_an_image_stay_sharp_squares(chapter):
    image = chapter.page.locator("svg.vb-figure image").first
    assert image.evaluate("e => getComputedStyle(e).imageRendering") == "pixelated"
    width = """async e => { const i = new Image(); i.src = e.getAttribute("href");
      await i.decode(); return i.naturalWidth; }"""
    assert image.evaluate(width) == 8  # the array's own pixels, not a picture of them


def test_number_from_the_run_stands_in_the_text_with_mathematics(chapter):
    said = chapter.page.get_by_text("The variance came out as")
    assert said.locator("mjx-container").count() == 1
    assert re.search(r"came out as 0\.0\d\d", said.inner_text())
    assert "Kingma and Welling [2014]" in said.inner_text()


def test_chapter_says_what_it_cost(chapter):
    line = chapter.page.locator("h1 + p.vb-cost").inner_text()
    assert re.fullmatch(r"This page ran in [\d.]+\ss on (\d+ CPU cores?|.*)\.", line)
    assert "MNIST" not in line  # it does not load any


@pytest.mark.parametrize("protocol", ["http", "file"])
def test_search_finds_a_word(sample, address, visit, protocol):
    seen = visit(address(sample, protocol) + "search.html?q=heteroscedastic")
    found = seen.page.locator("ul.search li a")
    found.first.wait_for()
    assert found.first.inner_text() == "A sample book"
    seen.settle()
    assert seen.problems == []
