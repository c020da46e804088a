"""Assignments: what a student gets, what the grader gets, what nbgrader gets."""

import json
import os
import re
import subprocess
from pathlib import Path

import nbformat
import pytest

from vaelib import assign
from vaelib.exercises import chapters, ex, exercises
from vaelib.exercises.exercise import sentence
from vaelib.exercises.report import number
from vaelib.grading import assignment
from vaelib.grading.records import file_names
from vaelib.grading.sandbox import available

GUIDE = Path(__file__).resolve().parents[1] / "book" / "instructors.md"


def make(folder: Path, *asked: str) -> Path:
    assert assign.main([str(folder / "week3"), *asked]) == 0
    return folder / "week3.ipynb"


def cells(path: Path) -> dict[str, str]:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return {cell.id: cell.source for cell in notebook.cells}


def test_students_get_tasks_and_no_solutions(tmp_path):
    every = [str(number) for number in chapters()]
    path = make(tmp_path, "--title", "Everything", "--chapters", *every)
    found = cells(path)
    assert found["title"].startswith("# Everything")
    text = path.read_text("utf-8")
    for one in exercises().values():
        assert found[f"try-{one.name}"] == one.cell()
        assert one.fill(one.task) in found[f"task-{one.name}"]
        discussion = json.dumps(one.fill(one.discussion).strip())[1:-1]
        assert discussion not in text, f"the solution of {one.name} is in it"


def test_the_grader_reads_what_was_written(tmp_path):
    make(
        tmp_path, "--exercises", "gaussian-kl", "gaussian-kl-laplace", "--due", "1 May"
    )
    read = assignment.read(tmp_path / "week3.toml")
    assert [one.name for one in read.questions] == [
        "gaussian-kl",
        "gaussian-kl-laplace",
    ]
    assert read.title == "week3" and read.seconds == 20 and read.memory == 2 << 30
    place = tmp_path / "week3.toml"
    place.write_text(place.read_text().replace("points = 4", "points = 8"))
    _, project = assignment.read(place).questions
    assert project.points == 8 == sum(points for points, _ in project.rubric)


def test_each_student_gets_other_numbers(tmp_path):
    (tmp_path / "roster.csv").write_text("student,group\nAda L.,1\nÉmile,2\n")
    asked = ["--students", str(tmp_path / "roster.csv")]
    make_all = [*asked, "--exercises", "gaussian-kl-by-hand", "gaussian-kl"]
    assert assign.main([str(tmp_path / "week3"), *make_all]) == 0
    ada = cells(tmp_path / "week3-Ada_L.ipynb")["try-gaussian-kl-by-hand"]
    emile = cells(tmp_path / "week3-Émile.ipynb")["try-gaussian-kl-by-hand"]
    seeds = assignment.read(tmp_path / "week3.toml").variants
    assert sorted(seeds.values()) == ["Ada L.", "Émile"]
    variants = tmp_path / "week3-variants.csv"
    text = variants.read_text("utf-8") + ",\n"  # an empty row, as spreadsheets leave it
    variants.write_text(text)
    assert assignment.read(tmp_path / "week3.toml").variants == seeds
    variants.write_text(text.replace("Émile,", "Émile,no"))
    with pytest.raises(ValueError, match=r"csv, row 3, gives Émile the seed 'no"):
        assignment.read(tmp_path / "week3.toml")
    for text, student in ((ada, "Ada L."), (emile, "Émile")):
        seed = int(re.search(r", (\d+)\)\.check", text)[1])
        assert seeds[seed] == student
        assert ex("gaussian-kl-by-hand", seed).cell() == text


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_roster_as_spreadsheets_save_it(tmp_path, capsys, separator):
    place = tmp_path / "roster.csv"
    text = f"Group{separator}Student \n1{separator}Jürgen\n2{separator}Zoë\n"
    place.write_text(text, encoding="cp1252")
    asked = ["--exercises", "gaussian-kl-by-hand", "--students", str(place)]
    assert assign.main([str(tmp_path / "week3"), *asked]) == 0
    seeds = assignment.read(tmp_path / "week3.toml").variants
    assert sorted(seeds.values()) == ["Jürgen", "Zoë"]
    place.write_text(text + f"3{separator}Zoë\n", encoding="utf-8")
    assert assign.main([str(tmp_path / "week3"), *asked]) == 1
    assert "names Zoë twice, in the rows 3 and 4" in capsys.readouterr().err


def test_the_name_may_have_an_ending_and_points_be_many(tmp_path, capsys):
    asked = ["--exercises", "gaussian-kl"]
    assert assign.main([str(tmp_path / "week3.ipynb"), *asked]) == 0
    assert {p.name for p in tmp_path.iterdir()} == {"week3.ipynb", "week3.toml"}
    assert "From chapter 5" in cells(tmp_path / "week3.ipynb")["task-gaussian-kl"]
    assert "--address" in capsys.readouterr().err  # nowhere to fetch vaelib from
    asked += ["--address", "git+https://example.org/book"]
    assert assign.main([str(tmp_path / "week3"), *asked]) == 0
    assert capsys.readouterr().err == ""
    place = tmp_path / "week3.toml"
    place.write_text(place.read_text().replace("gaussian-kl", "gausian-kl"))
    with pytest.raises(ValueError, match="there is gaussian-kl"):
        assignment.read(place)


def test_all_exercises_can_be_listed(capsys):
    assert assign.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(exercises())
    assert any(re.match(r" *5 +gaussian-kl +implement +2 ", line) for line in lines)


