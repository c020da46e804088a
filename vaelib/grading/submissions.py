"""Find the notebooks of each student, in what a learning platform gives out.

Moodle makes a folder for each student, or an archive of such folders; Canvas one folder
with long names; others a plain folder. Archives are read in memory and never unpacked,
so no name in them can lead anywhere.
"""

import io
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

LARGEST = 20 << 20  # bytes of a notebook
NESTED = 3  # archives in archives
MOODLE = re.compile(r"^(.+?)_\d+_assignsubmission_\w+$")
CANVAS = re.compile(r"^(.+?)(?:_LATE)?_\d+_\d+_.+$")
BROKEN = (zipfile.BadZipFile, RuntimeError, OSError, ValueError, EOFError, zlib.error)
Entry = tuple[str, int, Callable[[], bytes] | None]  # path, size, how to read it
HIDDEN = re.compile(r"(^|/)(\.[^/]|__MACOSX/|__pycache__/)")


@dataclass
class Submission:
    """What a student handed in: notebooks, and sentences on what could not be read."""

    student: str
    notebooks: dict[str, bytes] = field(default_factory=dict)  # by file name
    problems: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def best(self, exercises: list[str]) -> tuple[str, bytes] | None:
        """The notebook that answers most of the exercises; of equals, the last."""
        if not self.notebooks:
            return None

        def answers(item):
            text = item[1]
            return sum(f'"{n}' in str(text) or f"'{n}" in str(text) for n in exercises)

        ranked = sorted(self.notebooks.items())
        return max(reversed(ranked), key=answers)

    @property
    def summary(self) -> str:
        """Why there is nothing to grade."""
        if self.problems:
            return " ".join(self.problems)
        files = ", ".join(self.others[:5])
        return f"No notebook was handed in{f', only {files}' if files else ''}."


def find(places: list[Path]) -> list[Submission]:
    """The submissions in folders, archives and notebooks, by student."""
    found: dict[str, Submission] = {}
    for place in places:
        if not place.exists():
            raise ValueError(f"there is no {place}.")
        for name, size, read in spread(list(files(place))):
            student, file = owner(name)
            add(found.setdefault(student, Submission(student)), file, size, read)
    return [found[student] for student in sorted(found)]


def spread(entries: list[Entry]) -> Iterator[Entry]:
    """The files of all students: an archive that holds many of them is opened."""
    for name, size, read in entries:
        if HIDDEN.search(name):
            continue
        inner = []
        if read and "/" not in name and name.lower().endswith(".zip"):
            try:
                inner = [e for e in unpacked(read()) if not HIDDEN.search(e[0])]
            except BROKEN:
                pass  # `add` says so
        if any(MOODLE.match(e[0].split("/")[0]) for e in inner):
            yield from inner
        elif len(entries) == 1 and all("/" in e[0] for e in inner) and inner:
            yield from inner
        else:
            yield name, size, read


def owner(name: str) -> tuple[str, str]:
    """The student of a path, and the rest of it."""
    path = PurePosixPath(unicodedata.normalize("NFC", name))
    if len(path.parts) > 1:
        folder, rest = path.parts[0], str(PurePosixPath(*path.parts[1:]))
        student = MOODLE.match(folder)
        return (student[1] if student else folder), rest
    student = CANVAS.match(path.stem)
    return (student[1] if student else path.stem), path.name


def files(place: Path) -> Iterator[Entry]:
    """A file, or all under a folder. Links lead anywhere, and are not followed."""
    if place.is_file():
        yield place.name, place.stat().st_size, place.read_bytes
        return
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_symlink():
            yield name, 0, None
        elif path.is_file():
            yield name, path.stat().st_size, path.read_bytes


def unpacked(data: bytes) -> Iterator[Entry]:
    """The files of an archive, in memory."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            name = info.filename
            if not info.flag_bits & 0x800:  # not marked as UTF-8, but often is
                try:
                    name = name.encode("cp437").decode("utf-8")
                except UnicodeError:
                    pass
            parts = name.replace("\\", "/").split("/")
            name = "/".join(part for part in parts if part not in ("", ".", ".."))
            yield name, info.file_size, lambda info=info: archive.read(info)


def add(submission: Submission, file: str, size: int, read, depth: int = 0) -> None:
    """A notebook, or the notebooks of an archive; a sentence on what is neither."""
    kind = PurePosixPath(file).suffix.lower()
    if read is None:
        submission.problems.append(f"{file} is a link, and links are not followed.")
    elif kind not in (".ipynb", ".zip"):
        submission.others.append(file)
    elif size > LARGEST * (5 if kind == ".zip" else 1):
        submission.problems.append(
            f"{file} has {size / 2**20:.0f} MB, and a notebook may have "
            f"{LARGEST >> 20}: clear its outputs and hand it in again."
        )
    else:
        try:
            data = read()
            if kind == ".ipynb":
                submission.notebooks[file] = data
            elif depth == NESTED:
                submission.problems.append(f"{file} is an archive in too many others.")
            else:
                for name, inner, read_inner in unpacked(data):
                    if not HIDDEN.search(name):
                        add(submission, f"{file}/{name}", inner, read_inner, depth + 1)
        except BROKEN as e:
            submission.problems.append(f"{file} cannot be read: {e}.")
