"""Make an assignment from the exercises of the book, or from your own.

    python -m vaelib.assign --list
    python -m vaelib.assign week3 --title "Week 3" --chapters 5
    python -m vaelib.assign week3 --exercises gaussian-kl gaussian-kl-by-hand

writes week3.ipynb, the notebook for students, without solutions, and week3.toml, by
which vaelib.grade grades it. With --students roster.csv (a column named student) each
of them gets a notebook with numbers of their own, where an exercise has such. With
--nbgrader the notebook is a source for nbgrader instead, with solutions and hidden
tests that nbgrader takes out.
"""

import argparse
import json
import os
import secrets
import sys
from pathlib import Path

try:
    import nbformat
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "Writing notebooks needs the package nbformat: pip install nbformat."
    ) from error
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from vaelib import _missing
from vaelib.exercises import Exercise, chapter, chapters, ex
from vaelib.exercises.exercise import index
from vaelib.exercises.report import in_points, number
from vaelib.grading.assignment import from_file, handed_out
from vaelib.grading.records import file_names
from vaelib.grading.tables import read_table, table, write

IMPORTS = """\
import math

import matplotlib.pyplot as plt
import torch

import vaelib
from vaelib.exercises import ex"""
HOW = """\
Write your answers into the cells and run them. Where a cell ends with a check, it says
at once what is right, what is not yet, and often which mistake it is, and
`ex("...").hint()` gives a hint. Only what a cell asks for is graded; the other
questions of a task are to think about. Save the notebook and hand it in. Only the
answers count, not the outputs: the grading runs them again."""


def main(arguments: list[str] | None = None) -> int:
    options = read_options(arguments)
    try:
        print(listing()) if options.list else assign(options)
    except (ValueError, TypeError, OSError) as error:
        print(f"vaelib.assign: {error}", file=sys.stderr)
        return 1
    return 0


