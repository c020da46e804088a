"""Ask an answer: call it, or read it, and give back named tensors.

A probe(answer, given) is the only part of an exercise that touches what a student
wrote. It never sees the solution, nor the seed from which `given` was drawn: when
submissions are graded, probes run in a sandbox, and what they give back is judged
outside of it.
"""

import dis
import math
import re
import traceback
from collections.abc import Callable

import torch
from torch import Tensor

from vaelib._state import seeded

Given = dict[str, tuple]
# The seed for what an answer draws itself: another than any of the arguments' seeds, or
# its noise could be the very numbers it is given.
NOISE = 8_317_442
OUTPUT = ", output "  # stands between a case and the number of one of several outputs
NOTHING = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}


class NotAttempted(Exception):
    """There is no answer yet."""


class Unusable(Exception):
    """An answer of another kind than asked for; says which kind that is."""


def call(answer: Callable, given: Given) -> dict[str, Tensor]:
    """What a function returns: given has its arguments, case by case."""
    function(answer)
    out = {}
    for case, arguments in given.items():
        with seeded(NOISE):
            out |= parts(case, returned(answer, copies(arguments)))
    return out


def gradients(answer: Callable, given: Given) -> dict[str, Tensor]:
    """What a function returns, and the gradient of its sum by each float argument."""
    function(answer)
    out = {}
    for case, arguments in given.items():
        leaves = [
            a.detach().clone().requires_grad_()
            if isinstance(a, Tensor) and a.is_floating_point()
            else a
            for a in arguments
        ]
        with seeded(NOISE):
            value = tensor(case, returned(answer, leaves))
        out[case] = value.detach()
        wanted = [a for a in leaves if isinstance(a, Tensor) and a.requires_grad]
        slopes = [None] * len(wanted)
        if value.requires_grad:
            slopes = torch.autograd.grad(value.sum(), wanted, allow_unused=True)
        for number, (leaf, slope) in enumerate(zip(wanted, slopes, strict=True), 1):
            name = f"{case}: gradient by argument {number}"
            out[name] = torch.zeros_like(leaf) if slope is None else slope
    return out


def draws(answer: Callable, given: Given) -> dict[str, Tensor]:
    """As `gradients`, for an answer that draws: its noise goes on from case to case, so
    that one which always draws the same is found out.
    """
    function(answer)
    noise = torch.Generator().manual_seed(NOISE).get_state()

    def going_on(*arguments):
        nonlocal noise
        torch.set_rng_state(noise)
        value = returned(answer, arguments)
        noise = torch.get_rng_state()
        return value

    return gradients(going_on, given)


def numbers(answer, given: Given) -> dict[str, Tensor]:
    """A number, or several; given is not used. One that is still open becomes nan."""
    if hasattr(answer, "tolist"):  # an array or a tensor
        answer = answer.tolist()
    several = list(answer) if isinstance(answer, (tuple, list)) else [answer]
    if all(one is None or one is Ellipsis for one in several):
        raise NotAttempted
    if len(several) == 1:
        return {"the number": number(several[0])}
    return {
        f"number {i}": number(math.nan if one is Ellipsis else one)
        for i, one in enumerate(several, 1)
    }


def choices(answer, given: Given) -> dict[str, Tensor]:
    """One word or letter, or several in any order; given is not used."""
    return {"the choice": text(",".join(sorted(set(words(answer)))))}


def ordered(answer, given: Given) -> dict[str, Tensor]:
    """Letters or words in an order; given is not used. "cadb" is four letters."""
    return {"the order": text(",".join(",".join(words(answer)).replace(",", "")))}


