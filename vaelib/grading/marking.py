"""What a submission is worth: asked in the sandbox, judged here."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vaelib.exercises import Exercise, Finding, Report
from vaelib.exercises.report import TO_READ
from vaelib.grading import sandbox
from vaelib.grading.assignment import Assignment, seed
from vaelib.grading.submissions import Submission
from vaelib.grading.tables import write


@dataclass
class Marked:
    """The reports on a submission, question by question; and what people should see."""

    student: str
    file: str
    reports: list[Report]
    notes: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)  # of the variants in the notebook
    written: dict[str, str] = field(default_factory=dict)  # answers to open questions

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
    questions = assignment.questions
    chosen = submission.best([one.name for one in questions])
    if chosen is None:
        why = submission.summary
        reports = [one.failed(why) for one in questions]
        return Marked(submission.student, "", reports, [why])
    file, text = chosen
    place = memory / f"{key(text, assignment, secret)}.json"
    marked = recall(place)
    if marked is None:
        asked = [ask(one, seed(secret, one.name)) for one in questions]
        outcomes = sandbox.run(
            text, asked, assignment.seconds, assignment.memory, unsafe
        )
        marked = Marked("", "", [])
        for one, outcome in zip(questions, outcomes, strict=True):
            marked.reports.append(judge(one, outcome, assignment, secret))
            if outcome.seed is not None and one.vary:
                marked.seeds.append(outcome.seed)
            if one.kind == "open" and outcome.status == "given":
                marked.written[one.name] = outcome.text
        remember(place, marked)
    marked.student, marked.file = submission.student, file
    others = sorted(set(submission.notebooks) - {file})
    if others:
        marked.notes.append(f"Not graded: {', '.join(others)}.")
    marked.notes += submission.problems
    owners = {assignment.variants.get(s) for s in marked.seeds} - {None}
    for owner in sorted(owners):
        if owner.casefold() not in submission.student.casefold():
            marked.notes.append(f"This is the variant that {owner} was given.")
    return marked


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
    """A report on what came out of the sandbox."""
    if one.vary and assignment.variants and outcome.seed not in assignment.variants:
        if outcome.status == "given":
            return one.failed(
                "Its numbers were not handed out to anybody: answer in the notebook "
                "that you were given, and leave the check as it is."
            )
    if outcome.status == "blank":
        return one.not_attempted()
    if outcome.status == "given" and one.kind == "open":
        return one.to_read(outcome.text)
    if outcome.status != "given" or outcome.tensors is None:
        return one.failed(outcome.text or "It gave no answer.")
    if outcome.seed is not None:
        one = one.variant(outcome.seed)
    try:
        return one.judge(outcome.tensors, seed(secret, one.name))
    except Exception as error:  # of tensors that no honest answer gives
        return one.failed(f"What it gives cannot be judged: {error}"[:300])


def key(text: bytes, assignment: Assignment, secret: str) -> str:
    """Changes with everything on which a report depends."""
    about = [
        [(one.name, one.points) for one in assignment.questions],
        [assignment.seconds, assignment.memory, sorted(assignment.variants)],
        [assignment.fingerprint, secret, hashlib.sha256(text).hexdigest()],
    ]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def remember(place: Path, marked: Marked) -> None:
    write(place, json.dumps(asdict(marked)))


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
