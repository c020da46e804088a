"""An exercise: words, and a few functions that can tell right from wrong.

The same definition answers in the notebook, writes the chapter's page, makes
assignments and grades them.
"""

import ast
import math
import random
import re
import textwrap
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from vaelib import _checks as checks
from vaelib.exercises import probes
from vaelib.exercises.probes import Given
from vaelib.exercises.report import (
    NOT_ATTEMPTED,
    NOT_YET,
    PASSED,
    TO_READ,
    Finding,
    Report,
    Text,
    in_points,
)
from vaelib.listing import source

KINDS = ("derive", "implement", "predict", "diagnose", "explore", "open")
UNWRITTEN = "Write your answer in the place of this line."
HINTS_GIVEN: dict[str, int] = {}  # so that .hint() goes from vague to plain


def nothing(generator: torch.Generator) -> Given:
    """An answer that is a number needs no arguments."""
    return {}


@dataclass(frozen=True)
class Exercise:
    """A task, and how an answer to it is judged.

    `reference` and each of `mistakes` is a function. Where the answer is a function
    itself (`values` is None), it is such an answer. Otherwise it is called with
    `values` by name and returns one: a number, a choice or a SymPy expression. The
    docstring of a mistake is the sentence that names it.

    `probe(answer, given)` asks the answer and returns named tensors; it comes from
    `vaelib.exercises.probes`. `given(generator)` draws its arguments.
    `verify(out, given, due)` yields a Finding for each thing it looks at, where `due`
    is what the reference gives; by default each tensor has to agree with it.

    An answer may also be right as one of `alternatives` is, whose docstring says what
    there is to say of it. Where something is to be mended, `broken` is what the start
    shows; an answer that still does the same is no attempt. To recognise an answer,
    `alike(out, other, names, rtol, atol)` tells whether two are the same.

    `[[name]]` in `task` and `start` stands for `values["name"]`, and `vary(rng)` draws
    other values, for a variant.
    """

    name: str
    title: str
    kind: str
    points: float
    task: str
    start: str = ""  # the cell to be filled in; the last name it defines is the answer
    hints: tuple[str, ...] = ()  # from vague to plain
    reference: Callable | None = None
    discussion: str = ""
    mistakes: tuple[Callable, ...] = ()
    alternatives: tuple[Callable, ...] = ()
    broken: Callable | None = None
    probe: Callable = probes.call
    given: Callable[[torch.Generator], Given] = nothing
    verify: Callable | None = None
    values: dict | None = None
    vary: Callable[[random.Random], dict] | None = None
    alike: Callable | None = None
    rtol: float = 1e-4
    atol: float = 1e-5
    partial: bool = False  # each finding earns its share of the points
    rubric: tuple[tuple[float, str], ...] = ()  # points, what earns them: open ones
    seed: int | None = None  # of a variant
    # What solution and mistakes gave, by the arguments: some train a model.
    known: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(
                f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}."
            )
        if self.kind == "open" and sum(p for p, _ in self.rubric) != self.points:
            raise ValueError(
                f"the rubric of {self.name!r} must add up to its {self.points} points."
            )
        if self.kind != "open" and not (self.reference and self.start):
            raise ValueError(f"exercise {self.name!r} needs a start and a reference.")
        for known in (self.broken, *self.mistakes, *self.alternatives):
            if known and not known.__doc__:
                raise ValueError(
                    f"{known.__name__} needs a docstring: the sentence that names the "
                    "mistake."
                )

    # What a learner calls

    def check(self, answer=None, seed: int = 0) -> Report:
        """Is the answer right? If not, what is its mistake?

        The arguments that it is tried on are drawn from the seed.
        """
        if self.kind == "open":
            return self.to_read(answer)
        try:
            out = self.ask(answer, self.draw(seed))
        except Exception as error:
            why = probes.explain(error, partial(in_answer, answer))
            return self.not_attempted() if why is None else self.failed(why)
        try:
            return self.judge(out, seed)
        except Exception as error:  # of numbers that no honest answer gives
            return self.failed(f"What it gives cannot be judged: {error}.")

    def hint(self, n: int | None = None) -> Text:
        """The next hint, from vague to plain; or the n-th."""
        total = len(self.hints)
        if total == 0:
            return Text("There is no hint for this one.")
        if n is None:
            n = min(HINTS_GIVEN.get(self.name, 0) + 1, total)
        if checks.count("n", n) > total:
            raise ValueError(f"{self.name} has {total} hints, got n={n}.")
        HINTS_GIVEN[self.name] = max(n, HINTS_GIVEN.get(self.name, 0))
        return Text(f"Hint {n} of {total}: {self.hints[n - 1]}")

    def solution(self) -> Text:
        """The solution, and what there is to say about it."""
        code = ""
        in_code = self.kind in ("derive", "implement", "diagnose")
        if in_code and self.probe is not probes.choices:
            code = source(self.reference, docstring=False)._repr_markdown_()
        rubric = "\n".join(f"- {p:g}: {text}" for p, text in self.rubric)
        rubric = rubric and f"What earns points:\n\n{rubric}"
        blocks = (code, self.fill(self.discussion), rubric)
        return Text("\n\n".join(block.strip() for block in blocks if block))

    def __repr__(self) -> str:
        head = f"**{self.title}** ({self.kind}, {in_points(self.points)})"
        start = f"```python\n{self.cell()}\n```" if self.start else ""
        return "\n\n".join(b for b in (head, self.fill(self.task), start) if b)

    _repr_markdown_ = __repr__

    # What the page, assignments and the grader use

    @property
    def answer(self) -> str:
        """The name that holds the answer: the last one that the start defines."""
        if not self.start:
            return "answer_" + self.name.replace("-", "_")
        names = []
        for node in ast.parse(self.fill(self.start)).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.append(node.name)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                names.append(node.targets[0].id)
        return names[-1]

    def cell(self) -> str:
        """The cell to be filled in, and under it the check."""
        start = self.fill(self.start).strip("\n")
        if not start:
            start = f'{self.answer} = """\n{UNWRITTEN}\n"""'
        blank = "\n\n\n" if re.search(r"^(def|class) ", start, re.M) else "\n\n"
        variant = "" if self.seed is None else f", {self.seed}"
        return f'{start}{blank}ex("{self.name}"{variant}).check({self.answer})'

    def fill(self, text: str) -> str:
        """The text with this variant's values in it."""
        return re.sub(
            r"\[\[(\w+)\]\]", lambda found: str((self.values or {})[found[1]]), text
        ).strip("\n")

    def variant(self, seed: int) -> "Exercise":
        """The same exercise with other numbers, where it has such."""
        if self.vary is None:
            return self
        rng = random.Random(f"{self.name} {seed}")
        return replace(self, values=self.vary(rng), seed=seed)

    def draw(self, seed: int = 0) -> Given:
        """The arguments that a probe is to use, from a seed."""
        return self.given(torch.Generator().manual_seed(seed))

    def ask(self, answer, given: Given) -> dict[str, Tensor]:
        """What the answer gives, as named tensors; raises whatever it raises."""
        return self.probe(answer, given)

    def ask_known(self, function: Callable, given: Given) -> dict[str, Tensor]:
        """What a solution or a mistake gives, asked only once."""
        key = function, frozen(given)
        if key not in self.known:
            self.known[key] = self.ask(self.as_answer(function), given)
        return self.known[key]

    def as_answer(self, function: Callable):
        """The answer that a solution or a mistake stands for."""
        return function if self.values is None else function(**self.values)

    def judge(self, out: dict[str, Tensor], seed: int = 0) -> Report:
        """A report on the named tensors that an answer gave for draw(seed).

        The answer itself is not needed, so this is safe with what a stranger wrote.
        """
        given = self.draw(seed)
        verify = self.verify or self.agrees
        for solution in (*self.alternatives, self.reference):  # the last one's remain
            due = self.ask_known(solution, given)
            out = regrouped(out, due)
            if due.keys() <= out.keys():
                findings = tuple(map(self.in_words, verify(out, given, due)))
            else:
                findings = (Finding(False, counted(out, due)),)
            right = [finding.ok for finding in findings]
            if all(right):
                text = "" if solution is self.reference else sentence(solution)
                passed = PASSED, text, findings
                return Report(self.name, self.points, *passed, score=self.points)
        if self.broken and self.recognised(self.broken, out, given, due):
            text = "It does what it did before: the mistake is still there."
            unchanged = NOT_ATTEMPTED, text, findings, self.way_on
            return Report(self.name, self.points, *unchanged)
        share = sum(right) / len(right) if self.partial else 0.0
        return Report(
            self.name,
            self.points,
            NOT_YET,
            self.name_mistake(out, given, due),
            findings,
            self.way_on,
            share * self.points,
        )

    def agrees(self, out: dict, given: Given, due: dict) -> Iterator[Finding]:
        """Whether each tensor is what the solution gives."""
        for name in due:
            found = compare(name, out[name], due[name], self.rtol, self.atol)
            if self.probe is probes.expression and not found.ok:
                found = at_a_point(name, out[name], due[name], *given[name])
            yield found

    def in_words(self, finding: Finding) -> Finding:
        """A finding on a number, under the name that the start gives to it."""
        if self.probe is not probes.numbers or not self.start:
            return finding
        held = ast.parse(self.fill(self.start)).body[-1].value
        names = {"the number": self.answer}
        if isinstance(held, ast.Tuple):
            names = {
                f"number {i}": ast.unparse(one) for i, one in enumerate(held.elts, 1)
            }
        text = re.sub(
            r"^(the number|number \d+)\b",
            lambda found: names.get(found[0], found[0]),
            finding.text,
        )
        return replace(finding, text=text.replace(": nan is not right", ": still open"))

    def name_mistake(self, out: dict, given: Given, due: dict) -> str:
        """The sentence of the mistake that gives the very same, if one does.

        Of several numbers, the wrong ones count: another may be right.
        """
        names = set(due)
        if self.probe is probes.numbers:
            names = {n for n in due if not same(out, due, [n], self.rtol, self.atol)}
        for mistake in self.mistakes:
            if self.recognised(mistake, out, given, names):
                return sentence(mistake)
        return ""

    def recognised(self, known: Callable, out: dict, given: Given, names) -> bool:
        """Whether an answer that gave `out` does the same as a known function."""
        try:
            other = self.ask_known(known, given)
        except Exception:
            return False
        alike = self.alike or same
        return alike(out, other, names, self.rtol, self.atol)

    # Reports that need no judging

    @property
    def way_on(self) -> str:
        return f'Stuck? `ex("{self.name}").hint()`' if self.hints else ""

    def not_attempted(self) -> Report:
        text = "Replace the dots by your answer and run the cell again."
        return Report(self.name, self.points, NOT_ATTEMPTED, text, more=self.way_on)

    def failed(self, why: str) -> Report:
        return Report(self.name, self.points, NOT_YET, why, more=self.way_on)

    def to_read(self, answer) -> Report:
        if answer in (None, ...) or str(answer).strip() in ("", UNWRITTEN):
            return Report(self.name, self.points, NOT_ATTEMPTED, "Nothing written yet.")
        text = "No program can judge this one. Compare it with "
        text += f'`ex("{self.name}").solution()`.'
        return Report(self.name, self.points, TO_READ, text)


