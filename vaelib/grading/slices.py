"""What an answer in a notebook depends on, found without running anything.

A notebook holds plots, trainings and the answers to other questions. Of all its
statements, only those are run for a question from which the answer can be reached. An
endless loop in one question therefore does not spoil another. (Where that does not
lead to a right answer, everything before it is run: see `marking`.)
"""

import ast
import builtins
import json
import re
import symtable
from dataclasses import dataclass, field

DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
# Calls that look at something and change nothing.
LOOKS = {"ex", "print", "display", "plt", "quiz", "get_ipython"}
ANSWER = "__answer__"  # the name for an answer that has none


class Unreadable(Exception):
    """The file is no notebook, or a cell is no Python; says why."""


@dataclass(eq=False)
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
    blank: bool = False  # still the start as it was handed out


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
            found.append(str(source).lstrip("\ufeff"))
    return found


def program(
    cells: list[str], name: str, answer: str, everything: bool = False
) -> Program | None:
    """What to run for the exercise `name`, whose answer is by default called `answer`.

    The answer is what the last check of this exercise is given, or else the last thing
    with the expected name. A start that nobody has filled in does not count as long as
    there is another. With `everything`, all statements before the check are run.
    Returns None where there is no answer.
    """
    parsed, broken = parse(cells)
    places = checks_of(parsed, name) or [(len(parsed), ast.Name(answer), None)]
    blank = None
    for last, given, seed in reversed(places):
        before = parsed[:last]
        held = given.id if isinstance(given, ast.Name) else ANSWER
        if held == ANSWER:
            node = ast.Assign([ast.Name(ANSWER, ast.Store())], given)
            here = parsed[last].cell if last < len(parsed) else len(cells) - 1
            before.append(names(Statement(ast.fix_missing_locations(node), here)))
        filled = [s for s in before if not (held in s.sets and is_blank(s.node))]
        if any(held in s.sets for s in filled):
            late = lent(parsed[last:], filled)
            chosen = filled + late if everything else reach(filled, late, held)
            return Program(chosen, held, seed)
        if len(filled) < len(before):
            blank = blank or Program([], held, seed, blank=True)
    assigned = rf"\b(def|class)\s+{answer}\b|^{answer}\s*=|\bex\(.{name}.\)"
    for cell, why in broken.items():
        if re.search(assigned, cells[cell], re.M):
            raise Unreadable(f"Code cell {cell + 1} cannot be read: {why}.")
    return blank


def checks_of(parsed: list[Statement], name: str) -> list[tuple]:
    """Where an exercise is checked: position, what is given, seed of a variant."""
    found, aliases = [], {}
    for position, statement in enumerate(parsed):
        node = statement.node
        if isinstance(node, ast.Assign) and is_exercise(node.value, name):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    aliases[target.id] = node.value
        for call in ast.walk(node):
            if not (
                isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
            ):
                continue
            asked = call.func.value
            if isinstance(asked, ast.Name):
                asked = aliases.get(asked.id)
            given = [*call.args, *(k.value for k in call.keywords if k.arg == "answer")]
            if call.func.attr == "check" and is_exercise(asked, name) and given:
                found.append((position, given[0], seed_of(asked)))
    return found


def is_exercise(node, name: str) -> bool:
    """Whether this is ex("name"), or ex("name", seed)."""
    return (
        isinstance(node, ast.Call)
        and root(node.func) == "ex"
        and name in [a.value for a in arguments(node) if isinstance(a, ast.Constant)]
    )


def seed_of(call: ast.Call) -> int | None:
    values = [a.value for a in arguments(call) if isinstance(a, ast.Constant)]
    seeds = [value for value in values if type(value) is int]
    return seeds[0] if seeds else None


def arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def parse(cells: list[str]) -> tuple[list[Statement], dict[int, str]]:
    """The statements of all cells that are Python; and why the others are not."""
    statements, broken = [], {}
    for i, cell in enumerate(cells):
        try:
            tree = python(cell)
            statements += [names(Statement(node, i)) for node in tree.body]
        except SyntaxError as error:
            broken[i] = f"{error.msg} (line {error.lineno})"
        except (ValueError, RecursionError, MemoryError) as error:
            broken[i] = str(error) or type(error).__name__
    return statements, broken


def python(cell: str) -> ast.Module:
    """A cell parsed; where it holds what only Jupyter understands, as Jupyter does."""
    try:
        return ast.parse(cell)
    except SyntaxError:
        if not re.search(r"[%!?]", cell):
            raise
    if cell.startswith("%%"):
        magic, _, rest = cell.partition("\n")
        cell = f"\n{rest}" if re.match(r"%%(time|timeit|capture)\b", magic) else ""
    from IPython.core.inputtransformer2 import TransformerManager

    return ast.parse(TransformerManager().transform_cell(cell))


def names(statement: Statement) -> Statement:
    """Fill in what a statement sets, or may change, and what it uses."""
    node = statement.node
    table = symtable.symtable(ast.unparse(node), "cell", "exec")
    here = table.get_symbols()
    uses = {s.get_name() for s in here if s.is_referenced()} | inner(table)
    sets = {s.get_name() for s in here if s.is_assigned() or s.is_imported()}
    if any(isinstance(n, ast.alias) and n.name == "*" for n in ast.walk(node)):
        sets.add("*")
    if not isinstance(node, DEFINITIONS):  # what is in these happens later
        for part in ast.walk(node):
            if isinstance(part, (ast.Attribute, ast.Subscript)):
                if not isinstance(part.ctx, ast.Load):
                    sets.add(root(part))
            elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
                call = part.value
                if root(call.func) not in LOOKS:
                    # It may change what it is called on, and what it is given.
                    sets.add(root(call.func))
                    sets |= {a.id for a in arguments(call) if isinstance(a, ast.Name)}
    statement.sets, statement.uses = sets - {""}, uses
    return statement


def inner(table: symtable.SymbolTable) -> set[str]:
    """The global names that functions and classes in here use."""
    found = set()
    for child in table.get_children():
        found |= {s.get_name() for s in child.get_symbols() if s.is_global()}
        found |= inner(child)
    return found


def root(node: ast.AST) -> str:
    """The name at the left of a.b[c].d()."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def lent(after: list[Statement], before: list[Statement]) -> list[Statement]:
    """Functions, classes and imports from below, of names that are missing above."""
    there = set().union(*(s.sets for s in before)) | set(dir(builtins))
    kinds = (*DEFINITIONS, ast.Import, ast.ImportFrom)
    return [s for s in after if isinstance(s.node, kinds) and not s.sets & there]


def reach(early: list[Statement], late: list[Statement], answer: str) -> list:
    """The statements that the answer depends on, in their order."""
    needed, chosen, before = {answer, "*"}, set(), -1
    while before != len(chosen):
        before = len(chosen)
        for i, statement in enumerate(early + late):
            if i not in chosen and statement.sets & needed:
                chosen.add(i)
                needed |= statement.uses
    return [s for i, s in enumerate(early + late) if i in chosen]


def is_blank(node: ast.stmt) -> bool:
    """Whether this is a start that nobody has filled in."""
    if isinstance(node, ast.Assign):
        return isinstance(node.value, ast.Constant) and node.value.value is Ellipsis
    if isinstance(node, ast.FunctionDef):
        body = [n for n in node.body if not is_constant(n)]
        return all(isinstance(n, ast.Pass) or is_unwritten(n) for n in body)
    return False


def is_constant(node: ast.stmt) -> bool:
    """A docstring, or three dots."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_unwritten(node: ast.stmt) -> bool:
    return isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node)
