"""Exercises that answer at once: `from vaelib.exercises import ex`.

    ex("gaussian-kl")                 the task
    ex("gaussian-kl").check(kl)       not attempted, not yet or passed, and why
    ex("gaussian-kl").hint()          the next hint
    ex("gaussian-kl").solution()

- `exercise.py`, `report.py`: what an exercise is, and what a check says.
- `probes.py`: how an answer is asked, the only part that touches it.
- `questions.py`: questions with a choice of answers, for `quiz(5)`.
- `chapter_01.py` and so on: the exercises and questions themselves.
"""

import difflib
from functools import cache
from importlib import import_module
from pathlib import Path

from vaelib.exercises.exercise import Exercise, index
from vaelib.exercises.questions import Choice, Question
from vaelib.exercises.report import Finding, Report

__all__ = [
    "Choice",
    "Exercise",
    "Finding",
    "Question",
    "Report",
    "chapter",
    "chapters",
    "ex",
    "exercises",
    "questions",
    "quiz",
]


def chapters() -> list[int]:
    """The chapters that have exercises."""
    files = Path(__file__).parent.glob("chapter_*.py")
    return sorted(int(file.stem.removeprefix("chapter_")) for file in files)


def chapter(number: int) -> list[Exercise]:
    """The exercises of a chapter."""
    return list(_module(number).EXERCISES)


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises of the book, by name."""
    return index(one for number in chapters() for one in chapter(number))


def ex(name: str, seed: int | None = None) -> Exercise:
    """The exercise of this name; with a seed, the variant that has other numbers."""
    known = exercises()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=3) or sorted(known)
        raise ValueError(f"there is no exercise {name!r}; there is {', '.join(near)}.")
    return known[name] if seed is None else known[name].variant(seed)


def questions(number: int) -> list[Question]:
    """The questions of a chapter's quiz."""
    return list(_module(number).QUESTIONS)


def quiz(number: int):
    """A live figure with the questions of a chapter."""
    from vaelib.figures.quiz import Quiz  # live figures need anywidget

    return Quiz(questions(number))


def _module(number: int):
    if number not in chapters():
        there = ", ".join(map(str, chapters()))
        raise ValueError(f"chapter {number!r} has no exercises; those of {there} do.")
    return import_module(f"vaelib.exercises.chapter_{number:02d}")
