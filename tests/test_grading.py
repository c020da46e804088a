"""Grading a class in which somebody tries everything. Needs bubblewrap."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from vaelib import assign, grade
from vaelib.exercises import ex
from vaelib.exercises.exercise import index
from vaelib.grading import (
    assignment,
    marking,
    sandbox,
    submissions,
    tables,
)
from vaelib.grading.slices import code_cells, parse, program
from vaelib.grading.submissions import Submission, find

MISSING = sandbox.available()
REQUIRED = os.environ.get("VAEBOOK_REQUIRE_SITE") == "1"
sandboxed = pytest.mark.skipif(
    bool(MISSING) and not REQUIRED, reason=f"NOT TESTED: {MISSING}"
)
in_one_process = pytest.mark.xdist_group("class")  # which is graded once
EXERCISES = ["gaussian-kl-by-hand", "gaussian-kl"]
BY_HAND = """\
there, back = 1.307, 0.443
divergences = (there, back)
ex("gaussian-kl-by-hand").check(divergences)"""
KL = """\
def square(a):
    return a * a

def kl(mu, logvar):
    total = 0
    for j in range(mu.shape[1]):
        total = total + square(mu[:, j]) + logvar[:, j].exp() - 1 - logvar[:, j]
    return total / 2

ex("gaussian-kl").check(kl)"""
BLANK = ex("gaussian-kl").cell()


def notebook(*cells: str) -> bytes:
    """A notebook of code cells, with no more metadata than it needs."""
    made = [{"cell_type": "code", "source": source} for source in cells]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4}).encode()


def answered(kl: str = KL, by_hand: str = BY_HAND) -> bytes:
    """A whole notebook; the first question is right unless said otherwise."""
    imports = (
        "import math\nimport torch\nimport vaelib\nfrom vaelib.exercises import ex"
    )
    return notebook(imports, by_hand, kl)


def hostile(body: str, before: str = "import os") -> bytes:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    check = 'ex("gaussian-kl").check(kl)'
    return answered(f"{before}\n\ndef kl(mu, logvar):\n{lines}\n\n{check}")


def zipped(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


FORGERY = """\
frame = b'{"number": 1, "status": "given", "size": 0}' + bytes([10])
for handle in range(3, 64):
    try:
        os.write(handle, frame)
    except OSError:
        pass
os.kill(os.getppid(), 9)"""
PATCHES = """\
import vaelib.exercises.exercise as exercise
import vaelib.exercises.probes as probes
torch.allclose = lambda *a, **k: True
exercise.compare = lambda *a: exercise.Finding(True, "")
probes.call = lambda *a: {}
return torch.zeros(len(mu))"""
LOOK = """\
found = [os.path.join(top, f) for top, _, files in os.walk("/") for f in files]
raise ValueError([f for f in found if f.endswith((".secret", ".toml", ".ipynb"))
                  and "/python3" not in f and "/usr/" not in f])"""
EVIL = """\
class Evil:
    def __reduce__(self):
        return (os.system, ("touch pwned",))"""

# student: file, content, points for the second question, what the feedback says
CLASS = {
    "Honest": ("week.ipynb", answered(), 2, "Passed"),
    "Ünïcøde 名": ("réponse (1).ipynb", answered(), 2, "Passed"),
    '=HYPERLINK("x")': ("week.ipynb", answered(), 2, "Passed"),
    "Numpy": (
        "week.ipynb",
        hostile("return (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).sum(1).numpy()"),
        2,
        "Passed",
    ),
    "Magic": ("week.ipynb", answered(f"%matplotlib inline\n!rm -rf /\n{KL}"), 2, "Pas"),
    "Copied cell": ("week.ipynb", answered(f"{KL}\n\n{BLANK}"), 2, "Passed"),
    "Exec": (
        "week.ipynb",
        hostile(
            "return half * (mu**2 + logvar.exp() - 1 - logvar).sum(1)",
            "exec('half = 0.5')",
        ),
        2,
        "Passed",
    ),
    "Zip": ("week.zip", zipped({"../../etc/x.ipynb": answered()}), 2, "Passed"),
    "Blank": ("week.ipynb", answered(BLANK), 0, "Not attempted"),
    "Deleted": ("week.ipynb", notebook("import torch", BY_HAND), 0, "There is no `kl`"),
    "Flipped": (
        "week.ipynb",
        hostile("return -0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)"),
        0,
        "The sign is turned over",
    ),
    "Loop": ("week.ipynb", hostile("while True: pass"), 0, "stopped after 3 seconds"),
    "Memory": ("week.ipynb", hostile("torch.ones(10**10)"), 0, "more memory"),
    "Hoarder": (
        "week.ipynb",
        hostile("x = []\nwhile True: x.append(bytearray(10**7))"),
        0,
        "",
    ),
    "Forks": ("week.ipynb", hostile("while True: os.fork()"), 0, ""),
    "Exit": ("week.ipynb", hostile("os._exit(0)"), 0, "without an answer"),
    "Killer": ("week.ipynb", hostile("os.kill(os.getppid(), 9)"), 0, "It ended the"),
    "Forger": ("week.ipynb", hostile(FORGERY), 0, "It ended the"),
    "Patcher": ("week.ipynb", hostile(PATCHES), 0, ""),
    "Spy": ("week.ipynb", hostile(LOOK), 0, "ValueError: []"),
    "Caller": (
        "week.ipynb",
        hostile("import socket\nsocket.create_connection(('192.0.2.1', 80), 3)"),
        0,
        "unreachable",
    ),
    "Copyist": (
        "week.ipynb",
        answered('kl = ex("gaussian-kl").reference\nex("gaussian-kl").check(kl)'),
        0,
        "asks for the solution",
    ),
    "Pickler": ("week.ipynb", hostile("return Evil()", EVIL), 0, "returns Evil"),
    "Nan": ("week.ipynb", hostile("return mu[:, 0] * math.nan"), 0, "nan"),
    "Complex": ("week.ipynb", hostile("return mu[:, 0] * 1j"), 0, "complex"),
    "Large": ("week.ipynb", hostile("return torch.zeros(10**7)"), 0, "far larger"),
    "Typo": (
        "week.ipynb",
        answered(KL.replace("logvar):", "logvar)")),
        0,
        "Code cell 3 cannot be read",
    ),
    "Nested": ("week.ipynb", answered(f"kl = {'(' * 999}1{')' * 999}"), 0, "nested"),
    "Half": ("week.ipynb", answered()[:99], None, "The file is no notebook"),
    "Brackets": ("week.ipynb", b"[" * 100_000, None, "The file is no notebook"),
    "List": ("week.ipynb", b"[]", None, "The file is no notebook"),
    "Bytes": ("week.ipynb", b"\xff\xfe\x00", None, "The file is no notebook"),
    "Pdf": ("week.pdf", b"%PDF", None, "No notebook was handed in, only week.pdf"),
    "Broken zip": ("week.zip", b"PK\x03\x04", None, "week.zip cannot be read"),
    "Huge": ("week.ipynb", b" " * (21 << 20), None, "has 21 MB"),
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A folder with an assignment, and a class that has handed in."""
    folder = tmp_path_factory.mktemp("course")
    assign.main([str(folder / "week"), "--exercises", *EXERCISES])
    place = folder / "week.toml"
    place.write_text(place.read_text().replace("seconds = 20", "seconds = 3"))
    for number, (student, (file, content, *_)) in enumerate(CLASS.items()):
        # As Moodle names them.
        theirs = folder / "handed-in" / f"{student}_{number}_assignsubmission_file_"
        theirs.mkdir(parents=True)
        (theirs / file).write_bytes(content)
    link = folder / "handed-in" / "Link_99_assignsubmission_file_"
    link.mkdir()
    (link / "week.ipynb").symlink_to("/etc/passwd")
    return folder


