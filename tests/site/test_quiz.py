"""Questions in a browser: choose, read why, try again, start over."""

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_accessibility import in_each_form
from test_live import PAGE

from sites import BOOK, ROOT, book_is_current, unavailable
from vaebook import live as extension
from vaelib import exercises, figures
from vaelib.exercises import Choice, Question

HOSTILE = '<img src="data:,x" onerror="window.struck=1"><b onclick="1">x</b>'
QUESTIONS = [
    Question(
        "The bound equals log <i>p</i>(<i>x</i>) when <i>q</i> is",
        (
            Choice(
                "the prior", "That is another <i>term</i>. " + 20 * "A long reason. "
            ),
            Choice("the posterior <i>p</i><sub>θ</sub>", "The gap is zero.", True),
            Choice("wide", "A wide one leaves a gap."),
        ),
    ),
    Question(
        f"What is <code>logvar</code>, {HOSTILE} said?",
        (
            Choice(f"log σ<sup>2</sup> {HOSTILE}", f"Yes: {HOSTILE}.", True),
            Choice("σ", "No: it may be negative."),
        ),
    ),
    Question(
        "Which of these does not depend on φ?",
        (
            Choice("the gap", "It is what φ changes."),
            Choice("the bound", "It rises when the gap closes."),
            Choice("the evidence", "It is a matter of θ alone.", True),
        ),
    ),
]


@pytest.fixture(scope="session")
def quiz_site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("quiz")
    quiz = figures.Quiz(QUESTIONS).to_html()
    look = "<style>main { color: var(--pst-color-text-base) }</style>"
    body = (
        f'{look}<main><h1>Title</h1><p>Before.</p><section id="quiz">{quiz}</section>'
    )
    context = {"body": f"{body}<p>After.</p></main>", "pathto": lambda path, _: path}
    extension.move_blobs(SimpleNamespace(outdir=folder), "index", "", context, None)
    (folder / "index.html").write_text(PAGE + context["body"], encoding="utf-8")
    return folder


@dataclass
class Sheet:
    """The quiz of a page, as a reader has it."""

    page: object

    def __post_init__(self):
        self.page.locator("#quiz").scroll_into_view_if_needed()
        self.page.wait_for_selector("#quiz [data-mounted=yes]", timeout=20_000)

    @property
    def root(self):
        return self.page.locator("#quiz .vf")

    def question(self, i):
        return self.root.locator("fieldset").nth(i)

    def choice(self, i, k):
        return self.question(i).locator("label").nth(k)

    def radio(self, i, k):
        return self.choice(i, k).locator("input")

    def said(self, i) -> str:
        """What is to be read under a question."""
        return self.question(i).locator("[aria-live=polite]").inner_text()

    def score(self) -> str:
        return self.root.locator(".vf-score p").inner_text()

    def chosen(self):
        host = "document.querySelector('#quiz .vf-host')"
        return self.page.evaluate(f"() => {host}.vaelibModel.get('chosen')")

    def places(self):
        """Where everything on the page stands."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll(
              "main > *, #quiz :is(fieldset, legend, label, svg, button)")].map((e) => {
              const { x, y, width, height } = e.getBoundingClientRect();
              return [e.tagName, x, y + scrollY, width, height].join(" "); })"""
        )

    def focus(self):
        """The place (question, choice) of the choice that has the focus."""
        return self.page.evaluate(
            """() => { const e = document.activeElement.closest("label");
              const all = [...document.querySelectorAll("#quiz fieldset")];
              const i = all.findIndex((f) => f.contains(e));
              return e && [i, [...all[i].querySelectorAll("label")].indexOf(e)]; }"""
        )


@pytest.fixture
def sheet(visit, address, quiz_site):
    """sheet(protocol="http", ...) opens the quiz; afterwards nothing was wrong."""
    visits = []

    def open_sheet(protocol="http", **options):
        visits.append(visit(address(quiz_site, protocol) + "index.html", **options))
        return Sheet(visits[-1].page)

    yield open_sheet
    assert [seen.problems for seen in visits] == [[]] * len(visits)


