"""What a submission is worth: asked in the sandbox, judged here."""

import hashlib
import json
import re
import unicodedata
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from vaelib.exercises import Exercise, Finding, Report
from vaelib.exercises.report import NOT_ATTEMPTED, TO_READ
from vaelib.grading import sandbox
from vaelib.grading.assignment import Assignment, seed
from vaelib.grading.submissions import Submission
from vaelib.grading.tables import write


@dataclass
class Marked:
    """The reports on a submission, question by question; and what people should see."""

    student: str = ""
    id: str = ""
    late: bool = False
    file: str = ""
    reports: list[Report] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # on the files, for the student too
    private: list[str] = field(default_factory=list)  # notes for the teacher
    seeds: list[int] = field(default_factory=list)  # of the variants in the notebook
    written: dict[str, str] = field(default_factory=dict)  # answers to open questions
    missing: list[str] = field(default_factory=list)  # questions without an answer
    trouble: str = ""  # why nothing at all can be graded

    @property
    def score(self) -> float:
        return sum(report.score for report in self.reports)

    @property
    def points(self) -> float:
        return sum(report.points for report in self.reports)


def mark(
    submission: Submission,
    assignment: Assignment,
    secret: str,
    memory: Path,
    unsafe: bool = False,
) -> Marked:
    """Grade a submission, or remember how it was graded: memory is a folder."""
    marked = remembered(submission, assignment, secret, memory)
    if marked is not None:
        return marked
    questions = assignment.questions
    _, text = submission.best(questions)
    asked = [ask(one, seed(secret, one.name)) for one in questions]
    limits = assignment.seconds, assignment.memory, unsafe
    outcomes = sandbox.run(text, asked, *limits)
    marked = Marked()
    for one, outcome in zip(questions, outcomes, strict=True):
        marked.reports.append(judge(one, outcome, assignment, secret))
    # It may depend on more than its name leads to: then all that is above it is run.
    again = [n for n, out in enumerate(outcomes) if unlucky(out, marked.reports[n])]
    more = [{**asked[n], "everything": True} for n in again]
    for n, outcome in zip(
        again, more and sandbox.run(text, more, *limits), strict=True
    ):
        report = judge(questions[n], outcome, assignment, secret)
        if report.score > marked.reports[n].score or awaits_reading(report):
            marked.reports[n], outcomes[n] = report, outcome
    for one, outcome in zip(questions, outcomes, strict=True):
        if outcome.seed is not None and one.vary and assignment.variants:
            marked.seeds.append(outcome.seed)
        if one.kind == "open" and outcome.status == "given":
            marked.written[one.name] = outcome.text
        if outcome.status == "missing":
            marked.missing.append(one.name)
    write(place(memory, text, assignment, secret), json.dumps(asdict(marked)))
    return remembered(submission, assignment, secret, memory)


def failed(
    submission: Submission, assignment: Assignment, error: BaseException
) -> Marked:
    """What is said of a submission that the grader itself could not handle."""
    why = f"The grader could not handle it, and nobody else's suffers: {error!r}."[:300]
    marked = Marked(submission.student, submission.id, submission.late)
    marked.reports = [one.failed(why) for one in assignment.questions]
    marked.trouble = why
    marked.notes.append(why)
    return marked


def remembered(
    submission: Submission, assignment: Assignment, secret: str, memory: Path
) -> Marked | None:
    """How a submission was graded before; None where it was not."""
    questions = assignment.questions
    chosen = submission.best(questions)
    if chosen is None:
        reports = [Report(q.name, q.points, NOT_ATTEMPTED, "") for q in questions]
        trouble = submission.summary or " ".join(submission.problems)
        marked = Marked(reports=reports, trouble=trouble)
    else:
        marked = recall(place(memory, chosen[1], assignment, secret))
        if marked is None:
            return None
        marked.file = chosen[0]
        marked.reports = [
            replace(report, points=one.points, score=report.score * one.points)
            for one, report in zip(questions, marked.reports, strict=True)
        ]
        marked.trouble = nothing_in(marked)
    marked.student, marked.id = submission.student, submission.id
    marked.late = submission.late
    comment(marked, submission, assignment)
    return marked


