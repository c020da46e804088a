"""What an answer in a notebook depends on, found without running anything.

A notebook holds plots, trainings and the answers to other questions. Of all its
statements, only those are run for a question from which the answer's name can be
reached. An endless loop in one question therefore does not spoil another.
"""

import ast
import builtins
import json
import re
from dataclasses import dataclass, field

DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
# Calls that look at something and change nothing.
LOOKS = {"ex", "print", "display", "plt", "quiz"}
# ex("name", 17).check(answer): group 1 is the seed of a variant, 2 the answer.
CHECK = (
    r"""\bex\(\s*["']{name}["']\s*(?:,\s*(?:seed\s*=\s*)?(\d+)\s*)?\)"""
    r"""\.check\(\s*(\w+)?"""
)


class Unreadable(Exception):
    """The file is no notebook, or a cell is no Python; says why."""


@dataclass
class Statement:
    """A statement of a cell, with the names that it sets and the names that it uses."""

    node: ast.stmt
    cell: int
    sets: set[str] = field(default_factory=set)
    uses: set[str] = field(default_factory=set)


@dataclass
class Program:
    """What to run for an answer: statements, and the name that holds it at the end."""

    statements: list[Statement]
    answer: str
    seed: int | None
    blank: bool  # still the start as it was handed out


def code_cells(text: bytes) -> list[str]:
    """The code of a notebook, cell by cell."""
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"The file is no notebook: {error}.") from None
    if not isinstance(notebook, dict):
        raise Unreadable("The file is no notebook: it holds no cells.")
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        raise Unreadable("The file is no notebook of version 4: it holds no cells.")
    found = []
    for cell in cells:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source", "")
            if isinstance(source, list):
                source = "".join(str(line) for line in source)
            found.append(without_magics(str(source)))
    return found


def without_magics(source: str) -> str:
    """A cell without what only Jupyter understands; lines keep their number."""
    lines = source.split("\n")
    if lines[0].startswith("%%"):
        if not re.match(r"%%(time|timeit|capture)\b", lines[0]):
            return ""
        lines[0] = ""
    return "\n".join("" if re.match(r"\s*[%!?]", line) else line for line in lines)


def program(cells: list[str], name: str, answer: str) -> Program | None:
    """What to run for the exercise `name`, whose answer is by default called `answer`.

    The answer is what the last cell with ex("name").check(...) names, or else the last
    thing with the expected name. A start that nobody has filled in does not count as
    long as there is another. Returns None where there is no such name.
    """
    parsed, broken = parse(cells)
    check = re.compile(CHECK.format(name=re.escape(name)))
    found = [(i, m) for i, cell in enumerate(cells) if (m := check.search(cell))]
    places = [(i, m[2] or answer, m[1]) for i, m in found]
    places = places or [(len(cells) - 1, answer, None)]
    blank = None
    for cell, held, seed in reversed(places):
        before = [s for s in parsed if s.cell <= cell]
        skipped = False
        for here in reversed([s for s in before if held in s.sets]):
            if is_blank(here.node):
                blank = blank or Program([], held, None, True)
                skipped = True
                continue
            last = cell if found and not skipped else here.cell
            copies = [s for s in parsed if held in s.sets and is_blank(s.node)]
            filled = [s for s in parsed if s not in copies]
            statements = reach(filled, held, last)
            return Program(statements, held, int(seed) if seed else None, False)
    assigned = rf"\b(def|class)\s+{answer}\b|^{answer}\s*="
    likely = re.compile(f"{check.pattern}|{assigned}", re.M)
    for cell, why in broken.items():
        if likely.search(cells[cell]):
            raise Unreadable(f"Code cell {cell + 1} cannot be read: {why}.")
    return blank


def parse(cells: list[str]) -> tuple[list[Statement], dict[int, str]]:
    """The statements of all cells that are Python; and why the others are not."""
    statements, broken = [], {}
    for i, cell in enumerate(cells):
        try:
            tree = ast.parse(cell, f"<code cell {i + 1}>")
            statements += [names(Statement(node, i)) for node in tree.body]
        except SyntaxError as error:
            broken[i] = f"{error.msg} (line {error.lineno})"
        except (ValueError, RecursionError, MemoryError) as error:
            broken[i] = str(error) or type(error).__name__
    return statements, broken


def names(statement: Statement) -> Statement:
    """Fill in what a statement sets, or may change, and what it uses."""
    node, uses = statement.node, set()
    binds, changes = set(), set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            (uses if isinstance(part.ctx, ast.Load) else binds).add(part.id)
        elif isinstance(part, DEFINITIONS):
            binds.add(part.name)
        elif isinstance(part, ast.alias):
            binds.add((part.asname or part.name).split(".")[0])
        elif isinstance(part, (ast.Attribute, ast.Subscript)):
            if not isinstance(part.ctx, ast.Load):
                changes.add(root(part))
        elif isinstance(part, ast.AugAssign):
            uses.add(root(part.target))
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            call = part.value
            if root(call.func) not in LOOKS:
                # It may change what it is called on, and what it is given.
                changes.add(root(call.func))
                given = [*call.args, *(k.value for k in call.keywords)]
                changes.update(a.id for a in given if isinstance(a, ast.Name))
    if isinstance(node, DEFINITIONS):
        arguments = {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)}
        uses -= arguments | binds - {node.name}
        binds, changes = {node.name}, set()  # the rest is its own business
    statement.sets, statement.uses = binds | changes, uses
    return statement


def root(node: ast.AST) -> str:
    """The name at the left of a.b[c].d()."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def reach(statements: list[Statement], answer: str, last: int) -> list[Statement]:
    """The statements that the answer depends on, in their order.

    Cells after the last one only lend functions, classes and imports that are missing.
    """
    early = [s for s in statements if s.cell <= last]
    there = set().union(*(s.sets for s in early)) | set(dir(builtins))
    lent = (*DEFINITIONS, ast.Import, ast.ImportFrom)
    late = [
        s
        for s in statements
        if s.cell > last and isinstance(s.node, lent) and not s.sets & there
    ]
    needed, chosen, before = {answer, "*"}, set(), -1
    while before != len(chosen):
        before = len(chosen)
        for i, statement in enumerate(early + late):
            if i not in chosen and statement.sets & needed:
                chosen.add(i)
                needed |= statement.uses
    # An expression that only looks, such as the check itself, sets nothing.
    return [s for i, s in enumerate(early + late) if i in chosen]


def is_blank(node: ast.stmt) -> bool:
    """Whether this is a start that nobody has filled in."""
    if isinstance(node, ast.Assign):
        return isinstance(node.value, ast.Constant) and node.value.value is Ellipsis
    if isinstance(node, ast.FunctionDef):
        body = [n for n in node.body if not is_constant(n)]
        return all(
            isinstance(n, ast.Pass) or "NotImplementedError" in ast.unparse(n)
            for n in body
        )
    return False


def is_constant(node: ast.stmt) -> bool:
    """A docstring, or three dots."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
