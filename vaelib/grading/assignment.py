"""What is to be graded: a TOML file that `vaelib.assign` writes, or a person.

title = "Week 3"
seconds = 20                    # for each question
memory_gb = 2
exercises_from = "private.py"   # exercises of your own, beside this file
variants = "week3-variants.csv" # which student was given which numbers

[[question]]
exercise = "gaussian-kl"
points = 3                      # instead of the exercise's own
"""

import difflib
import hashlib
import importlib.util
import os
import secrets
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path

from vaelib import _checks as checks
from vaelib.exercises import Exercise, exercises
from vaelib.exercises.exercise import index
from vaelib.grading.tables import read_table

KEYS = {"title", "due", "seconds", "memory_gb", "exercises_from", "variants"}


@dataclass(frozen=True)
class Assignment:
    """Questions, limits, and who was given which variant."""

    title: str
    questions: tuple[Exercise, ...]
    seconds: float = 20
    memory: int = 2 << 30  # bytes
    variants: dict[int, str] = field(default_factory=dict)  # seed -> student
    private: frozenset[str] = frozenset()  # exercises that students' ex() lacks
    fingerprint: str = ""  # of everything that decides what an answer is worth


def read(path: Path) -> Assignment:
    """The assignment of a TOML file. Raises ValueError with what is wrong in it."""
    try:
        text = path.read_bytes()
        table = tomllib.loads(text.decode())
    except FileNotFoundError:
        raise ValueError(f"there is no assignment {path}.") from None
    except ValueError as error:
        raise ValueError(f"{path} is no TOML: {error}.") from None
    asked = table.pop("question", None)
    unknown = sorted(set(table) - KEYS)
    if unknown:
        raise ValueError(
            f"{path} has {', '.join(unknown)}, which mean nothing; it may have "
            f"{', '.join(sorted(KEYS))} and [[question]]."
        )
    if not isinstance(asked, list) or not asked:
        raise ValueError(f"{path} asks nothing: give it a [[question]].")
    private = table.get("exercises_from")
    own = index(from_file(path.parent / private)) if private else {}
    known = {**exercises(), **own}
    questions = tuple(question(entry, known, path) for entry in asked)
    index(questions)
    variants = table.get("variants")
    return Assignment(
        title=str(table.get("title", path.stem)),
        questions=questions,
        seconds=checks.positive("seconds", table.get("seconds", 20)),
        memory=int(checks.positive("memory_gb", table.get("memory_gb", 2)) * 2**30),
        variants=handed_out(path.parent / variants) if variants else {},
        private=frozenset(own),
        fingerprint=fingerprint([path.parent / private] if private else []),
    )


def question(entry, known: dict[str, Exercise], path: Path) -> Exercise:
    """An exercise with the points that the assignment gives for it."""
    if not isinstance(entry, dict) or set(entry) - {"exercise", "points"}:
        raise ValueError(
            f"a [[question]] of {path} has an exercise, and points; got {entry!r}."
        )
    name = entry.get("exercise")
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=3)
        there = f"; there is {', '.join(near)}" if near else ""
        raise ValueError(
            f"{path} asks for the exercise {name!r}, which there is not{there}."
        )
    one = known[name]
    if "points" not in entry:
        return one
    points = checks.positive("points", entry["points"])
    share = points / one.points
    return replace(
        one, points=points, rubric=tuple((p * share, text) for p, text in one.rubric)
    )


def from_file(path: Path) -> list[Exercise]:
    """The EXERCISES of a Python file, which is yours and is therefore run."""
    if not path.is_file():
        raise ValueError(f"there is no file of exercises {path}.")
    spec = importlib.util.spec_from_file_location(f"private_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, "EXERCISES", None)
    if not found:
        raise ValueError(f"{path} has no EXERCISES.")
    for one in found:
        if not one.probe.__module__.startswith("vaelib."):
            raise ValueError(
                f"the probe of {one.name!r} is {one.probe.__name__} of {path.name}: "
                "take one of vaelib.exercises.probes, so that this file need not be "
                "in the sandbox."
            )
    return list(found)


def handed_out(path: Path) -> dict[int, str]:
    """Who was given which variant: a table with the columns student and seed."""
    found = {}
    for row in read_table(path, ("student", "seed")):
        if not row["seed"].strip().isdecimal():
            raise ValueError(
                f"{path}, row {row['row']}, gives {row['student']} the seed "
                f"{row['seed']!r}, which is no number: put back the one that "
                "vaelib.assign wrote."
            )
        found[int(row["seed"])] = row["student"]
    return found


def fingerprint(files: list[Path]) -> str:
    """Changes when an exercise, or the way in which answers are run, does."""
    library = Path(__file__).parents[1]
    for folder in ("exercises", "clinic", "grading"):
        files = files + sorted((library / folder).glob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def secret(path: Path) -> str:
    """The secret of an assignment, from which all inputs are drawn; made if missing.

    It lies beside the assignment, for the eyes of its owner.
    """
    place = path.with_suffix(".secret")
    if not place.exists():
        try:
            handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise ValueError(f"{place} cannot be written: {error.strerror}.") from None
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_hex(16) + "\n")
    text = place.read_text().strip()
    if len(text) < 8:
        raise ValueError(f"{place} holds no secret: delete it, and a new one is made.")
    return text


def seed(secret: str, name: str) -> int:
    """The seed of an exercise's inputs."""
    digest = hashlib.sha256(f"{secret}/{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big")