def test_where_nothing_can_be_written_it_says_so(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    asked = [str(tmp_path / "file" / "week3"), "--exercises", "gaussian-kl"]
    assert assign.main(asked) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_file_names_are_told_apart_by_ids():
    people = [("Ada L.", "7"), ("Ada L", "8"), ("Bob", "Bob"), ("bob", "bob")]
    assert file_names(people) == ["Ada_L-7", "Ada_L-8", "Bob", "bob_"]
    assert [number(x) for x in (1000, 2.5, 1 / 3, 0, 1e-9)] == [
        "1000",
        "2.5",
        "0.3333",
        "0",
        "0",
    ]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ([], "name --chapters"),
        (["--chapters", "99"], "chapter 99 has no exercises"),
        (["--exercises", "gausian-kl"], "there is gaussian-kl"),
        (["--exercises", "gaussian-kl", "gaussian-kl"], "two exercises"),
        (["--exercises-from", "gone.py"], "no file of exercises"),
        (["--chapters", "5", "--students", "gone.csv"], "gone.csv"),
        (["--nbgrader", "--exercises-from", "mine.py"], "nbgrader"),
        (["--nbgrader", "--chapters", "5", "--students", "r.csv"], "nbgrader"),
    ],
)
def test_what_cannot_be_made_gets_a_sentence(tmp_path, capsys, asked, sentence):
    assert assign.main([str(tmp_path / "week3"), *asked]) == 1
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_exercise_of_the_guide_works(tmp_path, monkeypatch):
    """What the instructors' page prints can be saved and used."""
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.M | re.S)
    (block,) = [block for block in blocks if "EXERCISES = [" in block]
    (tmp_path / "private.py").write_text(block)
    own = assignment.from_file(tmp_path / "private.py")
    for one in [*own, own[1].variant(17)]:
        assert one.check(one.as_answer(one.reference)).passed
        for mistake in one.mistakes:
            report = one.check(one.as_answer(mistake))
            assert report.text == sentence(mistake) and not report.passed
    assert own[1].values != own[1].variant(17).values
    monkeypatch.chdir(tmp_path)
    make(Path("weeks"), "--exercises-from", "private.py")
    for one in own:
        found = cells(Path("weeks/week3.ipynb"))[f"try-{one.name}"]
        start, never = found.split("\n\nif False:")  # no check: a sign for the grader
        assert start.endswith("...") and f'ex("{one.name}").check(' in never
    assert assignment.read(Path("weeks/week3.toml")).private == {o.name for o in own}


def test_names_in_the_guide_exist():
    text = GUIDE.read_text("utf-8")
    named = re.findall(r"--exercises ((?:[a-z0-9-]+ ?)+)", text)
    named = " ".join(named).split() + re.findall(r"`((?:gaussian|repar)[\w-]+)`", text)
    assert len(named) > 4
    assert [name for name in named if name not in exercises()] == []


def test_a_source_for_nbgrader(tmp_path):
    """Its cells say what nbgrader asks for; and, where it is installed, it takes them.

    NBGRADER names the folder of its programs.
    """
    folder = tmp_path / "source" / "week3"
    names = ("gaussian-kl-by-hand", "gaussian-kl", "gaussian-kl-laplace")
    assert (
        assign.main([str(folder / "week3"), "--exercises", *names, "--nbgrader"]) == 0
    )
    notebook = nbformat.read(folder / "week3.ipynb", as_version=4)
    about = {c.id: c.metadata.get("nbgrader") for c in notebook.cells}
    assert (
        about["try-gaussian-kl"]["solution"] and not about["try-gaussian-kl"]["grade"]
    )
    assert about["test-gaussian-kl"]["points"] == 2
    assert about["try-gaussian-kl-laplace"]["grade"]
    programs = os.environ.get("NBGRADER")
    if not programs:
        pytest.skip("NOT TESTED with nbgrader itself: NBGRADER names no folder")
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}

    def nbgrader(*asked):
        subprocess.run(
            ["nbgrader", *asked, "--course=c"],
            cwd=tmp_path,
            env=environment,
            check=True,
            capture_output=True,
        )

    nbgrader("generate_assignment", "week3", "--create")
    released = tmp_path / "release" / "week3" / "week3.ipynb"
    assert "as_answer" not in released.read_text("utf-8")
    handed_in = nbformat.read(released, as_version=4)
    for cell in handed_in.cells:
        if cell.id == "try-gaussian-kl":
            cell.source = (
                "def kl(mu, logvar):\n"
                "    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)"
            )
        if cell.id == "try-gaussian-kl-by-hand":
            cell.source = "divergences = (1.307, 9)"  # half of it is right
    place = tmp_path / "submitted" / "ada" / "week3"
    place.mkdir(parents=True)
    nbformat.write(handed_in, place / "week3.ipynb")
    nbgrader("autograde", "week3")
    nbgrader("export")
    assert ",2.5," in (tmp_path / "grades.csv").read_text()
    autograded = tmp_path / "autograded" / "ada" / "week3" / "week3.ipynb"
    assert "**Not yet**" in autograded.read_text("utf-8")  # the check is seen


def test_says_why_there_is_no_sandbox(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "which is missing here" in available()
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho 'bwrap: Unknown option $1' >&2\nexit 1\n")
    old.chmod(0o755)
    assert "Unknown option" in available() and "0.8 or newer" in available()
