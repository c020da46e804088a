"""Each exercise can tell right from wrong, and says what is wrong."""

import re
from dataclasses import replace

import pytest
import torch

from vaelib.exercises import chapter, chapters, ex, exercises, questions
from vaelib.exercises.exercise import KINDS, sentence
from vaelib.exercises.report import NOT_ATTEMPTED, NOT_YET, TO_READ

ALL = list(exercises().values())
JUDGED = [one for one in ALL if one.kind != "open"]
OPEN = [one for one in ALL if one.kind == "open"]
SEEDS = (0, 1, 2)


def name(one):
    return one.name


def judged(one, answer, seed):
    """The report on an answer, as the grader makes it: asked first, judged after."""
    return one.judge(one.ask(answer, one.draw(seed)), seed)


def variants(one):
    return [one] if one.vary is None else [one, one.variant(1), one.variant(2)]


@pytest.mark.parametrize("one", JUDGED, ids=name)
def test_solution_passes(one):
    for variant in variants(one):
        for seed in SEEDS:
            report = judged(variant, variant.as_answer(variant.reference), seed)
            assert report.passed, report
            assert report.score == one.points
        assert variant.check(variant.as_answer(variant.reference)).passed


@pytest.mark.parametrize("one", JUDGED, ids=name)
def test_each_known_mistake_is_named(one):
    assert one.mistakes, "an exercise without a known mistake teaches too little"
    for variant in variants(one):
        for mistake in one.mistakes:
            reports = [variant.check(variant.as_answer(mistake))]
            for seed in SEEDS[1:]:
                out = variant.ask_known(mistake, variant.draw(seed))
                reports.append(variant.judge(out, seed))
            for report in reports:
                assert report.outcome == NOT_YET, report
                assert report.text == sentence(mistake), report
                assert report.score < one.points


def test_a_known_answer_is_asked_once():
    asked = []

    def answer(x):
        asked.append(x)
        return 2 * x

    def half(x):
        """This is a quarter of it."""
        asked.append(x)
        return x / 2

    one = replace(
        ex("gaussian-kl"),
        reference=answer,
        mistakes=(half,),
        given=lambda generator: {"x": (torch.rand(3, generator=generator),)},
    )
    for _ in range(2):
        assert one.check(lambda x: x / 2).text == "This is a quarter of it."
    assert len(asked) == 2
    assert not one.check(lambda x: x / 2, seed=1).passed
    assert len(asked) == 4, "other arguments, another answer"
    assert replace(one, mistakes=()).known == {}


@pytest.mark.parametrize("one", JUDGED, ids=name)
def test_a_blank_scores_nothing(one):
    namespace = {"torch": torch, "ex": ex}
    lines = one.cell().splitlines()
    exec("\n".join(IMPORTS + lines[:-1]), namespace)
    for blank in (namespace[one.answer], None, ...):
        report = one.check(blank)
        assert report.outcome == NOT_ATTEMPTED, report
        assert report.score == 0


IMPORTS = ["import math", "import sympy as sp", "import torch", "import vaelib"]


@pytest.mark.parametrize("one", JUDGED, ids=name)
@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_a_constant_scores_near_nothing(one, constant):
    answers = [constant, str(constant), [constant] * 3, lambda *a: constant]
    answers += [lambda *a: a[0] if a else 0, lambda *a: torch.full((16,), constant)]
    for answer in answers:
        report = one.check(answer)
        assert not report.passed, report
        assert report.score <= 0.34 * one.points, report


@pytest.mark.parametrize("one", OPEN, ids=name)
def test_an_open_answer_is_left_to_a_reader(one):
    assert one.check("  ").outcome == NOT_ATTEMPTED
    report = one.check("Because.")
    assert report.outcome == TO_READ and report.score == 0
    assert one.rubric and one.discussion


@pytest.mark.parametrize("one", ALL, ids=name)
def test_words(one):
    assert re.fullmatch(r"[a-z][a-z0-9-]*", one.name)
    assert one.hints, "every exercise has a hint"
    assert one.discussion, "every solution says something"
    # They are shown in places that know no roles, and no cross-references.
    for text in (one.task, one.discussion, *one.hints):
        assert not re.search(r"\{(eq|ref|cite|doc|numref)\b", text)
        assert "[[" not in one.fill(text)
    if one.start:
        source = one.cell()
        assert source.splitlines()[-1] == f'ex("{one.name}").check({one.answer})'


@pytest.mark.parametrize("number", chapters())
def test_a_chapter_has_its_share(number):
    assert 3 <= len(chapter(number)) <= 6
    assert all(one.kind in KINDS for one in chapter(number))
    assert 3 <= len(questions(number)) <= 5
    for question in questions(number):
        assert 2 <= len(question.choices) <= 5
        assert all(len(choice.why.split()) >= 4 for choice in question.choices)


def test_a_wrong_choice_is_told_as_it_was_read():
    one = ex("elbo-too-good")
    assert "the choice (abc) is not" in repr(one.check("abc"))
    assert "the choice (b, d) is not" in repr(one.check({"d", "b"}))
    hostile = torch.tensor(list(b"<b>\xff"), dtype=torch.uint8)
    assert "(?b??)" in repr(one.judge({"the choice": hostile}))
    assert "(no text)" in repr(one.judge({"the choice": torch.zeros(3)}))
