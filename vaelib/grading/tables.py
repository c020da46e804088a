"""Files that people open in a spreadsheet, written whole or not at all."""

import csv
import io
import os
import re
import tempfile
from pathlib import Path


def table(rows: list[list]) -> str:
    """CSV, in which no cell is taken for a formula by a spreadsheet."""
    text = io.StringIO()
    csv.writer(text).writerows([[harmless(cell) for cell in row] for row in rows])
    return text.getvalue()


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a table. Raises ValueError where it has not these columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a table: {error}.") from None
    missing = [c for c in columns if any(row.get(c) is None for row in rows)]
    if missing:
        raise ValueError(f"{path} must have the columns {', '.join(columns)}.")
    return [{c: plain(row[c]) for c in columns} for row in rows]


def harmless(cell) -> str:
    text = str(cell)
    return f"'{text}" if re.match(r"[=+@\t\r]|-\D", text) else text


def plain(cell: str) -> str:
    """What `harmless` was given."""
    return cell[1:] if re.match(r"'([=+@\t\r]|-\D)", cell) else cell


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        partial = Path(folder) / path.name
        partial.write_text(text, encoding="utf-8", newline="")
        os.replace(partial, path)
