"""What grading leaves behind: a table, a page for each student, and what to read.

grades.csv          a line a student, a column a question; notes for the teacher
feedback/NAME.md    for the student
gradescope/NAME.json  the same, as Gradescope's results.json
to_read.csv         answers to open questions; fill in the points and grade again
"""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from vaelib.exercises import Exercise, Report
from vaelib.exercises.report import in_points, number
from vaelib.grading.assignment import Assignment
from vaelib.grading.marking import Marked, awaits_reading
from vaelib.grading.tables import read_table, table, write

READ = "to_read.csv"
COLUMNS = ("student", "id", "exercise", "points", "comment", "answer")
LONGEST = 30_000  # letters of an answer that a spreadsheet's cell takes
BY_READER = "read by a person"  # the outcome of an open answer with its points


def keep(out: Path, assignment: Assignment, marked: list[Marked]) -> list[str]:
    """Write all of it; the pages that lie there of students who are not among these."""
    marked = with_readings(out / READ, assignment, marked)
    write(out / "grades.csv", table(grades(assignment, marked)))
    names = file_names([(one.student, one.id) for one in marked])
    for name, one in zip(names, marked, strict=True):
        write(out / "feedback" / f"{name}.md", feedback(assignment, one))
        text = json.dumps(gradescope(one), indent=1, ensure_ascii=False)
        write(out / "gradescope" / f"{name}.json", text)
    there = {place.stem for place in (out / "feedback").glob("*.md")}
    return sorted(there - set(names))


def grades(assignment: Assignment, marked: list[Marked]) -> list[list]:
    names = [one.name for one in assignment.questions]
    rows = [["student", "id", "late", "file", *names, "total", "of", "notes"]]
    for one in marked:
        about = [one.student, one.id, "late" if one.late else "", one.file]
        scores = ["" if awaits_reading(r) else number(r.score) for r in one.reports]
        total = [number(one.score), number(one.points)]
        notes = " ".join([*one.notes, *one.private])
        rows.append([*about, *scores, *total, notes])
    return rows


def feedback(assignment: Assignment, one: Marked) -> str:
    """What a student reads."""
    waiting = any(map(awaits_reading, one.reports))
    rest = ", and what a reader will give for the rest" if waiting else ""
    lines = [
        f"# {assignment.title}",
        f"{one.student}: {number(one.score)} of {in_points(one.points)}{rest}.",
        *one.notes,
    ]
    asked = list(zip(assignment.questions, one.reports, strict=True))
    for n, (question, report) in enumerate(asked if one.file else [], 1):
        lines.append(f"## {n}. {question.title}")
        lines.append(report._repr_markdown_())
    return "\n\n".join(lines) + "\n"


def gradescope(one: Marked) -> dict:
    """See https://gradescope-autograders.readthedocs.io/en/latest/specs/."""
    return {
        "output": " ".join(one.notes),
        "tests": [
            {
                "name": report.name,
                "score": round(report.score, 4),
                "max_score": report.points,
                **status(report),
                "output": repr(report) if one.file else "",
            }
            for report in one.reports
        ],
    }


def status(report: Report) -> dict:
    """Green or red; neither where part of the points is earned, or not given yet."""
    if awaits_reading(report) or 0 < report.score < report.points:
        return {}
    return {"status": "passed" if report.score == report.points else "failed"}


def with_readings(
    path: Path, assignment: Assignment, marked: list[Marked]
) -> list[Marked]:
    """Give the points that people have written into the table, and ask for the rest.

    Rows of students and exercises that are not graded now stay as they are.
    """
    opened: dict[str, Exercise] = {
        one.name: one for one in assignment.questions if one.kind == "open"
    }
    if not opened:
        return marked
    given = readings(path)
    rows, result = [list(COLUMNS)], []
    for one in marked:
        reports = []
        for report in one.reports:
            if awaits_reading(report):
                answer = one.written.get(report.name, "")[:LONGEST]
                about = one.student, one.id, report.name
                row = changed(given.pop(about, dict.fromkeys(COLUMNS, "")), answer)
                rows.append([*about, row["points"], row["comment"], answer])
                report = read_by(report, row)
            reports.append(report)
        result.append(replace(one, reports=reports))
    rows += [[row[name] for name in COLUMNS] for row in given.values()]
    write(path, table(rows))
    rubrics = [
        f"## {one.name}: {one.title}\n\n{one.fill(one.task)}\n\n{one.solution()}\n"
        for one in opened.values()
    ]
    write(path.with_suffix(".md"), "\n".join(rubrics))
    return result


def readings(path: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    """The rows that are there already, by student, id and exercise."""
    if not path.exists():
        return {}
    found = {}
    for row in read_table(path, ("student", "exercise", "points"), COLUMNS):
        row["id"] = row["id"] or row["student"]
        found[row["student"], row["id"], row["exercise"]] = row
        value(row)
    return found


def changed(row: dict[str, str], answer: str) -> dict[str, str]:
    """A reader's row; without its points where they were given for another answer."""
    before = row["answer"]
    if not before or before.split() == answer.split() or not row["points"].strip():
        return row
    note = f"The answer has changed; for the one before: {row['points']} points."
    return {**row, "points": "", "comment": f"{note} {row['comment']}".strip()}


def read_by(report: Report, row: dict[str, str]) -> Report:
    """A report with a reader's points. Raises ValueError for more than there are."""
    score = value(row)
    if score is None:
        return report
    if not 0 <= score <= report.points:
        raise ValueError(
            f"{entry(row)}, which has {number(report.points)}: give 0 to that many."
        )
    return replace(report, outcome=BY_READER, text=row["comment"], score=score)


def value(row: dict[str, str]) -> float | None:
    """A reader's points, with a comma or a point; None for no entry."""
    if not row["points"].strip():
        return None
    try:
        return float(row["points"].replace(",", "."))
    except ValueError:
        raise ValueError(
            f"{entry(row)}: that is no number; write one, or nothing."
        ) from None


def entry(row: dict[str, str]) -> str:
    """What a row says, to begin a sentence on what is wrong with it."""
    return (
        f"{READ}, row {row['row']}, gives {row['student']} {row['points']!r} points "
        f"for {row['exercise']}"
    )


def file_names(people: list[tuple[str, str]]) -> list[str]:
    """A file name for each student: any letters, nothing that means anything.

    Two of one name get their ids into it.
    """
    plain = [letters(student) for student, _ in people]
    shared = Counter(name.casefold() for name in plain)
    taken: set[str] = set()
    names = []
    for name, (student, own) in zip(plain, people, strict=True):
        if shared[name.casefold()] > 1 and own != student:
            name = f"{name}-{letters(own)}"
        name = name or "student"
        while name.casefold() in taken:
            name += "_"
        taken.add(name.casefold())
        names.append(name)
    return names


def letters(name: str) -> str:
    plain = re.sub(r"[^\w.@-]+", "_", name).strip("._")
    return plain.encode()[:120].decode("utf-8", "ignore")  # as long as a name may be