def expression(answer, given: Given) -> dict[str, Tensor]:
    """A SymPy expression at the given points: case -> ({symbol's name: values},).

    Values to thirty digits at random points tell expressions apart for certain, and
    know equal ones as equal, which simplification sometimes does not.
    """
    import sympy as sp

    attempted(answer)
    if isinstance(answer, (tuple, list)) and len(answer) == 1:  # as sp.solve gives it
        answer = answer[0]
        attempted(answer)
    try:
        answer = sp.sympify(answer, strict=True)
    except sp.SympifyError:
        answer = None
    if not isinstance(answer, sp.Expr):
        raise Unusable("Answer with one SymPy expression, such as mu**2 / 2.")
    out = {}
    for case, (points,) in given.items():
        unknown = sorted(s.name for s in answer.free_symbols if s.name not in points)
        if unknown:
            raise Unusable(
                f"The answer contains {', '.join(unknown)}; it may contain "
                f"{', '.join(points)}."
            )
        count = len(next(iter(points.values())))
        values = []
        for k in range(count):
            at = {s: sp.Float(points[s.name][k], 30) for s in answer.free_symbols}
            value = answer.subs(at).evalf(30)
            if not value.is_number:
                raise Unusable(f"The answer cannot be evaluated: {value}.")
            values.append(float(value) if value.is_real else float("nan"))
        out[case] = torch.tensor(values, dtype=torch.float64)
    return out


def function(answer) -> None:
    """Raise unless the answer is a function."""
    attempted(answer)
    if not callable(answer):
        raise Unusable(
            f"Give the check the function itself, got {type(answer).__name__}."
        )


def returned(answer: Callable, arguments) -> object:
    """What a function returns for these arguments, if it returns anything."""
    value = answer(*arguments)
    if value is None or value is Ellipsis:
        if is_empty(answer):
            raise NotAttempted
        raise Unusable("Your function returns nothing: is `return` missing?")
    return value


def is_empty(answer: Callable) -> bool:
    """Whether a function has no body but a docstring and dots."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    return all(one.opname in NOTHING for one in dis.get_instructions(code))


def attempted(answer) -> None:
    if answer is None or answer is Ellipsis:
        raise NotAttempted


def number(value) -> Tensor:
    """A number as a tensor of shape (), in double precision."""
    attempted(value)
    try:
        return torch.tensor(float(value), dtype=torch.float64)
    except (TypeError, ValueError):
        raise Unusable(f"Answer with a number, got {value!r}.") from None


def words(answer) -> list[str]:
    """Words and letters, whatever stands around them, in small letters."""
    attempted(answer)
    if hasattr(answer, "tolist"):
        answer = answer.tolist()
    several = [answer] if isinstance(answer, str) else answer
    try:
        several = list(several)
    except TypeError:
        several = [None]
    if not all(isinstance(one, str) for one in several):
        raise Unusable(
            'Answer with a text such as "a", or a set such as {"a", "b"}, got '
            f"{answer!r}."
        )
    found = [word for one in several for word in re.findall(r"[\w-]+", one.lower())]
    if not found:
        raise NotAttempted
    return found


def text(words: str) -> Tensor:
    return torch.tensor(list(words.encode()), dtype=torch.uint8)


def parts(case: str, value) -> dict[str, Tensor]:
    """A returned tensor under the name of its case; each of several under its own."""
    if isinstance(value, (tuple, list)):
        return {f"{case}{OUTPUT}{i}": tensor(case, v) for i, v in enumerate(value, 1)}
    return {case: tensor(case, value).detach()}


def tensor(case: str, value) -> Tensor:
    """A returned value as a tensor."""
    attempted(value)
    if isinstance(value, Tensor):
        return value
    try:
        return torch.as_tensor(value, dtype=torch.get_default_dtype())
    except (TypeError, ValueError, RuntimeError):
        raise Unusable(
            f"It should return a tensor or a number, and returns "
            f"{type(value).__name__} ({case})."
        ) from None


def copies(arguments: tuple) -> tuple:
    """The arguments anew, so that an answer that writes on them spoils nothing."""
    return tuple(a.clone() if isinstance(a, Tensor) else a for a in arguments)


def explain(error: BaseException, where: Callable) -> str | None:
    """What to say of an error that asking an answer raised; None: not attempted.

    where(frame) says where a frame of the traceback is, if that is in the answer.
    """
    frames = traceback.extract_tb(error.__traceback__)
    places = [place for frame in frames if (place := where(frame))]
    unwritten = isinstance(error, NotImplementedError) and where(frames[-1])
    if isinstance(error, NotAttempted) or unwritten:
        return None
    if isinstance(error, Unusable):
        return str(error)
    place = f" ({places[-1]})" if places else ""
    return f"It raises {type(error).__name__}: {error}{place}"