def compare(name: str, got: Tensor, due: Tensor, rtol: float, atol: float) -> Finding:
    """Whether two tensors agree; where they first do not."""
    if due.dtype == torch.uint8:  # a text: its value would be the solution
        ok = torch.equal(got, due)
        wrong = f"{name} ({as_words(got)}) is not the right one"
        return Finding(ok, name if ok else wrong)
    if got.shape != due.shape:
        text = f"{name}: shape {tuple(got.shape)}, should be {tuple(due.shape)}"
        return Finding(False, text)
    if got.is_complex():
        return Finding(False, f"{name}: complex numbers, should be real ones")
    got, wanted = got.detach().double(), due.detach().double()
    if torch.allclose(got, wanted, rtol, atol, equal_nan=True):
        return Finding(True, name)
    wrong = ~torch.isclose(got, wanted, rtol, atol, equal_nan=True)
    place = tuple(wrong.nonzero()[0].tolist())
    if due.dim() == 0:
        return Finding(False, f"{name}: {got.item():.5g} is not right")
    return Finding(
        False, f"{name}: entry {list(place)} is {differing(got[place], wanted[place])}"
    )


def as_words(got: Tensor) -> str:
    """The words that were read, in letters that are safe in any report."""
    if got.dtype != torch.uint8:
        return "no text"
    text = bytes(got.flatten().tolist()).decode(errors="replace")[:60]
    return ", ".join(re.sub(r"[^\w,-]", "?", text).split(","))