@pytest.mark.parametrize("protocol", ["http", "file"])
def test_a_choice_says_at_once_whether_and_why(sheet, protocol):
    quiz = sheet(protocol, width=800)
    assert quiz.said(0) == "" and quiz.score() == "0 of 3 answered"
    quiz.choice(0, 2).click()
    assert quiz.said(0) == "Not this one. A wide one leaves a gap."
    quiz.choice(0, 1).click()
    assert quiz.said(0) == "Right. The gap is zero."
    quiz.choice(0, 2).click()  # right or not, all stay to be looked at
    assert quiz.said(0).startswith("Not this one.")
    assert quiz.chosen() == [[2, 1, 2], [], []]
    quiz.choice(1, 0).click()
    assert quiz.said(1) == f"Right. Yes: {HOSTILE}."
    assert quiz.score() == "2 of 3 answered"
    quiz.choice(2, 2).click()
    assert quiz.score() == "2 of 3 right at the first try"
    quiz.choice(2, 0).click()
    assert quiz.score() == "2 of 3 right at the first try"


def test_starting_over_forgets_everything(sheet):
    quiz = sheet(width=800)
    again = quiz.root.get_by_role("button", name="start over")
    assert again.is_disabled()
    fresh = quiz.root.inner_html()
    for i in range(3):
        quiz.choice(i, 0).click()
    again.click()
    assert quiz.chosen() == [[], [], []] and quiz.focus() == [0, 0]
    assert [quiz.said(i) for i in range(3)] == ["", "", ""]
    assert quiz.root.locator("input:checked").count() == 0
    assert quiz.root.inner_html() == fresh
    quiz.choice(0, 0).click()
    quiz.page.reload()
    assert Sheet(quiz.page).chosen() == [[], [], []]


def test_nothing_moves_when_a_sentence_appears(sheet):
    for width in (390, 800):
        quiz = sheet(width=width)
        before = quiz.places()
        for i, one in enumerate(QUESTIONS):
            for k in range(len(one.choices)):
                quiz.choice(i, k).click()
                assert quiz.places() == before, f"{width}: {i}, {k}"


def test_keys_look_before_they_choose(sheet):
    """Arrows go from choice to choice without choosing; Space and Enter choose."""
    quiz = sheet(width=800)
    press = quiz.page.keyboard.press
    press("Tab")
    assert quiz.focus() == [0, 0]
    press("ArrowDown")
    press("ArrowRight")
    assert quiz.focus() == [0, 2] and quiz.chosen() == [[], [], []]
    press("ArrowDown")
    assert quiz.focus() == [0, 0]
    press("ArrowUp")
    press("ArrowLeft")
    press("Space")
    assert quiz.chosen()[0] == [1] and quiz.said(0).startswith("Right.")
    press("Space")
    assert quiz.chosen()[0] == [1]
    press("Tab")
    assert quiz.focus() == [1, 0]
    ring = quiz.choice(1, 0).locator("svg")
    assert ring.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    press("ArrowDown")
    press("Enter")
    assert quiz.chosen()[1] == [1]
    press("Tab")
    press("Tab")
    assert quiz.page.evaluate("document.activeElement.textContent") == "start over"
    press("Shift+Tab")
    assert quiz.focus()[0] == 2


def test_fingers_choose(sheet):
    quiz = sheet(width=390)
    quiz.choice(0, 0).scroll_into_view_if_needed()
    box = quiz.choice(0, 0).bounding_box()
    assert box["height"] >= 32
    # At the far end of its line: all of it is the choice.
    x, y = box["x"] + box["width"] - 6, box["y"] + 8
    client = quiz.page.context.new_cdp_session(quiz.page)
    client.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for kind, points in [("touchStart", [{"x": x, "y": y}]), ("touchEnd", [])]:
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    quiz.page.wait_for_function(
        "() => document.querySelector('#quiz [aria-live]').textContent"
    )
    assert quiz.chosen()[0] == [0] and quiz.said(0).startswith("Not this one.")


