"""Find the notebooks of each student, in what a learning platform gives out.

Moodle makes a folder for each student, or long file names; Canvas long file names;
others plain folders; most of them in an archive, with or without a folder around it.
Archives are read in memory and never unpacked, so no name in them can lead anywhere.
"""

import io
import json
import lzma
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from vaelib.exercises import Exercise
from vaelib.exercises.exercise import UNWRITTEN

LARGEST = 20 << 20  # bytes of a notebook
NESTED = 3  # archives in archives
MOST = 3 * LARGEST  # of all notebooks of a student
FILES = 20_000  # in an archive
BROKEN = (zipfile.BadZipFile, RuntimeError, OSError, ValueError, EOFError, MemoryError)
BROKEN += (zlib.error, lzma.LZMAError)
Entry = tuple[str, int, Callable[[], bytes] | None]  # path, size, how to read it
HIDDEN = re.compile(r"(^|/)(\.[^/]|__MACOSX/|__pycache__/)")
# What a platform makes of a name: the student, a number that is theirs alone, the file.
MOODLE = re.compile(
    r"(?P<student>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<file>.*)"
)
CANVAS = re.compile(
    r"(?P<student>[^\d_]+?)(?P<late>_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)"
)


@dataclass
class Submission:
    """What a student handed in: notebooks, and sentences on what could not be read.

    Two students may have one name. The id is the platform's number where it gives one.
    """

    student: str
    id: str = ""
    late: bool = False
    notebooks: dict[str, bytes] = field(default_factory=dict)  # by file name
    problems: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def best(self, questions: list[Exercise]) -> tuple[str, bytes] | None:
        """The notebook that answers most of the questions; of equals, the last."""
        ranked = sorted(self.notebooks.items(), reverse=True)
        if len(ranked) < 2:
            return ranked[0] if ranked else None
        return max(ranked, key=lambda item: answered(item[1], questions))

    @property
    def bytes(self) -> int:
        return sum(map(len, self.notebooks.values()))

    @property
    def summary(self) -> str:
        """Why there is nothing to grade."""
        if self.problems:
            return ""  # they say so
        files = ", ".join(self.others[:5])
        return f"No notebook was handed in{f', only {files}' if files else ''}."


def answered(data: bytes, questions: list[Exercise]) -> tuple[int, int]:
    """How many answers of a notebook are no longer their start; how many it has.

    A stranger's file is not parsed here: this looks for strings, in the text of the
    cells as JSON has it.
    """
    text = re.sub(r'",\s*"', "", data.decode("utf-8", "replace"))
    filled = there = 0
    for one in questions:
        start = one.start.strip("\n") or f'{one.answer} = """\n{UNWRITTEN}'
        parts = re.split(r"\[\[\w+\]\]", start)  # a variant's numbers lie between
        parts = [re.escape(json.dumps(p, ensure_ascii=False)[1:-1]) for p in parts]
        blank = len(re.findall(".{1,80}?".join(parts), text))
        checks = rf"""ex\(\\?["']{one.name}\\?["'][^()]*\)\.check\("""
        defined = rf'(?:"|\\n)(?:def |class )?{one.answer}\s*[=(:]'
        places = len(re.findall(checks, text) or re.findall(defined, text))
        there += places > 0
        filled += places > blank
    return filled, there


def find(places: list[Path]) -> list[Submission]:
    """The submissions in folders, archives and notebooks, by student."""
    found: dict[tuple[str, str], Submission] = {}
    for place in places:
        if not place.exists():
            raise ValueError(f"there is no {place}.")
        for name, size, read in spread(place, alone=len(places) == 1):
            student, number, late, file = owner(name)
            key = student, number
            theirs = found.setdefault(key, Submission(student, number))
            theirs.late |= late
            add(theirs, file, size, read)
    return [found[key] for key in sorted(found)]


def spread(place: Path, alone: bool) -> list[Entry]:
    """The files of all students, with all archives opened that hold more than one's."""
    entries = visible(files(place))
    if place.is_dir():
        entries = stripped(entries)
        alone = sum(handed_in(e) for e in entries) == 1
    found = []
    for entry in entries:
        name, size, read = entry
        inner = []
        openable = place.is_file() or size <= 5 * LARGEST
        if read and openable and "/" not in name and name.lower().endswith(".zip"):
            try:
                inner = stripped(visible(unpacked(read())), flat=True)
            except BROKEN:
                pass  # `add` says so
        found += inner if is_class(inner, alone, place.is_file()) else [entry]
    return found