def differing(got: Tensor, wanted: Tensor) -> str:
    """Two numbers with as many digits as it takes to see that they differ."""
    for digits in (5, 9, 17):
        is_, due = f"{got.item():.{digits}g}", f"{wanted.item():.{digits}g}"
        if is_ != due:
            break
    return f"{is_}, should be {due}"


def at_a_point(name, got: Tensor, due: Tensor, points: dict[str, list]) -> Finding:
    """The first point at which two expressions differ."""
    k = (got - due).abs().nan_to_num(math.inf).argmax().item()
    where = ", ".join(f"{symbol} = {p[k]:.4g}" for symbol, p in points.items())
    return Finding(False, f"{name}: at {where} it is {differing(got[k], due[k])}")


def regrouped(out: dict[str, Tensor], due: dict[str, Tensor]) -> dict[str, Tensor]:
    """A list where one tensor is due, and a tensor where several are, as is due."""
    out = dict(out)
    for name in due.keys() - out.keys():
        case, _, number = name.partition(probes.OUTPUT)
        if not number:
            pieces = [v for n, v in out.items() if n.startswith(name + probes.OUTPUT)]
            if pieces and len({piece.shape for piece in pieces}) == 1:
                out[name] = torch.stack(pieces)
        elif case in out and out[case].dim() > 0:
            several = sum(n.startswith(case + probes.OUTPUT) for n in due)
            if len(out[case]) == several:
                out[name] = out[case][int(number) - 1]
    return out


