"""The section of a chapter that holds its exercises, written from the library.

    make exercises            # into all chapters that have some
    python -m vaebook exercises --check

Task, starting point, checks, hints and solution of an exercise are one definition in
`vaelib.exercises`. The cells under "## Exercises" are written from it, so that they
read the same on the page, in JupyterLab, on Colab and in an assignment, and can be read
without running anything. Nobody edits these cells; a test compares them.
"""

import argparse
import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from vaelib import exercises
from vaelib.exercises.report import in_points

ROOT = Path(__file__).resolve().parents[3]
HEADING = "## Exercises"
TASK = """\
:::{{exercise}} {title}
:label: ex-{name}

{task}

*{kind}, {points}.*
:::"""
# Closed where HTML is shown: on the page, in JupyterLab, on Colab and on GitHub.
SOLUTION = """\
<details class="vb-solution"><summary>Solution</summary>

{text}

</details>"""
INTRODUCTION = """\
## Exercises

The questions first. Then the tasks: in the chapter's notebook, write your answer into
the cell under a task and run it. The check says what is right and what is not, and
often names the mistake; `ex("...").hint()`, with the name that stands in the cell,
gives a hint. In a notebook of your own, begin with
`from vaelib.exercises import ex`."""
QUIZ = """\
from vaelib.exercises import ex, quiz

quiz({number})"""
IMPORT = "from vaelib.exercises import ex"
# Before anything is filled in, a check only says so.
ANSWER = {"tags": ["remove-output"]}
QUIETLY = {"jupyter": {"source_hidden": True}, "tags": ["remove-input"]}


def section(number: int) -> list:
    """The cells of a chapter's section, its heading first."""
    cells = [new_markdown_cell(INTRODUCTION, id="exercises")]
    has_quiz = bool(exercises.questions(number))
    source = QUIZ.format(number=number) if has_quiz else IMPORT
    cells.append(new_code_cell(source, id="quiz", metadata=QUIETLY))
    for one in exercises.chapter(number):
        cells += cells_of(one)
    return cells


def cells_of(one) -> list:
    """Task, answer and solution of an exercise."""
    task = TASK.format(
        title=one.title,
        name=one.name,
        task=one.fill(one.task).strip(),
        kind=one.kind.capitalize(),
        points=in_points(one.points),
    )
    cells = [new_markdown_cell(task, id=f"ex-{one.name}")]
    if one.start:
        cells.append(new_code_cell(one.cell(), id=f"try-{one.name}", metadata=ANSWER))
    text = SOLUTION.format(text=one.solution())
    return [*cells, new_markdown_cell(text, id=f"sol-{one.name}")]


def put(notebook, number: int) -> bool:
    """Write the section into a chapter, in the place of the old; whether it changed.

    It reaches from its heading to the next heading of its rank. Raises ValueError
    where there is no such heading.
    """
    cells = list(notebook.cells)
    starts = [
        i
        for i, cell in enumerate(cells)
        if cell.cell_type == "markdown" and re.match("## ", cell.source)
    ]
    here = [i for i in starts if cells[i].source.startswith(HEADING)]
    if len(here) != 1:
        raise ValueError(
            f"chapter {number} needs one cell that begins with {HEADING!r}, "
            f"got {len(here)}."
        )
    end = min((i for i in starts if i > here[0]), default=len(cells))
    notebook.cells = [*cells[: here[0]], *section(number), *cells[end:]]
    return notebook.cells != cells


def chapter_of(path: Path) -> int:
    return int(path.name.split("_")[0])


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(prog="python -m vaebook exercises")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("chapters", nargs="*", type=int, help="default: all")
    options = parser.parse_args(arguments)
    differs = False
    for path in sorted(ROOT.glob("notebooks/*.ipynb")):
        number = chapter_of(path)
        if number not in (options.chapters or exercises.chapters()):
            continue
        notebook = nbformat.read(path, as_version=4)
        if put(notebook, number):
            differs = True
            print(f"{'differs' if options.check else 'written'}: {path.name}")
            if not options.check:
                nbformat.write(notebook, path)
    return int(differs and options.check)