def run(folder: Path, *more: str) -> int:
    asked = ["--assignment", str(folder / "week.toml"), "--out", str(folder / "graded")]
    return grade.main([str(folder / "handed-in"), *asked, *more])


def rows(folder: Path) -> dict[str, dict]:
    with (folder / "graded" / "grades.csv").open(
        newline="", encoding="utf-8-sig"
    ) as file:
        return {row["student"].removeprefix("'"): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def graded(course):
    assert run(course) == 0
    return course


@sandboxed
@in_one_process
@pytest.mark.parametrize("student", CLASS)
def test_each_gets_what_is_due(graded, student):
    _, _, points, sentence = CLASS[student]
    row = rows(graded)[student]
    if points is None:
        assert float(row["total"]) == 0
    else:
        assert float(row["gaussian-kl-by-hand"]) == 1  # spoilt by nothing
        assert float(row["gaussian-kl"]) == points
    folder = graded / "graded" / "feedback"
    pages = {p.stem: p.read_text("utf-8") for p in folder.glob("*.md")}
    page = next(text for text in pages.values() if f"\n{student}: " in text)
    assert sentence in page, page


@sandboxed
@in_one_process
def test_nothing_leaks_and_nothing_is_left(graded):
    secret = (graded / "week.secret").read_text().strip()
    assert (graded / "week.secret").stat().st_mode & 0o077 == 0
    for file in (graded / "graded").rglob("*"):
        if file.is_file() and ".remembered" not in str(file):
            assert secret not in file.read_text("utf-8"), file
    assert "links are not followed" in rows(graded)["Link"]["notes"]
    assert not list(graded.rglob("pwned"))
    # What a spreadsheet would take for a formula is a text.
    assert "'=HYPERLINK" in (graded / "graded" / "grades.csv").read_text("utf-8")


@sandboxed
def test_an_archive_of_moodle_gets_its_points(course, tmp_path):
    files = {
        f"{name}_{n}_assignsubmission_file_/week.ipynb": CLASS[name][1]
        for n, name in enumerate(("Honest", "Flipped"))
    }
    (tmp_path / "week.zip").write_bytes(zipped(files))
    asked = ["--assignment", str(course / "week.toml"), "--out", str(tmp_path / "g")]
    assert grade.main([str(tmp_path / "week.zip"), *asked]) == 0
    with (tmp_path / "g" / "grades.csv").open(encoding="utf-8-sig") as file:
        points = {row["student"]: row["total"] for row in csv.DictReader(file)}
    assert points == {"Flipped": "1", "Honest": "3"}


@sandboxed
@in_one_process
def test_gradescope_gets_its_file(graded):
    result = json.loads((graded / "graded/gradescope/Flipped.json").read_text("utf-8"))
    assert [t["score"] for t in result["tests"]] == [1, 0]
    assert [t["max_score"] for t in result["tests"]] == [1, 2]
    assert "The sign is turned over" in result["tests"][1]["output"]


@sandboxed
@in_one_process
def test_nothing_is_done_twice(graded, monkeypatch):
    before = (graded / "graded" / "grades.csv").read_bytes()
    monkeypatch.setattr(sandbox, "run", None)  # would fail
    assert run(graded) == 0
    assert (graded / "graded" / "grades.csv").read_bytes() == before


@sandboxed
def test_ctrl_c_keeps_what_is_done(course, tmp_path):
    out = tmp_path / "graded"
    command = [sys.executable, "-m", "vaelib.grade", str(course / "handed-in")]
    command += ["--assignment", str(course / "week.toml"), "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--jobs", "1"],
        stderr=subprocess.PIPE,
        text=True,
    )
    remembered = out / ".remembered"
    while len(list(remembered.glob("*.json"))) < 2:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and "goes on from here" in said
    done = len(list(remembered.glob("*.json")))
    assert 2 <= done < len(CLASS)
    assert len((out / "grades.csv").read_text("utf-8").splitlines()) >= done
    for file in remembered.glob("*.json"):  # nobody is marked for having been stopped
        assert "ended the process" not in file.read_text("utf-8")