def counted(out: dict, due: dict) -> str:
    """Says that an answer gives more or fewer things than are due."""

    def case(name: str) -> str:
        name = re.sub(r"^(the number|number \d+)$", "numbers", name)
        return name.split(probes.OUTPUT)[0]

    here = case(next(name for name in due if name not in out))
    given, wanted = (sum(case(name) == here for name in names) for names in (out, due))
    there = "is" if given == 1 else "are"
    return f"{here}: {wanted} should be given, and there {there} {given}"


def same(out: dict, other: dict, names: Iterable[str], rtol, atol) -> bool:
    """Whether two answers gave the same under these names."""
    return all(
        name in out
        and name in other
        and compare(name, out[name], other[name], rtol, atol).ok
        for name in names
    )


def frozen(given):
    """Arguments as a key: equal for equal ones."""
    if isinstance(given, Tensor):
        return given.dtype, tuple(given.shape), given.numpy().tobytes()
    if isinstance(given, dict):
        return tuple((name, frozen(value)) for name, value in given.items())
    if isinstance(given, (tuple, list)):
        return tuple(map(frozen, given))
    return given


def sentence(function: Callable) -> str:
    """The docstring of a function, on one line."""
    return " ".join(function.__doc__.split())


def in_answer(answer, frame: traceback.FrameSummary) -> str:
    """Where in the answer's cell a frame of a traceback is; empty if elsewhere."""
    code = getattr(answer, "__code__", None)
    if code is None or frame.filename != code.co_filename:
        return ""
    line = textwrap.shorten(frame.line or "", 60)
    return f"line {frame.lineno} of the cell: `{line}`"


def index(exercises: Iterable[Exercise]) -> dict[str, Exercise]:
    """Exercises by name; raises ValueError for a name that is taken."""
    found: dict[str, Exercise] = {}
    for exercise in exercises:
        if exercise.name in found:
            raise ValueError(f"there are two exercises {exercise.name!r}.")
        found[exercise.name] = exercise
    return found