def listing() -> str:
    """All exercises: chapter, name, kind, points, title."""
    rows = [
        (str(n), one.name, one.kind, number(one.points), one.title)
        for n in chapters()
        for one in chapter(n)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def assign(options) -> None:
    """Write what the command line asks for, and say what was written."""
    name = options.name
    if name is None:
        raise ValueError("say what the files are to be called, as week3; or --list.")
    if name.suffix in (".ipynb", ".toml"):
        name = name.with_suffix("")
    if options.nbgrader and (options.exercises_from or options.students):
        raise ValueError(
            "nbgrader runs checks in the student's notebook, which knows no exercises "
            "of your own and no variants: leave out --nbgrader, or --exercises-from "
            "and --students."
        )
    own = from_file(options.exercises_from) if options.exercises_from else []
    questions = choose(options, own)
    title = options.title or name.name
    head = opening(title, options.due, questions, address_of(options))
    if options.nbgrader:
        save(with_ending(name, ".ipynb"), nbgrader_notebook(head, questions))
        print(f"Wrote {name}.ipynb, a source for nbgrader.")
        return
    private = {one.name for one in own}
    variants = None
    if options.students:
        variants = with_ending(name, "-variants.csv")
        students = roster(options.students)
        written = one_each(name, students, variants, head, questions, private)
    else:
        written = [with_ending(name, ".ipynb")]
        save(written[0], notebook(head, questions, private))
    place = with_ending(name, ".toml")
    mine = options.exercises_from
    mine = mine and Path(os.path.relpath(mine, place.parent))
    write(place, toml(title, options.due, questions, mine, variants))
    points = sum(one.points for one in questions)
    more = ", ..." if len(written) > 3 else ""
    print(f"{len(questions)} exercises, {in_points(points)}.")
    print(f"For students: {', '.join(map(str, written[:3]))}{more}")
    print(f"For you: {', '.join(str(p) for p in (place, variants) if p)}")
    print(f"Grade with: python -m vaelib.grade SUBMISSIONS --assignment {place}")


def address_of(options) -> str | None:
    """Where the notebook is to fetch vaelib from; warns where nobody knows."""
    found = options.address or _missing.origin()
    if found is None:
        print(
            "vaelib.assign: the notebook does not say where vaelib can be fetched "
            "from, so it opens only where vaelib is, or a wheel of it lies beside: "
            "name a git address or a wheel's with --address.",
            file=sys.stderr,
        )
    return found


def one_each(
    name: Path,
    students: list[str],
    variants: Path,
    head: list,
    questions: list[Exercise],
    private: set[str],
) -> list[Path]:
    """Write a notebook for each student, and the table of who has which variant.

    Who has a variant keeps it: the notebook may be handed out already.
    """
    there = handed_out(variants) if variants.exists() else {}
    seeds = {student: seed for seed, student in there.items()}
    for student in students:
        seeds.setdefault(student, 1 + secrets.randbelow(10**9))
    write(variants, table([["student", "seed"], *seeds.items()]))
    written = []
    names = file_names([(student, student) for student in students])
    for student, file in zip(students, names, strict=True):
        theirs = [one.variant(seeds[student]) for one in questions]
        written.append(with_ending(name, f"-{file}.ipynb"))
        save(written[-1], notebook(head, theirs, private))
    return written


def with_ending(name: Path, ending: str) -> Path:
    """The path with more behind it; a dot in the name is part of the name."""
    return name.with_name(name.name + ending)


def choose(options, own: list[Exercise]) -> list[Exercise]:
    """The exercises asked for; raises ValueError for none, and for two of one name."""
    found = [one for n in options.chapters for one in chapter(n)]
    found += [ex(name) for name in options.exercises]
    found += own
    if not found:
        raise ValueError("name --chapters, --exercises or --exercises-from.")
    index(found)
    return found


def notebook(head: list, questions: list[Exercise], private: set[str]):
    """What a student gets. Of private exercises, students have no checks.

    There they have one that never runs: it tells the grader which answer, and variant.
    """
    cells = list(head)
    for n, one in enumerate(questions, 1):
        cells.append(task(n, one))
        code = one.cell()
        if one.name in private:
            start, check = code.rsplit("\n", 1)
            never = f"if False:  # for the grading: leave it here\n    {check}"
            code = f"{start.rstrip()}\n\n{never}"
        cells.append(new_code_cell(code, id=f"try-{one.name}"))
    return finished(cells)


def opening(title, due, questions, address) -> list:
    points = sum(one.points for one in questions)
    when = f" Due: {due}." if due else ""
    head = f"# {title}\n\n{in_points(points)}.{when}\n\n{HOW}"
    install = new_code_cell(_missing.first_cell(address), id="install")
    install.metadata = {"cellView": "form", "jupyter": {"source_hidden": True}}
    return [
        new_markdown_cell(head, id="title"),
        install,
        new_code_cell(IMPORTS, id="imports"),
    ]


def task(n: int, one: Exercise):
    text = [f"## {n}. {one.title} ({in_points(one.points)})"]
    for c in chapters():
        if one.name in [other.name for other in chapter(c)]:
            text.append(f"From chapter {c} of the book.")
    text.append(one.fill(one.task))
    return new_markdown_cell("\n\n".join(text), id=f"task-{one.name}")


def finished(cells):
    made = new_notebook(cells=cells)
    made.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.validate(made)
    return made


def nbgrader_notebook(head: list, questions: list[Exercise]):
    """A source notebook: nbgrader takes out solutions and hidden tests."""
    cells = list(head)
    for n, one in enumerate(questions, 1):
        cells.append(task(n, one))
        if one.kind == "open":
            cell = new_markdown_cell(one.solution(), id=f"try-{one.name}")
            cells.append(marked(cell, one, grade=True, solution=True))
            continue
        start = new_code_cell(with_solution(one), id=f"try-{one.name}")
        cells.append(marked(start, one, solution=True))
        call = f'ex("{one.name}").check({one.answer}'
        hidden = f"{call}, seed={secrets.randbelow(10**9)}).score"
        shown = f"display({call}))"  # a cell shows by itself only what comes last
        test = f"{shown}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
        cell = new_code_cell(test, id=f"test-{one.name}")
        cells.append(marked(cell, one, "test", grade=True, locked=True))
    return finished(cells)


def with_solution(one: Exercise) -> str:
    """The start, and after it the marks between which nbgrader takes everything out."""
    lines = [
        one.fill(one.start).strip("\n"),
        "",
        "### BEGIN SOLUTION",
        f'one = ex("{one.name}")  # one.solution() shows it',
        f"{one.answer} = one.as_answer(one.reference)",
        "### END SOLUTION",
    ]
    return "\n".join(lines)


def marked(cell, one: Exercise, prefix: str = "try", **what):
    """A cell with what nbgrader wants to know of it."""
    about = {"grade": False, "solution": False, "locked": False, "task": False}
    about |= {"schema_version": 3, "grade_id": f"{prefix}-{one.name}", **what}
    if about["grade"]:
        about["points"] = one.points
    cell.metadata["nbgrader"] = about
    return cell


def toml(title, due, questions, own: Path | None, variants: Path | None) -> str:
    """What vaelib.grade needs to know."""
    lines = [f"title = {quoted(title)}"]
    lines += [f"due = {quoted(due)}"] if due else []
    lines += ["seconds = 20  # for each question", "memory_gb = 2"]
    if own:
        lines.append(f"exercises_from = {quoted(str(own))}")
    if variants:
        lines.append(f"variants = {quoted(variants.name)}")
    for one in questions:
        lines += ["", "[[question]]", f"exercise = {quoted(one.name)}"]
        lines.append(f"points = {one.points:g}")
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A basic string of TOML: JSON's are such."""
    return json.dumps(text, ensure_ascii=False)


def roster(path: Path) -> list[str]:
    """The students of a table with a column named student."""
    rows: dict[str, str] = {}  # of each student
    for row in read_table(path, ("student",)):
        student = row["student"].strip()
        if student in rows:
            raise ValueError(
                f"{path} names {student} twice, in the rows {rows[student]} and "
                f"{row['row']}: give students of one name something to tell them "
                "apart, as a number."
            )
        if student:
            rows[student] = row["row"]
    if not rows:
        raise ValueError(f"{path} names no students.")
    return list(rows)


def save(place: Path, made) -> None:
    write(place, nbformat.writes(made) + "\n")


def read_options(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m vaelib.assign",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", type=Path, nargs="?", help="of the files to write, as week3"
    )
    parser.add_argument("--list", action="store_true", help="show all exercises")
    parser.add_argument("--title", help="by default the name")
    parser.add_argument("--due", default="", help="in your words")
    parser.add_argument("--chapters", nargs="+", type=int, default=[])
    parser.add_argument("--exercises", nargs="+", default=[], metavar="NAME")
    parser.add_argument(
        "--exercises-from", type=Path, metavar="FILE", help="a Python file of your own"
    )
    parser.add_argument(
        "--students", type=Path, metavar="CSV", help="a notebook for each of them"
    )
    parser.add_argument(
        "--address",
        help="where the notebook fetches vaelib from on Colab: a git address or a "
        "wheel's; by default where this vaelib came from",
    )
    parser.add_argument("--nbgrader", action="store_true", help="write its source")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