def test_refuses_without_a_sandbox(course, monkeypatch, capsys):
    monkeypatch.setattr(sandbox, "available", lambda: "There is no bubblewrap.")
    assert run(course) == 1
    said = capsys.readouterr().err
    assert "There is no bubblewrap." in said and "--unsafe" in said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("title = ", "is no TOML"),
        ("title = 'x'", "asks nothing"),
        ("colour = 1\n[[question]]\nexercise = 'gaussian-kl'", "colour"),
        ("[[question]]\nexercise = 'nope'", "'nope', which there is not"),
        ("[[question]]\nname = 'gaussian-kl'", "has an exercise"),
        ("seconds = -1\n[[question]]\nexercise = 'gaussian-kl'", "seconds must be"),
        ("[[question]]\nexercise = 'gaussian-kl'\n" * 2, "two exercises"),
        (
            "exercises_from = 'gone.py'\n[[question]]\nexercise = 'gaussian-kl'",
            "no file of exercises",
        ),
    ],
)
def test_a_wrong_assignment_gets_a_sentence(tmp_path, capsys, text, sentence):
    place = tmp_path / "week.toml"
    place.write_text(text)
    assert grade.main([str(tmp_path), "--assignment", str(place)]) == 1
    assert sentence in capsys.readouterr().err


def test_a_secret_and_a_probe_that_cannot_be_used_get_a_sentence(tmp_path):
    (tmp_path / "week.secret").write_text("\n")
    with pytest.raises(ValueError, match="holds no secret"):
        assignment.secret(tmp_path / "week.toml")
    place = tmp_path / "mine.py"
    place.write_text(PRIVATE.replace("probe=probes.numbers", "probe=half"))
    with pytest.raises(ValueError, match="probe of 'sum' is half of mine.py"):
        assignment.from_file(place)


def test_only_what_an_answer_needs_is_run():
    cells = [
        "import torch, math\nimport antigravity\nfrom numpy import *",
        "data = load()\nfor epoch in range(10**9):\n    pass",
        "scale = 2\nscale += 1\ntable = []\ntable.append(scale)\nprint(table)\n"
        "sort(table)",
        'def kl(a):\n    return helper(a) * table[0]\n\nex("gaussian-kl").check(kl)',
        "scale = 100\n\ndef helper(a):\n    return math.log(a)",
    ]
    found = program(cells, "gaussian-kl", "kl")
    lines = [s.node.lineno for s in found.statements]
    chosen = [(s.cell, line) for s, line in zip(found.statements, lines, strict=True)]
    due = [(0, 1), (0, 3), (2, 1), (2, 2), (2, 3), (2, 4), (2, 6), (3, 1), (4, 3)]
    assert chosen == due


def test_the_answer_is_what_its_check_names():
    cells = ['mine = 1\nex("a", 17).check(mine)', "kl = 2", 'x = 3\nex("ab").check(x)']
    found = program(cells, "a", "kl")
    assert (found.answer, found.seed) == ("mine", 17)
    found = program(cells, "none", "kl")
    assert (found.answer, found.seed, found.statements[-1].cell) == ("kl", None, 1)
    assert program(cells, "none", "nothing") is None
    copies = [f'kl = {n}\nex("a").check(kl)' for n in (1, 2, "...")]
    assert program(copies, "a", "kl").statements[-1].cell == 1
    assert program([BLANK], "gaussian-kl", "kl").blank


def test_two_answers_of_one_name_are_told_apart_by_their_checks():
    """Those that never run, too: exercises of one's own have no others."""
    cells = [f'half = {n}\n\nif False:\n    ex("{n}").check(half)' for n in (1, 2)]
    for n, name in enumerate("12"):
        found = program(cells, name, "half")
        assert max(s.cell for s in found.statements) == n


def test_cells_of_any_form_are_read():
    text = json.dumps(
        {
            "cells": [
                {"cell_type": "code", "source": ["%%time\n", "x = 1\n", "!ls"]},
                {"cell_type": "code", "source": "%%bash\nrm -rf /"},
                {"cell_type": "markdown", "source": "y = 2"},
                {"cell_type": "code"},
                7,
            ]
        }
    )
    statements, broken = parse(code_cells(text.encode()))
    assert [s.sets for s in statements if s.sets] == [{"x"}] and not broken


