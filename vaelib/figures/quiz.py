"""Questions with a choice of answers that say at once whether, and why."""

from __future__ import annotations

import base64
import html
import json
import re
import string
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import traitlets

from vaelib.figures.live import LiveFigure, fixed

if TYPE_CHECKING:
    from vaelib.exercises import Question

TAGS = ("i", "sub", "sup", "code")  # what a text may hold; all else is letters
TAG = re.compile(rf"<(/?)({'|'.join(TAGS)})>")
NO_BREAK = "\N{NO-BREAK SPACE}"
RELATION = re.compile(r" ([=≈<>≤≥]) ")  # stays on a line with both its sides


class Quiz(LiveFigure):
    """Multiple-choice questions: one chooses, and reads whether it is right and why.

    questions are of the class `vaelib.exercises.Question`; their texts may hold <i>,
    <sub>, <sup> and <code>, and anything else is shown as it is written.

    Read `.chosen` afterwards: for each question the choices made, in their order,
    counted from 0. `.right_at_once` is how many questions were right at the first try.
    Raises ValueError without questions, or where a tag is not closed.
    """

    modules = ("kit.js", "quiz.js")
    promise = "These questions answer"
    questions = fixed(traitlets.List())
    chosen = fixed(traitlets.List(traitlets.List(traitlets.Int(min=0))))

    def __init__(
        self,
        questions: Sequence[Question],
        label: str = "Questions to check yourself",
        **options,
    ):
        self.asked = tuple(questions)
        if not self.asked:
            raise ValueError("a quiz needs at least one question, got none.")
        # About the room that it takes, kept free until it is drawn.
        self.height = sum(110 + 36 * len(one.choices) for one in self.asked)
        super().__init__(
            label=label,
            questions=[packed(one) for one in self.asked],
            chosen=[[] for _ in self.asked],
            **options,
        )

    @traitlets.validate("chosen")
    def _known_choices(self, proposal):
        chosen = proposal["value"]
        sizes = [len(one.choices) for one in self.asked]
        if len(chosen) != len(sizes) or any(
            index >= size
            for tries, size in zip(chosen, sizes, strict=True)
            for index in tries
        ):
            raise traitlets.TraitError(
                f"chosen must be a list for each of {len(sizes)} questions, with "
                f"choices below {sizes}, got {chosen}."
            )
        return chosen

    @property
    def right_at_once(self) -> int:
        """How many questions were answered rightly at the first try."""
        return sum(
            bool(tries) and one.choices[tries[0]].right
            for one, tries in zip(self.asked, self.chosen, strict=True)
        )

    def still(self) -> str:
        """The questions, and after all of them the answers with their sentences."""
        asked = "".join(
            f'<li style="margin:.5em 0">{markup(one.text)}'
            '<ol style="list-style:lower-alpha;margin:.2em 0;padding-left:1.6em">'
            + "".join(f"<li>{markup(choice.text)}</li>" for choice in one.choices)
            + "</ol></li>"
            for one in self.asked
        )
        answers = "".join(
            f'<li style="margin:.2em 0"><b>{letter}</b> {markup(choice.why)}</li>'
            for one in self.asked
            for letter, choice in lettered(one.choices)
            if choice.right
        )
        numbers = '<ol style="margin:0;padding-left:1.6em">'
        return (
            '<div class="vf-questions-still" style="text-align:left">'
            f"{numbers}{asked}</ol>"
            '<p style="margin:1em 0 .2em"><b>Answers</b></p>'
            f"{numbers}{unreadable(answers)}</ol></div>"
        )

    def __repr__(self) -> str:
        lines = [f"{self.label}", ""]
        for number, one in enumerate(self.asked, 1):
            lines += wrapped(f"{number}. ", one.text)
            for letter, choice in lettered(one.choices):
                lines += wrapped(f"   {letter}) ", choice.text)
            lines.append("")
        lines += textwrap.wrap(
            "To choose and read why, open this notebook where Jupyter widgets are "
            "shown (JupyterLab, VS Code, Colab), or read the book's website.",
            76,
        )
        return "\n".join(lines)


def lettered(choices: Sequence) -> list[tuple]:
    """(letter, choice) for each choice."""
    return list(zip(string.ascii_lowercase, choices, strict=False))


def parts(text: str) -> list:
    """A text as letters and [tag, parts] of the few tags that it may hold.

    What looks like any other tag is letters, so that no text can bring an element, an
    attribute or a script into the page.
    """
    open_tags: list = [["", []]]
    at = 0
    for found in TAG.finditer(text):
        _add(open_tags[-1], text[at : found.start()])
        at = found.end()
        closes, tag = found.groups()
        if not closes:
            open_tags.append([tag, []])
        elif open_tags[-1][0] == tag:
            done = open_tags.pop()
            open_tags[-1][1].append(done)
        else:
            raise ValueError(f"</{tag}> closes what is not open in {text!r}.")
    if len(open_tags) > 1:
        raise ValueError(f"<{open_tags[-1][0]}> is not closed in {text!r}.")
    _add(open_tags[0], text[at:])
    return open_tags[0][1]


def _add(element: list, letters: str) -> None:
    if letters:
        kept = rf"{NO_BREAK}\1{NO_BREAK}"
        element[1].append(RELATION.sub(kept, html.unescape(letters)))


def markup(text: str) -> str:
    """A text as HTML: its own tags, and everything else escaped."""

    def one(part) -> str:
        if isinstance(part, str):
            return html.escape(part)
        return f"<{part[0]}>{''.join(map(one, part[1]))}</{part[0]}>"

    return "".join(map(one, parts(text)))


def plain(text: str) -> str:
    """A text for a terminal: z_1 and x^2, code between backticks."""

    def one(part) -> str:
        if isinstance(part, str):
            return part
        tag, inside = part[0], "".join(map(one, part[1]))
        if tag == "code":
            return f"`{inside}`"
        if tag == "i":
            return inside
        inside = inside if re.fullmatch(r"\w+", inside) else f"({inside})"
        return ("_" if tag == "sub" else "^") + inside

    return "".join(map(one, parts(text)))


def wrapped(mark: str, text: str) -> list[str]:
    lines = textwrap.wrap(
        plain(text), 76, initial_indent=mark, subsequent_indent=" " * len(mark)
    )
    return [line.replace(NO_BREAK, " ") for line in lines]


def packed(question: Question) -> dict:
    """A question for the page. Its answers are no secret, but not in plain sight."""
    key = json.dumps([[c.right, parts(c.why)] for c in question.choices])
    return {
        "text": parts(question.text),
        "choices": [parts(choice.text) for choice in question.choices],
        "key": base64.b64encode(key.encode()).decode(),
    }


def unreadable(page: str) -> str:
    """HTML that a browser shows the same and that one does not read in the source."""
    return "".join(
        piece if piece[:1] in "<&" else "".join(f"&#{ord(c)};" for c in piece)
        for piece in re.split(r"(<[^>]*>|&#?\w+;)", page)
    )
