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
from vaelib.grading import sandbox
from vaelib.grading.slices import code_cells, program

MISSING = sandbox.available()
REQUIRED = os.environ.get("VAEBOOK_REQUIRE_SITE") == "1"
sandboxed = pytest.mark.skipif(
    bool(MISSING) and not REQUIRED, reason=f"NOT TESTED: {MISSING}"
)
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
    with zipfile.ZipFile(data, "w") as archive:
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
                  and "/lib/python" not in f and "/usr/" not in f])"""
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
    "Zip": ("week.zip", zipped({"../../etc/x.ipynb": answered()}), 2, "Passed"),
    "Blank": ("week.ipynb", answered(BLANK), 0, "Not attempted"),
    "Deleted": ("week.ipynb", notebook("import torch", BY_HAND), 0, "There is no `kl`"),
    "Flipped": (
        "week.ipynb",
        hostile("return -0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)"),
        0,
        "The sign is turned over",
    ),
    "Loop": ("week.ipynb", hostile("while True: pass"), 0, "stopped after 5 seconds"),
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
    "Forger": ("week.ipynb", hostile(FORGERY), 0, ""),
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
    place.write_text(place.read_text().replace("seconds = 20", "seconds = 5"))
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
    with (folder / "graded" / "grades.csv").open(newline="", encoding="utf-8") as file:
        return {row["student"].removeprefix("'"): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def graded(course):
    assert run(course) == 0
    return course


@sandboxed
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
def test_gradescope_gets_its_file(graded):
    result = json.loads((graded / "graded/gradescope/Flipped.json").read_text("utf-8"))
    assert [t["score"] for t in result["tests"]] == [1, 0]
    assert [t["max_score"] for t in result["tests"]] == [1, 2]
    assert "The sign is turned over" in result["tests"][1]["output"]


@sandboxed
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
        [*command, "--jobs", "1"], stderr=subprocess.PIPE, text=True
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


def test_only_what_an_answer_needs_is_run():
    cells = [
        "import torch, math\nimport antigravity",
        "data = load()\nfor epoch in range(10**9):\n    pass",
        "scale = 2\nscale += 1\ntable = []\ntable.append(scale)\nprint(table)",
        'def kl(a):\n    return helper(a) * table[0]\n\nex("gaussian-kl").check(kl)',
        "scale = 100\n\ndef helper(a):\n    return math.log(a)",
    ]
    found = program(cells, "gaussian-kl", "kl")
    lines = [s.node.lineno for s in found.statements]
    chosen = [(s.cell, line) for s, line in zip(found.statements, lines, strict=True)]
    assert chosen == [(0, 1), (2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (4, 3)]


def test_the_answer_is_what_its_check_names():
    cells = ['mine = 1\nex("a", 17).check(mine)', "kl = 2", 'x = 3\nex("ab").check(x)']
    found = program(cells, "a", "kl")
    assert (found.answer, found.seed) == ("mine", 17)
    found = program(cells, "none", "kl")
    assert (found.answer, found.seed, found.statements[-1].cell) == ("kl", None, 1)
    assert program(cells, "none", "nothing") is None


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
    assert code_cells(text.encode()) == ["\nx = 1\n", "", ""]


PRIVATE = '''
from vaelib.exercises import Exercise


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
    with (tmp_path / "week-variants.csv").open() as file:
        seeds = {row["student"]: int(row["seed"]) for row in csv.DictReader(file)}
    handed_in = tmp_path / "handed-in"
    handed_in.mkdir()
    for student, theirs in (("ada", "ada"), ("bob", "ada")):  # bob has ada's notebook
        made = json.loads((tmp_path / f"week-{theirs}.ipynb").read_text("utf-8"))
        one = ex("gaussian-kl-by-hand", seeds[theirs])
        for cell in made["cells"]:
            if cell["id"] == "try-half":
                assert "check" not in "".join(cell["source"])  # it is private
                cell["source"] = "def half(x):\n    return x / 2"
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
    with (tmp_path / "g" / "grades.csv").open() as file:
        ada, bob = csv.DictReader(file)
    assert (ada["gaussian-kl-by-hand"], ada["half"], ada["total"]) == ("1", "3", "4")
    assert ada["gaussian-kl-laplace"] == "" and ada["notes"] == ""
    assert "that ada was given" in bob["notes"]
    # A person reads the open answers, writes points into the table, grades again.
    table = (tmp_path / "g" / "to_read.csv").read_text("utf-8")
    assert "At 1.25." in table
    table = table.replace("ada,gaussian-kl-laplace,,", "ada,gaussian-kl-laplace,3,Good")
    (tmp_path / "g" / "to_read.csv").write_text(table)
    assert grade.main([str(handed_in), *asked]) == 0
    with (tmp_path / "g" / "grades.csv").open() as file:
        ada, _ = csv.DictReader(file)
    assert (ada["gaussian-kl-laplace"], ada["total"]) == ("3", "7")
    page = (tmp_path / "g" / "feedback" / "ada.md").read_text("utf-8")
    assert "3 of 4 points" in page and "Good" in page