PRIVATE = '''
from vaelib.exercises import Exercise, probes


def half(x):
    return x / 2


def double(x):
    """You doubled."""
    return 2 * x


EXERCISES = [
    Exercise(
        name="half",
        title="Half",
        kind="implement",
        points=3,
        task="Halve.",
        start="def half(x):\\n    ...",
        reference=half,
        mistakes=(double,),
        given=lambda g: {"a number": (torch.randn(3, generator=g),)},
        hints=("Less.",),
    ),
    Exercise(
        name="sum",
        title="Sum",
        kind="predict",
        points=1,
        task="Add [[a]] and [[b]].",
        start="total = ...",
        reference=lambda a, b: a + b,
        probe=probes.numbers,
        values={"a": 1, "b": 2},
        vary=lambda rng: {"a": rng.randrange(100), "b": rng.randrange(100)},
    ),
]
import torch
'''


@sandboxed
def test_exercises_and_variants_of_ones_own(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(PRIVATE)
    (tmp_path / "roster.csv").write_text("student\nada\nbob\n")
    asked = ["--exercises", "gaussian-kl-by-hand", "gaussian-kl-laplace"]
    asked += ["--exercises-from", str(tmp_path / "mine.py")]
    asked += ["--students", str(tmp_path / "roster.csv")]
    assert assign.main([str(tmp_path / "week"), *asked]) == 0
    seeds = {}
    with (tmp_path / "week-variants.csv").open(encoding="utf-8-sig") as file:
        seeds = {row["student"]: int(row["seed"]) for row in csv.DictReader(file)}
    handed_in = tmp_path / "handed-in"
    handed_in.mkdir()
    for student, theirs in (("ada", "ada"), ("bob", "ada")):  # bob has ada's notebook
        made = json.loads((tmp_path / f"week-{theirs}.ipynb").read_text("utf-8"))
        one = ex("gaussian-kl-by-hand", seeds[theirs])
        for cell in made["cells"]:
            if cell["id"] == "try-half":
                assert "if False" in "".join(cell["source"])  # it is private
                by = {"ada": "/", "bob": "*"}[student]
                cell["source"] = f"def half(x):\n    return x {by} 2"
            if cell["id"] == "try-sum":
                start, never = "".join(cell["source"]).split("\n", 1)
                assert "\nif False:" in never and start == "total = ..."
                private = index(assignment.from_file(tmp_path / "mine.py"))["sum"]
                a, b = private.variant(seeds[theirs]).values.values()
                cell["source"] = f"total = {a} + {b}\n{never}"
            if cell["id"] == "try-gaussian-kl-by-hand":
                right = one.as_answer(one.reference)
                cell["source"] = "".join(cell["source"]).replace(
                    "(there, back)", str(right)
                )
            if cell["id"] == "try-gaussian-kl-laplace":
                cell["source"] = "".join(cell["source"]).replace(
                    "Write your answer in the place of this line.", "At 1.25."
                )
        (handed_in / f"{student}.ipynb").write_text(json.dumps(made))
    asked = ["--assignment", str(tmp_path / "week.toml"), "--out", str(tmp_path / "g")]
    assert grade.main([str(handed_in), *asked]) == 0
    with (tmp_path / "g" / "grades.csv").open(encoding="utf-8-sig") as file:
        ada, bob = csv.DictReader(file)
    assert (ada["gaussian-kl-by-hand"], ada["half"], ada["sum"]) == ("1", "3", "1")
    assert ada["gaussian-kl-laplace"] == ""
    assert ada["notes"] == "The same variant as bob."
    assert "that ada was given" in bob["notes"]
    page = (tmp_path / "g" / "feedback" / "bob.md").read_text("utf-8")
    assert "You doubled." in page and "hint()" not in page  # ex() does not know it
    # A person reads the open answers, writes points into the table, grades again.
    table = (tmp_path / "g" / "to_read.csv").read_text("utf-8")
    assert "At 1.25." in table
    table = table.replace("laplace,,", "laplace,3,Good", 1)
    (tmp_path / "g" / "to_read.csv").write_text(table)
    assert grade.main([str(handed_in), *asked]) == 0
    with (tmp_path / "g" / "grades.csv").open(encoding="utf-8-sig") as file:
        ada, _ = csv.DictReader(file)
    assert (ada["gaussian-kl-laplace"], ada["total"]) == ("3", "8")
    page = (tmp_path / "g" / "feedback" / "ada.md").read_text("utf-8")
    assert "Read by a person** (3 of 4 points)" in page and "Good" in page


# Finding submissions: nothing is run, so no sandbox is needed.


def laid_out(folder: Path, names: list[str]) -> Path:
    """A folder with these notebooks; NAME.zip: [names] is an archive."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(answered())
    return folder


def archive(place: Path, names: list[str]) -> Path:
    place.write_bytes(zipped({name: answered() for name in names}))
    return place


def who(*places: Path) -> list[tuple[str, str, list[str]]]:
    found = find(list(places))
    assert not any(one.problems for one in found)
    return [(one.student, one.id, sorted(one.notebooks)) for one in found]


OF_MOODLE = [
    "Ada L_11_assignsubmission_file_/week.ipynb",
    "Jürgen Müller_12_assignsubmission_file_/week.ipynb",
    "Jürgen Müller_7_assignsubmission_file_/week.ipynb",
]
FLAT = [
    "Ada L_11_assignsubmission_file_week.ipynb",
    "Jürgen Müller_12_assignsubmission_file_week.ipynb",
    "Jürgen Müller_7_assignsubmission_file_week.ipynb",
]
OF_CANVAS = [
    "adal_11_901_week.ipynb",
    "müllerjürgen_LATE_12_902_week.ipynb",
    "müllerjürgen_7_903_week.ipynb",
]
OF_THREE = [
    ("Ada L", "11", ["week.ipynb"]),
    ("Jürgen Müller", "12", ["week.ipynb"]),
    ("Jürgen Müller", "7", ["week.ipynb"]),
]


@pytest.mark.parametrize("around", ["", "submissions/", "a/b/"])
@pytest.mark.parametrize("names", [OF_MOODLE, FLAT, OF_CANVAS])
def test_what_platforms_give_out(tmp_path, names, around):
    """Folder, archive, an archive alone in a folder, one folder around it all."""
    names = [around + name for name in names]
    (tmp_path / "alone").mkdir()
    places = [
        laid_out(tmp_path / "folder", names),
        archive(tmp_path / "Course-Week 4-123.zip", names),
        archive(tmp_path / "alone" / "submissions.zip", names).parent,
    ]
    expected = OF_THREE
    if "Ada" not in names[0]:
        canvas = {"Ada L": "adal", "Jürgen Müller": "müllerjürgen"}
        expected = [(canvas[student], *rest) for student, *rest in OF_THREE]
    for place in places:
        assert who(place) == expected, place
    late = [one.id for one in find(places[:1]) if one.late]
    assert late == (["12"] if "Ada" not in names[0] else [])


PLAIN = [("ada", "ada", ["w.ipynb"]), ("bob", "bob", ["w.ipynb"])]
LOOSE = [("ada", "ada", ["ada.ipynb"]), ("bob", "bob", ["bob.ipynb"])]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ada/w.ipynb", "bob/w.ipynb"], PLAIN),
        (["week5/ada/w.ipynb", "week5/bob/w.ipynb"], PLAIN),
        (["ada.ipynb", "bob.ipynb"], LOOSE),
        (["week5/ada.ipynb", "week5/bob.ipynb", "__MACOSX/week5/._ada.ipynb"], LOOSE),
        (["ada/w.ipynb"], PLAIN[:1]),
        (["week4_2024_11_ada.ipynb", "week4_2024_11_bob.ipynb"], None),
    ],
)
def test_an_archive_of_a_class(tmp_path, names, expected):
    found = who(archive(tmp_path / "class.zip", names))
    assert len(found) == len(set(names)) if expected is None else found == expected


def test_a_name_is_the_same_however_it_is_encoded(tmp_path):
    """As macOS takes letters apart, and as archives that do not say UTF-8."""
    names = ["Ada/w.ipynb", "J__rgen/w.ipynb"]
    archive(tmp_path / "mac.zip", [n.replace("__", "u\u0308") for n in names])
    unmarked = zipped({name: answered() for name in names})
    unmarked = unmarked.replace(b"J__rgen", "Jürgen".encode())
    (tmp_path / "unmarked.zip").write_bytes(unmarked)
    for name in ("mac.zip", "unmarked.zip"):
        students = [student for student, *_ in who(tmp_path / name)]
        assert students == ["Ada", "Jürgen"]


def test_archives_of_students_are_not_classes(tmp_path):
    for name in ("ada", "bob"):
        archive(tmp_path / f"{name}.zip", ["w.ipynb", "old/w.ipynb"])
    both = ["{0}.zip/old/w.ipynb", "{0}.zip/w.ipynb"]
    due = [(s, s, [name.format(s) for name in both]) for s in ("ada", "bob")]
    assert who(tmp_path) == due
    assert who(tmp_path / "ada.zip", tmp_path / "bob.zip") == due
    archive(tmp_path / "bob.zip", ["w.ipynb"])
    assert who(tmp_path / "bob.zip") == [("bob", "bob", ["bob.zip/w.ipynb"])]


def test_a_second_archive_adds_to_the_first(tmp_path):
    """Those who came late, say. Files of one name are both there."""
    first = archive(tmp_path / "first.zip", OF_MOODLE)
    (tmp_path / "second.zip").write_bytes(zipped({OF_MOODLE[0]: answered(BLANK)}))
    found = who(first, tmp_path / "second.zip")
    assert found == [("Ada L", "11", ["week+.ipynb", "week.ipynb"]), *OF_THREE[1:]]


def test_the_notebook_that_answers_most_is_graded():
    questions = [ex(name) for name in (*EXERCISES, "gaussian-kl-laplace")]
    start = notebook(*(one.cell() for one in questions))
    run = json.loads(start)
    run["cells"][0]["outputs"] = [
        {"output_type": "stream", "text": [f"Stuck? {one.way_on}"]} for one in questions
    ]
    by_lines = json.loads(answered())  # as JupyterLab writes it
    for cell in by_lines["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    done = json.dumps(by_lines, indent=1).encode()
    for blank in (start, json.dumps(run).encode(), b"{}"):
        for names in (("week4.ipynb", "Copy.ipynb"), ("Copy.ipynb", "week4.ipynb")):
            one = Submission("ada", "ada", notebooks={names[0]: done, names[1]: blank})
            assert one.best(questions) == (names[0], done)
    # A variant's numbers in the start are no answer.
    theirs = notebook(ex("gaussian-kl-by-hand", 17).cell())
    assert submissions.answered(theirs, questions) == (0, 1)


@pytest.mark.parametrize(
    ("student", "owner", "others", "said"),
    [
        ("bob", "ada", ["bob"], True),
        ("mullerjurgen", "Jürgen Müller", ["Ada L"], False),
        ("mullerjurgen", "Ada L", ["Jürgen Müller"], True),
        ("Anna Schmidt", "Bernd Schmidt", ["Anna Schmidt"], True),
        ("Jürgen Karl Müller", "Jürgen Müller", ["Ada L"], False),
        ("jm123", "Jürgen Müller", ["Ada L"], False),  # who knows
        ("王伟", "李娜", ["王伟"], True),
    ],
)
def test_whose_variant_it_is(student, owner, others, said):
    assert marking.another(student, owner, {owner, *others}) is said


# What is left behind: the sandbox is played by what each notebook says of itself.


@pytest.fixture
def played(monkeypatch):
    """Submissions are a JSON object: exercise -> text, [seed], or why it failed.

    "exercise, again" is what comes out where all of the notebook is run.
    """
    runs = []

    def run(text, asked, *_):
        runs.append(text)
        said, outcomes = json.loads(text), []
        for question in asked:
            name = question["name"]
            answer = said.get(name)
            if question.get("everything"):
                answer = said.get(f"{name}, again", answer)
            if answer is None:
                outcomes.append(sandbox.Outcome("blank"))
            elif name.endswith("laplace"):
                outcomes.append(sandbox.Outcome("given", answer))
            elif isinstance(answer, str):
                outcomes.append(sandbox.Outcome("failed", answer))
            else:
                one = ex(name, *answer)
                out = one.ask(one.as_answer(one.reference), question["given"])
                seed = answer[0] if answer else None
                outcomes.append(sandbox.Outcome("given", "", seed, out))
        return outcomes

    monkeypatch.setattr(sandbox, "run", run)
    monkeypatch.setattr(sandbox, "available", lambda: "")
    return runs


class Course:
    """A folder with an assignment, and what is handed in."""

    def __init__(self, folder: Path, *asked: str):
        self.folder, self.handed_in = folder, folder / "in"
        self.graded = folder / "graded" / "week"
        asked = asked or ("gaussian-kl-by-hand", "gaussian-kl-laplace")
        assert assign.main([str(folder / "week"), "--exercises", *asked]) == 0

    def hands_in(self, student: str, **answers) -> None:
        name = f"{student}_assignsubmission_file_week.ipynb"
        self.handed_in.mkdir(exist_ok=True)
        text = json.dumps({k.replace("_", "-"): v for k, v in answers.items()})
        (self.handed_in / name).write_text(text)

    def grade(self) -> int:
        asked = ["--assignment", str(self.folder / "week.toml"), "--jobs", "1"]
        return grade.main([str(self.handed_in), *asked])

    def table(self, name: str = "grades.csv") -> list[dict]:
        with (self.graded / name).open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))

    def read(self, old: str, new: str) -> None:
        """A person writes into the table."""
        place = self.graded / "to_read.csv"
        text = place.read_text("utf-8-sig")
        assert old in text
        place.write_text(text.replace(old, new))


@pytest.fixture
def small(tmp_path, monkeypatch, played):
    monkeypatch.chdir(tmp_path)
    course = Course(tmp_path)
    course.hands_in("Ada_1", gaussian_kl_by_hand=[], gaussian_kl_laplace="At 1.25.")
    course.hands_in("Ada_2", gaussian_kl_laplace="Nowhere.")
    return course


def test_two_students_of_one_name_are_two(small):
    assert small.grade() == 0
    first, second = small.table()
    assert (first["id"], first["gaussian-kl-by-hand"]) == ("1", "1")
    assert (second["id"], second["gaussian-kl-by-hand"]) == ("2", "0")
    pages = sorted(p.name for p in (small.graded / "feedback").iterdir())
    assert pages == ["Ada-1.md", "Ada-2.md"]
    small.read("Ada,2,gaussian-kl-laplace,,", "Ada,2,gaussian-kl-laplace,2,")
    assert small.grade() == 0
    assert [row["gaussian-kl-laplace"] for row in small.table()] == ["", "2"]


def test_a_readers_work_is_never_lost(small):
    small.grade()
    small.read("Ada,1,gaussian-kl-laplace,,", "Ada,1,gaussian-kl-laplace,3,Good")
    file = small.handed_in / "Ada_1_assignsubmission_file_week.ipynb"
    text = file.read_bytes()
    file.unlink()
    assert small.grade() == 0  # without her, and with her again
    assert [row["id"] for row in small.table()] == ["2"]
    file.write_bytes(text)
    assert small.grade() == 0
    assert [row["gaussian-kl-laplace"] for row in small.table()] == ["3", ""]
    page = (small.graded / "feedback" / "Ada-1.md").read_text("utf-8")
    assert "Read by a person** (3 of 4 points). Good" in page


def test_points_do_not_stick_to_another_answer(small):
    small.grade()
    small.read("Ada,1,gaussian-kl-laplace,,", "Ada,1,gaussian-kl-laplace,3,Good")
    small.hands_in("Ada_1", gaussian_kl_laplace="At  1.25.")  # the same but for blanks
    small.grade()
    assert small.table()[0]["gaussian-kl-laplace"] == "3"
    small.hands_in("Ada_1", gaussian_kl_laplace="At 7.")
    small.grade()
    assert small.table()[0]["gaussian-kl-laplace"] == ""
    row = small.table("to_read.csv")[0]
    assert (row["points"], row["answer"]) == ("", "At 7.")
    assert "has changed" in row["comment"] and row["comment"].endswith("Good")
    assert "3 points" in row["comment"]


def test_an_interruption_makes_no_table_shorter(small, monkeypatch):
    small.grade()
    small.read("Ada,2,gaussian-kl-laplace,,", "Ada,2,gaussian-kl-laplace,2,")

    def stop(*_):
        raise KeyboardInterrupt

    small.hands_in("Eve_3")
    monkeypatch.setattr(grade, "as_completed", stop)
    assert small.grade() == 130
    assert [row["id"] for row in small.table()][:2] == ["1", "2"]
    assert [row["points"] for row in small.table("to_read.csv")][:2] == ["", "2"]


def test_a_second_ctrl_c_ends_it_in_a_sentence(small, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    def stop_once():
        if len(stops) == 0:
            stops.append("interrupted")
            raise KeyboardInterrupt
        stops.append("done")

    stops = []
    monkeypatch.setattr(grade, "mark", lambda *_: None)  # no thread outlives the test
    monkeypatch.setattr(grade, "as_completed", stop)
    monkeypatch.setattr(sandbox, "stop_all", stop_once)
    assert small.grade() == 130
    assert "goes on from here" in capsys.readouterr().err
    assert stops == ["interrupted", "done"]  # no sandbox is left to itself


def test_other_points_run_nothing_again(small, played):
    small.grade()
    assert len(played) == 2
    place = small.folder / "week.toml"
    place.write_text(place.read_text().replace("points = 1", "points = 2000"))
    small.grade()
    assert len(played) == 2
    assert small.table()[0]["gaussian-kl-by-hand"] == "2000"  # and not 2e+03


def test_what_a_report_depends_on_is_run_again(small, played, monkeypatch):
    small.hands_in("Ada_2")
    assert small.grade() == 0 and len(played) == 2
    place = small.folder / "week.toml"
    for n, (old, new) in enumerate(
        (("seconds = 20", "seconds = 9"), ("memory_gb = 2", "memory_gb = 1")), 2
    ):
        place.write_text(place.read_text().replace(old, new))
        assert small.grade() == 0 and len(played) == 2 * n
    place.with_suffix(".secret").write_text("another secret")
    assert small.grade() == 0 and len(played) == 8
    (small.folder / "v.csv").write_text("student,seed\nAda,17\n")
    place.write_text(f"variants = 'v.csv'\n{place.read_text()}")
    small.grade()
    assert len(played) == 10
    monkeypatch.setattr(assignment, "fingerprint", lambda files: "other exercises")
    small.grade()
    assert len(played) == 12


def test_a_second_run_can_only_help(small):
    error = "It raises NameError: half"
    for student, again in (("Ada_1", []), ("Ada_2", "It was stopped.")):
        answers = {"gaussian_kl_by_hand": error, "gaussian_kl_by_hand, again": again}
        small.hands_in(student, **answers)
    small.grade()
    assert [row["gaussian-kl-by-hand"] for row in small.table()] == ["1", "0"]
    assert error in (small.graded / "feedback" / "Ada-2.md").read_text("utf-8")


def test_a_table_as_spreadsheets_save_it(small, capsys):
    small.grade()
    place = small.graded / "to_read.csv"
    assert place.read_bytes().startswith(b"\xef\xbb\xbf")  # by which Excel knows it
    found = small.table("to_read.csv")
    found[0] |= {"points": "2,5", "comment": "Schön"}
    for separator, encoding in ((";", "cp1252"), ("\t", "utf-16"), (",", "utf-8")):
        with place.open("w", newline="", encoding=encoding) as file:
            out = csv.DictWriter(file, list(found[0]), delimiter=separator)
            out.writeheader()
            out.writerows(found)
        assert small.grade() == 0
        assert small.table()[0]["gaussian-kl-laplace"] == "2.5"
    page = (small.graded / "feedback" / "Ada-1.md").read_text("utf-8")
    assert "(2.5 of 4 points). Schön" in page
    results = json.loads((small.graded / "gradescope/Ada-1.json").read_text("utf-8"))
    assert [test.get("status") for test in results["tests"]] == ["passed", None]
    blank = [""] * len(found[0])  # says nothing, but counts in the spreadsheet
    for wrong in ("x", "9", "-1", "nan"):
        found[0]["points"] = wrong
        rows = [list(found[0]), blank, *(list(row.values()) for row in found)]
        place.write_text(tables.table(rows), encoding="utf-8")
        assert small.grade() == 1
        assert f"row 3, gives Ada '{wrong}' points" in capsys.readouterr().err


def test_notes_for_the_teacher_stay_with_the_teacher(tmp_path, monkeypatch, played):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "roster.csv").write_text("student\nAda L\nBob\nEve\n")
    roster = ["--students", str(tmp_path / "roster.csv")]
    course = Course(tmp_path, "gaussian-kl-by-hand", *roster)
    with (tmp_path / "week-variants.csv").open(encoding="utf-8-sig") as file:
        seeds = {row["student"]: int(row["seed"]) for row in csv.DictReader(file)}
    course.hands_in("Ada L_1", gaussian_kl_by_hand=[seeds["Ada L"]])
    course.hands_in("Bob_2", gaussian_kl_by_hand=[seeds["Ada L"]])
    course.hands_in("Eve_3", gaussian_kl_by_hand=[17])
    assert course.grade() == 0
    ada, bob, eve = course.table()
    assert ada["notes"] == "The same variant as Bob."
    assert "that Ada L was given" in bob["notes"] and "as Ada L." in bob["notes"]
    assert (ada["total"], bob["total"], eve["total"]) == ("1", "1", "0")
    for place in [*course.graded.glob("feedback/*"), *course.graded.glob("g*/B*")]:
        text = place.read_text("utf-8")
        assert "variant" not in text, place
        assert ("not handed out to anybody" in text) == (place.stem == "Eve")
    # Made again, everybody keeps the numbers that they may have already.
    (tmp_path / "roster.csv").write_text("student\nZoe\nBob\n")
    Course(tmp_path, "gaussian-kl-by-hand", *roster)
    assert set(seeds.items()) < {
        (s, n) for n, s in assignment.read(tmp_path / "week.toml").variants.items()
    }


def test_without_variants_a_seed_means_nothing(small):
    small.hands_in("Eve_3", gaussian_kl_by_hand=[17])  # right, for numbers of her own
    small.grade()
    assert small.table()[2]["gaussian-kl-by-hand"] == "0"


def test_what_cannot_be_graded_is_said(small, capsys):
    for file in small.handed_in.iterdir():
        file.unlink()
    broken = "The file is no notebook: it holds no cells."
    small.hands_in("Eve_1", gaussian_kl_by_hand=broken)
    (small.handed_in / "Pdf_2_assignsubmission_file_w.pdf").write_bytes(b"%PDF")
    small.hands_in("Zoe_3")
    assert small.grade() == 1
    assert "is this what you meant to grade" in capsys.readouterr().err
    assert "Nothing is answered" in small.table()[2]["notes"]
    page = (small.graded / "feedback" / "Pdf.md").read_text("utf-8")
    assert page.count("No notebook was handed in, only w.pdf.") == 1
    assert "##" not in page
    small.hands_in("Ada_4", gaussian_kl_by_hand=[])
    assert small.grade() == 0
    assert "No text in answer_gaussian_kl_laplace" in small.table()[0]["notes"]
    page = (small.graded / "feedback" / "Ada.md").read_text("utf-8")
    assert "look into the notebook" not in page


def moodle(name: str, number: int) -> str:
    return f"{name}_{number}_assignsubmission_file_/week.ipynb"


def test_nobody_hands_in_for_others(tmp_path):
    """A student's own archive with somebody else's name inside stays the student's."""
    forged = zipped({moodle("Lee Ann", 11): b"{}"})
    (tmp_path / "Mallory_7_assignsubmission_file_").mkdir()
    (tmp_path / "Mallory_7_assignsubmission_file_" / "w.zip").write_bytes(forged)
    (tmp_path / "lee_1_2_week.ipynb").write_bytes(b"{}")
    (tmp_path / "mallory_3_4_week.zip").write_bytes(forged)
    names = {one.student for one in submissions.find([tmp_path])}
    assert names == {"Mallory", "lee", "mallory"}


def test_bombs_are_not_unpacked(tmp_path):
    zeros = zipped({f"{n}.ipynb": bytes(15 << 20) for n in range(9)})
    (tmp_path / "ann.zip").write_bytes(zeros)
    (tmp_path / "bob.ipynb").write_bytes(b"{}")
    ann, _ = submissions.find([tmp_path])
    assert ann.bytes <= submissions.MOST and "one too many" in ann.problems[0]
    many = zipped({f"{n}.ipynb": b"" for n in range(submissions.FILES + 1)})
    (tmp_path / "ann.zip").write_bytes(many)
    ann, _ = submissions.find([tmp_path])
    assert not ann.notebooks and "more than 20,000 files" in ann.problems[0]
    deep = zipped({"w.ipynb": b"{}"})
    for _ in range(submissions.NESTED):
        deep = zipped({"deeper.zip": deep})
    (tmp_path / "ann.zip").write_bytes(deep)
    ann, _ = submissions.find([tmp_path])
    assert not ann.notebooks and "in too many others" in ann.problems[0]


def test_what_is_no_file_is_not_opened(tmp_path):
    """Reading a pipe would wait for ever for somebody who writes into it."""
    os.mkfifo(tmp_path / "week.ipynb")
    assert submissions.find([tmp_path, tmp_path / "week.ipynb"]) == []
    (tmp_path / "ann.ipynb").write_bytes(b"{}")
    (tmp_path / "bob.ipynb").symlink_to(tmp_path / "ann.ipynb")
    ann, bob = submissions.find([tmp_path])
    assert ann.notebooks and not bob.notebooks
    assert bob.problems == ["bob.ipynb is a link, and links are not followed."]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{}\n",
        b"[" * 50_000 + b"\n",
        b'{"size": -1}\nabc',
        b'{"size": true}\nabc',
        b'{"size": 3.0}\nabc',
        b'{"size": 99999999999}\nabc',
        b'{"size": 4}\nabc',
    ],
)
def test_nothing_is_read_of_what_makes_no_sense(said):
    sense = b'{"size": 3}\nabc'
    assert list(sandbox.frames(io.BytesIO(sense + said))) == [({"size": 3}, b"abc")]


def test_what_a_spreadsheet_would_run_is_text():
    from vaelib.grading.tables import harmless, plain

    for cell in ("=1", "-2+3+cmd|'x'!A0", "+1", "@x", "'=x", "\tx", "-x", "ann", ""):
        assert plain(harmless(cell)) == cell
        assert not cell[:1] or harmless(cell)[0] not in "=+@\t-"
    assert [harmless(n) for n in ("-2.5", "3", "-1,5")] == ["-2.5", "3", "-1,5"]


def test_a_grader_that_fails_on_one_goes_on_with_the_others(
    course, monkeypatch, capsys
):
    def broken(submission, *rest):
        raise OverflowError("infinity")

    monkeypatch.setattr(grade, "mark", broken)
    monkeypatch.setattr(sandbox, "available", lambda: "")
    out = ["--out", str(course / "other")]
    place = str(course / "handed-in" / "Honest_0_assignsubmission_file_")
    assert grade.main([place, "--assignment", str(course / "week.toml"), *out]) == 1
    assert "could not handle it" in capsys.readouterr().err
    assert "infinity" in (course / "other" / "grades.csv").read_text("utf-8")