def test_texts_stay_texts(sheet):
    quiz = sheet(width=800)
    for i in range(3):
        quiz.choice(i, 0).click()
    tags = quiz.root.evaluate(
        "e => [...new Set([...e.querySelectorAll('*')].map((c) => c.localName))]"
    )
    assert not {"img", "script"} & set(tags)
    assert not quiz.page.evaluate("'struck' in window")
    assert HOSTILE in quiz.question(1).locator("legend").inner_text()
    assert quiz.choice(0, 1).locator("sub").inner_text() == "θ"
    assert quiz.question(1).locator("legend code").inner_text() == "logvar"


def test_marks_are_shapes_and_words_not_colours_alone(sheet):
    quiz = sheet(width=800)
    for k in (0, 1):
        quiz.choice(0, k).click()
    drawn = [
        quiz.choice(0, k).locator("path").get_attribute("d") or "" for k in range(3)
    ]
    assert len(set(drawn)) == 3 and drawn[2] == ""
    names = quiz.question(0).get_by_role("radio")
    assert [names.nth(k).evaluate("e => e.closest('label').textContent.trim()")
            for k in range(3)] == [
        "the prior (wrong)",
        "the posterior pθ (right)",
        "wide",
    ]  # fmt: skip


@pytest.mark.parametrize("chosen", ["before", "after"])
def test_a_quiz_can_be_used_by_everyone(sheet, chosen):
    quiz = sheet(width=800)
    if chosen == "after":
        for i, k in [(0, 0), (0, 1), (1, 0), (2, 1)]:
            quiz.choice(i, k).click()
        quiz.page.mouse.move(0, 0)
    assert in_each_form(quiz.page) == {}
    quiz.page.set_viewport_size({"width": 390, "height": 844})
    assert quiz.page.evaluate("document.documentElement.scrollWidth") <= 390
    groups = quiz.root.get_by_role("group", name=re.compile("log p|logvar|depend"))
    assert groups.count() == 3


def test_without_javascript_there_are_questions_and_then_answers(browser, quiz_site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(quiz_site.as_uri() + "/index.html")
    text = page.locator("#quiz").inner_text()
    for one in QUESTIONS:
        right = next(choice for choice in one.choices if choice.right)
        assert plain(one.text) in text and plain(right.why) in text
        assert all(plain(choice.text) in text for choice in one.choices)
    assert text.index("not depend") < text.index("Answers") < text.index("The gap is")
    context.close()


def plain(text: str) -> str:
    return html.unescape(re.sub("</?(i|sub|sup|code)>", "", text))


def chapters_with_a_quiz() -> dict[int, str]:
    """Chapters whose notebook ends with `quiz(...)` in a cell, and their pages."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        if any(c["id"] == "quiz" and "quiz(" in "".join(c["source"]) for c in cells):
            found[int(path.name.split("_")[0])] = f"notebooks/{path.stem}.html"
    return found


def test_the_chapters_have_their_questions(visit, address):
    """In the book as it was built: each quiz starts, fits and answers."""
    if not chapters_with_a_quiz():
        pytest.skip("no chapter has a quiz yet")
    if not book_is_current():
        unavailable("NO BOOK: build it, its chapters' questions were not looked at.")
    for number, path in chapters_with_a_quiz().items():
        seen = visit(address(BOOK) + path, width=390)
        host = seen.page.locator("[data-live-figure*='\"chosen\"']")
        host.scroll_into_view_if_needed()
        fieldsets = host.locator("fieldset")
        fieldsets.first.wait_for(timeout=20_000)
        before = host.bounding_box()["height"]
        asked = exercises.questions(number)
        assert fieldsets.count() == len(asked), path
        for i, one in enumerate(asked):
            for k, choice in enumerate(one.choices):
                fieldsets.nth(i).locator("label").nth(k).click()
                said = fieldsets.nth(i).locator("[aria-live]").inner_text()
                assert said.startswith("Right." if choice.right else "Not this one.")
        assert host.bounding_box()["height"] == pytest.approx(before, abs=0.5), path
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert not seen.problems, path
