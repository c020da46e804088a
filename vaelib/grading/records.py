"""What grading leaves behind: a table, a page for each student, and what to read.

grades.csv          a line a student, a column a question
feedback/NAME.md    for the student
gradescope/NAME.json  the same, as Gradescope's results.json
to_read.csv         answers to open questions; fill in the points and grade again
"""

import json
import re
from dataclasses import replace
from pathlib import Path

from vaelib.exercises import Exercise
from vaelib.grading.assignment import Assignment
from vaelib.grading.marking import Marked, awaits_reading
from vaelib.grading.tables import read_table, table, write

READ = "to_read.csv"
COLUMNS = ("student", "exercise", "points", "comment", "answer")


def keep(out: Path, assignment: Assignment, marked: list[Marked]) -> None:
    """Write all of it."""
    marked = with_readings(out / READ, assignment, marked)
    write(out / "grades.csv", table(grades(assignment, marked)))
    names = file_names([one.student for one in marked])
    for one in marked:
        name = names[one.student]
        write(out / "feedback" / f"{name}.md", feedback(assignment, one))
        text = json.dumps(gradescope(one), indent=1, ensure_ascii=False)
        write(out / "gradescope" / f"{name}.json", text)


def grades(assignment: Assignment, marked: list[Marked]) -> list[list]:
    names = [one.name for one in assignment.questions]
    rows = [["student", "file", *names, "total", "of", "notes"]]
    for one in marked:
        scores = [
            "" if awaits_reading(report) else f"{report.score:.3g}"
            for report in one.reports
        ]
        total = [f"{one.score:.4g}", f"{one.points:g}"]
        rows.append([one.student, one.file, *scores, *total, " ".join(one.notes)])
    return rows


def feedback(assignment: Assignment, one: Marked) -> str:
    """What a student reads."""
    waiting = any(map(awaits_reading, one.reports))
    rest = ", and what a reader will give for the rest" if waiting else ""
    lines = [
        f"# {assignment.title}",
        f"{one.student}: {one.score:.3g} of {one.points:g} points{rest}.",
        *one.notes,
    ]
    for number, (asked, report) in enumerate(
        zip(assignment.questions, one.reports, strict=True), 1
    ):
        lines.append(f"## {number}. {asked.title}")
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
                "status": "passed" if report.passed else "failed",
                "output": repr(report),
            }
            for report in one.reports
        ],
    }


def with_readings(path: Path, assignment: Assignment, marked: list[Marked]):
    """Give the points that people have written into the table, and ask for the rest."""
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
                answer = one.written.get(report.name, "")
                points, comment = given.get((one.student, report.name), ("", ""))
                rows.append([one.student, report.name, points, comment, answer])
                report = read_by(report, points, comment)
            reports.append(report)
        result.append(replace(one, reports=reports))
    write(path, table(rows))
    rubrics = [
        f"## {one.name}: {one.title}\n\n{one.task.strip()}\n\n{one.solution()}\n"
        for one in opened.values()
    ]
    write(path.with_suffix(".md"), "\n".join(rubrics))
    return result


def readings(path: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """Points and comments that are there already."""
    if not path.exists():
        return {}
    return {
        (row["student"], row["exercise"]): (row["points"], row["comment"])
        for row in read_table(path, ("student", "exercise", "points", "comment"))
    }


def read_by(report, points: str, comment: str):
    """A report with a reader's points. Raises ValueError for what is no number."""
    if not points.strip():
        return report
    try:
        score = float(points)
    except ValueError:
        raise ValueError(f"{READ} gives {points!r} points for {report.name}.") from None
    if not 0 <= score <= report.points:
        raise ValueError(
            f"{READ} gives {score:g} points for {report.name}, which has "
            f"{report.points:g}."
        )
    outcome = "passed" if score == report.points else "not yet"
    return replace(report, outcome=outcome, text=comment, score=score)


def file_names(students: list[str]) -> dict[str, str]:
    """A file name for each student: any letters, nothing that means anything."""
    taken: set[str] = set()
    names = {}
    for student in students:
        name = re.sub(r"[^\w.@-]+", "_", student).strip("._")[:80] or "student"
        while name.casefold() in taken:
            name += "_"
        taken.add(name.casefold())
        names[student] = name
    return names