def comment(marked: Marked, submission: Submission, assignment: Assignment) -> None:
    """Write the notes."""
    others = sorted(set(submission.notebooks) - {marked.file})
    if others:
        marked.notes.append(
            f"Of several notebooks, graded: {marked.file}, which answers most; not "
            f"graded: {', '.join(others)}."
        )
    marked.notes += submission.problems
    if marked.trouble and (marked.file or not submission.problems):
        marked.notes.append(marked.trouble)
    if marked.file and not marked.trouble:
        for one, report in zip(assignment.questions, marked.reports, strict=True):
            if one.kind == "open" and not awaits_reading(report):
                marked.private.append(
                    f"No text in {one.answer}: look into the notebook, it may stand in "
                    "another cell."
                )
    for owner in sorted({assignment.variants.get(s) for s in marked.seeds} - {None}):
        if another(submission.student, owner, set(assignment.variants.values())):
            marked.private.append(f"This is the variant that {owner} was given.")


def nothing_in(marked: Marked) -> str:
    """Why a notebook as a whole is not what was asked for, if so."""
    for report in marked.reports:
        if report.text.startswith("The file is no notebook"):
            return report.text
    if len(marked.missing) == len(marked.reports):
        return "None of the answers is in the notebook: is it the right one?"
    if all(report.outcome == NOT_ATTEMPTED for report in marked.reports):
        return "Nothing is answered in the notebook."
    return ""


def another(student: str, owner: str, owners: set[str]) -> bool:
    """Whether a student is for certain not the owner of a variant, but another one.

    Platforms change names: Canvas makes muellerjuergen of Jürgen Müller. Who is nobody
    of the owners may be any of them.
    """
    return not fits(student, owner) and any(fits(student, one) for one in owners)


def fits(name: str, other: str) -> bool:
    """Whether all words of one name are in the other, by their letters alone."""
    first, second = words(name), words(other)
    return any(
        bool(a) and all(word in "".join(b) for word in a)
        for a, b in ((first, second), (second, first))
    )


def words(name: str) -> list[str]:
    """Jürgen Müller-Lüdenscheidt -> jurgen, muller, ludenscheidt."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(c for c in letters if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+", letters)


def unlucky(outcome: sandbox.Outcome, report: Report) -> bool:
    """Whether an answer might be right if more of the notebook were run.

    Not one that passed, is left to a reader, or makes a mistake that is known.
    """
    if outcome.status == "given":
        return not (report.passed or report.text)
    return outcome.text.startswith("It raises")


def ask(one: Exercise, seed: int) -> dict:
    """What the sandbox is told of an exercise: neither its solution nor the seed."""
    probe = one.probe.__module__, one.probe.__name__
    return {
        "name": one.name,
        "answer": one.answer,
        "probe": None if one.kind == "open" else probe,
        "given": one.draw(seed),
    }


def judge(
    one: Exercise, outcome: sandbox.Outcome, assignment: Assignment, secret: str
) -> Report:
    """A report on what came out of the sandbox; its score is the share of the points.

    A seed in the notebook counts only where variants were handed out.
    """
    report = report_on(one, outcome, assignment, secret)
    more = "" if one.name in assignment.private else report.more
    return replace(report, more=more, score=report.score / report.points)


def report_on(
    one: Exercise, outcome: sandbox.Outcome, assignment: Assignment, secret: str
) -> Report:
    if outcome.status == "blank":
        return one.not_attempted()
    if outcome.status != "given":
        return one.failed(outcome.text or "It gave no answer.")
    if one.vary and assignment.variants:
        if outcome.seed not in assignment.variants:
            return one.failed(
                "Its numbers were not handed out to anybody: answer in the notebook "
                "that you were given, and leave the check as it is."
            )
        one = one.variant(outcome.seed)
    if one.kind == "open":
        report = one.to_read(outcome.text)
        if awaits_reading(report):
            report = replace(report, text="Will be read by a person.")
        return report
    if outcome.tensors is None:
        return one.failed("It gave no answer.")
    try:
        return one.judge(outcome.tensors, seed(secret, one.name))
    except Exception as error:  # of tensors that no honest answer gives
        return one.failed(f"What it gives cannot be judged: {error}"[:300])


def place(memory: Path, text: bytes, assignment: Assignment, secret: str) -> Path:
    """Changes with everything on which a report depends, but for the points."""
    about = [
        [one.name for one in assignment.questions],
        [assignment.seconds, assignment.memory, sorted(assignment.variants)],
        [assignment.fingerprint, secret, hashlib.sha256(text).hexdigest()],
    ]
    key = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    return memory / f"{key}.json"


def recall(place: Path) -> Marked | None:
    """What was remembered; None where nothing was, or only half of it."""
    try:
        table = json.loads(place.read_text(encoding="utf-8"))
        for report in table["reports"]:
            report["findings"] = tuple(Finding(**f) for f in report["findings"])
        table["reports"] = [Report(**report) for report in table["reports"]]
        return Marked(**table)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def awaits_reading(report: Report) -> bool:
    return report.outcome == TO_READ
