"""Ask an answer: call it, or read it, and give back named tensors.

A probe(answer, given) is the only part of an exercise that touches what a student
wrote. It never sees the solution, nor the seed from which `given` was drawn: when
submissions are graded, probes run in a sandbox, and what they give back is judged
outside of it.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from vaelib._state import seeded

Given = dict[str, tuple]
# The seed for what an answer draws itself: another than any of the arguments' seeds, or
# its noise could be the very numbers it is given.
NOISE = 8_317_442


class NotAttempted(Exception):
    """There is no answer yet."""


def call(answer: Callable, given: Given) -> dict[str, Tensor]:
    """What a function returns: given has its arguments, case by case."""
    function(answer)
    out = {}
    for case, arguments in given.items():
        with seeded(NOISE):
            out |= parts(case, answer(*copies(arguments)))
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
            value = tensor(case, answer(*leaves))
        out[case] = value.detach()
        wanted = [a for a in leaves if isinstance(a, Tensor) and a.requires_grad]
        slopes = [None] * len(wanted)
        if value.requires_grad:
            slopes = torch.autograd.grad(value.sum(), wanted, allow_unused=True)
        for number, (leaf, slope) in enumerate(zip(wanted, slopes, strict=True), 1):
            name = f"{case}: gradient by argument {number}"
            out[name] = torch.zeros_like(leaf) if slope is None else slope
    return out


def numbers(answer, given: Given) -> dict[str, Tensor]:
    """A number, or several; given is not used."""
    if isinstance(answer, (tuple, list)):
        if not answer:
            raise NotAttempted
        return {f"number {i}": number(a) for i, a in enumerate(answer, 1)}
    return {"the number": number(answer)}


def choices(answer, given: Given) -> dict[str, Tensor]:
    """One word or letter, or several in any order; given is not used."""
    words = [answer] if isinstance(answer, str) else answer
    attempted(words)
    if isinstance(words, (set, frozenset, tuple, list)):
        words = sorted(words, key=str)
    if not isinstance(words, list) or not all(isinstance(w, str) for w in words):
        raise TypeError(
            f"Answer with a text in quotation marks, or a set of them, got {answer!r}."
        )
    text = ",".join(sorted({" ".join(w.lower().split()) for w in words}))
    if not text:
        raise NotAttempted
    return {"the choice": torch.tensor(list(text.encode()), dtype=torch.uint8)}


def expression(answer, given: Given) -> dict[str, Tensor]:
    """A SymPy expression at the given points: case -> ({symbol's name: values},).

    Values to thirty digits at random points tell expressions apart for certain, and
    know equal ones as equal, which simplification sometimes does not.
    """
    import sympy as sp

    attempted(answer)
    try:
        answer = sp.sympify(answer, strict=True)
    except sp.SympifyError:
        raise TypeError(
            f"Answer with a SymPy expression, got {type(answer).__name__}."
        ) from None
    out = {}
    for case, (points,) in given.items():
        unknown = sorted(s.name for s in answer.free_symbols if s.name not in points)
        if unknown:
            raise ValueError(
                f"The answer contains {', '.join(unknown)}; it may contain "
                f"{', '.join(points)}."
            )
        count = len(next(iter(points.values())))
        values = []
        for k in range(count):
            at = {s: sp.Float(points[s.name][k], 30) for s in answer.free_symbols}
            value = answer.subs(at).evalf(30)
            if not value.is_number:
                raise ValueError(f"The answer cannot be evaluated: {value}.")
            values.append(float(value) if value.is_real else float("nan"))
        out[case] = torch.tensor(values, dtype=torch.float64)
    return out


def function(answer) -> None:
    """Raise unless the answer is a function."""
    attempted(answer)
    if not callable(answer):
        raise TypeError(
            f"Give the check the function itself, got {type(answer).__name__}."
        )


def attempted(answer) -> None:
    if answer is None or answer is Ellipsis:
        raise NotAttempted


def number(value) -> Tensor:
    """A number as a tensor of shape (), in double precision."""
    attempted(value)
    try:
        return torch.tensor(float(value), dtype=torch.float64)
    except (TypeError, ValueError):
        raise TypeError(f"Answer with a number, got {value!r}.") from None


def parts(case: str, value) -> dict[str, Tensor]:
    """A returned tensor under the name of its case; each of several under its own."""
    if isinstance(value, (tuple, list)):
        return {f"{case}, output {i}": tensor(case, v) for i, v in enumerate(value, 1)}
    return {case: tensor(case, value).detach()}


def tensor(case: str, value) -> Tensor:
    attempted(value)
    if isinstance(value, Tensor):
        return value
    try:
        return torch.as_tensor(value, dtype=torch.get_default_dtype())
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"It should return a tensor or a number, and returns "
            f"{type(value).__name__} ({case})."
        ) from None


def copies(arguments: tuple) -> tuple:
    """The arguments anew, so that an answer that writes on them spoils nothing."""
    return tuple(a.clone() if isinstance(a, Tensor) else a for a in arguments)
