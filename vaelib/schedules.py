"""Schedules for beta: plain functions of the fraction of training done, in [0, 1).

fit(..., beta=linear(until=0.3)) calls the schedule before each step.
"""

from collections.abc import Callable

Schedule = Callable[[float], float]


def constant(beta: float = 1.0) -> Schedule:
    """The same beta throughout."""
    return lambda fraction: beta


def linear(until: float = 0.5, start: float = 0.0, end: float = 1.0) -> Schedule:
    """From start to end over the first part of training, then end.

    Source: Bowman et al. (2016), who warm the KL up against posterior collapse.
    """
    _check_fraction("until", until)
    return lambda fraction: start + (end - start) * min(1.0, fraction / until)


def cyclical(cycles: int = 4, ratio: float = 0.5, end: float = 1.0) -> Schedule:
    """A sawtooth: each cycle rises from 0 to end in its first ratio, then stays.

    Source: Fu et al. (2019).
    """
    if cycles < 1:
        raise ValueError(f"cycles must be at least 1, got {cycles}.")
    _check_fraction("ratio", ratio)
    return lambda fraction: end * min(1.0, (fraction * cycles % 1.0) / ratio)


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"{name} must lie in (0, 1], got {value}.")
