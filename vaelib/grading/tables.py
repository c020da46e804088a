"""Files that people open in a spreadsheet, written whole or not at all."""

import codecs
import csv
import io
import os
import re
import tempfile
from pathlib import Path

FORMULA = r"[-=+@'\t\r]"  # how cells begin that are not shown as they are
BOM = "\ufeff"  # by which Excel knows UTF-8


def table(rows: list[list]) -> str:
    """CSV, in which no cell is taken for a formula by a spreadsheet."""
    text = io.StringIO()
    csv.writer(text).writerows([[harmless(cell) for cell in row] for row in rows])
    return BOM + text.getvalue()


def read_table(
    path: Path, columns: tuple[str, ...], more: tuple[str, ...] = ()
) -> list[dict[str, str]]:
    """The rows of a table, as any spreadsheet saves it: with commas, ; or tabs.

    Each also has its number in the spreadsheet, as "row". Raises ValueError where the
    table has not these columns. Where it has not those of `more`, they are empty.
    """
    try:
        text = decoded(path.read_bytes())
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{path} cannot be read as a table: {error}.") from None
    for separator in ",;\t":
        reader = csv.reader(io.StringIO(text, ""), delimiter=separator)
        try:
            cells = list(reader)
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}.") from None
        head = [name.strip().casefold() for name in cells[0]] if cells else []
        if set(columns) <= set(head):
            break
    else:
        raise ValueError(f"{path} must have the columns {', '.join(columns)}.")
    rows = []
    for number, row in enumerate(cells[1:], 2):
        there = dict(zip(head, row, strict=False))
        if any(row):
            found = {c: plain(there.get(c, "")) for c in (*columns, *more)}
            rows.append({**found, "row": str(number)})
    return rows


def decoded(data: bytes) -> str:
    """Text as spreadsheets write it: UTF-8, UTF-16, or that of western Windows."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def harmless(cell) -> str:
    text = str(cell)
    number = re.fullmatch(r"-?\d+([.,]\d+)?", text)
    return f"'{text}" if not number and re.match(FORMULA, text) else text


def plain(cell: str) -> str:
    """What `harmless` was given."""
    return cell[1:] if re.match(f"'{FORMULA}", cell) else cell


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            partial = Path(folder) / path.name
            partial.write_bytes(text.encode("utf-8", "replace"))
            os.replace(partial, path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}.") from None