def is_class(entries: list[Entry], alone: bool, named: bool) -> bool:
    """Whether an archive holds the files of a class, and not those of one student.

    It is alone in its folder or on the command line, or named there with others.
    """
    folders = {top(e) for e in entries if "/" in e[0] and handed_in(e)}
    loose = [e for e in entries if "/" not in e[0] and handed_in(e)]
    if any(map(platform, entries)):
        return alone or named  # else a student could hand in for others
    if alone:
        return len(folders) + len(loose) > 1 or bool(folders and not loose)
    return named and len(folders) > 1 and not loose


def stripped(entries: list[Entry], flat: bool = False) -> list[Entry]:
    """The entries without a folder around all of them, which is no student's.

    In an archive (flat) it may hold the notebooks themselves; on a disk, that would be
    the folder of the only student.
    """
    around = {top(entry) for entry in entries}
    deeper = all("/" in entry[0] for entry in entries)
    if len(around) != 1 or not deeper or any(map(platform, entries)):
        return entries
    below = [(name.partition("/")[2], *rest) for name, *rest in entries]
    students = {
        top(entry) for entry in below if handed_in(entry) and (flat or "/" in entry[0])
    }
    inside = stripped(below, flat)
    if len(students) > 1 or any(map(platform, inside)):
        return inside
    return entries if inside is below else inside


def top(entry: Entry) -> str:
    return entry[0].partition("/")[0]


def platform(entry: Entry) -> re.Match | None:
    """What Moodle or Canvas says in the first part of a path."""
    return MOODLE.fullmatch(top(entry)) or CANVAS.fullmatch(top(entry))


def handed_in(entry: Entry) -> bool:
    """Whether this is what students hand in, and not a list beside it."""
    return entry[0].lower().endswith((".ipynb", ".zip"))


def visible(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if not HIDDEN.search(entry[0])]


def owner(name: str) -> tuple[str, str, bool, str]:
    """The student of a path, their id, whether it came late, and the file's name."""
    name = unicodedata.normalize("NFC", name)
    first, _, rest = name.partition("/")
    told = platform((name, 0, None))
    if told:
        about = told.groupdict()
        file = "/".join(part for part in (about["file"], rest) if part) or first
        return about["student"], about["id"], bool(about.get("late")), file
    student = first if rest else PurePosixPath(first).stem
    return student, student, False, rest or first


def files(place: Path) -> list[Entry]:
    """A file, or all under a folder. Links lead anywhere, and are not followed."""
    if place.is_file():
        return [(place.name, place.stat().st_size, place.read_bytes)]
    found = []
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_symlink():
            found.append((name, 0, None))
        elif path.is_file():
            found.append((name, path.stat().st_size, path.read_bytes))
    return found


def unpacked(data: bytes) -> list[Entry]:
    """The files of an archive, in memory. It stays open: they are read later."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    found = []
    if len(archive.infolist()) > FILES:
        raise ValueError(f"it holds more than {FILES:,} files")
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
        found.append((name, info.file_size, lambda info=info: archive.read(info)))
    return found


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
            if kind == ".ipynb" and submission.bytes + len(data) > MOST:
                submission.problems.append(f"{file} is one too many, and was not read.")
            elif kind == ".ipynb":
                keep(submission.notebooks, file, data)
            elif depth == NESTED:
                submission.problems.append(f"{file} is an archive in too many others.")
            else:
                for name, inner, read_inner in visible(unpacked(data)):
                    add(submission, f"{file}/{name}", inner, read_inner, depth + 1)
        except BROKEN as e:
            submission.problems.append(f"{file} cannot be read: {e}.")


def keep(notebooks: dict[str, bytes], file: str, data: bytes) -> None:
    """Two archives may each have a week4.ipynb of one student: both are kept."""
    while notebooks.get(file, data) != data:
        file = f"{PurePosixPath(file).with_suffix('')}+.ipynb"
    notebooks[file] = data
