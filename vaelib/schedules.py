"""Schedules: plain functions of the fraction of training done, in [0, 1).

fit(..., beta=linear(until=0.3), lr=one_cycle(0.008)) calls them before each step.
"""

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def constant(value: float = 1.0) -> Schedule:
    """The same value throughout."""
    return _named(f"constant({value:g})", lambda fraction: value)


def linear(until: float = 0.5, start: float = 0.0, end: float = 1.0) -> Schedule:
    """From start to end over the first part of training, then end.

    Source: Bowman et al. (2016), who warm the KL up against posterior collapse.
    """
    _check_fraction("until", until)
    return _named(
        f"linear(until={until:g}, start={start:g}, end={end:g})",
        lambda fraction: start + (end - start) * min(1.0, fraction / until),
    )


def cyclical(cycles: int = 4, ratio: float = 0.5, end: float = 1.0) -> Schedule:
    """A sawtooth: each cycle rises from 0 to end in its first ratio, then stays.

    Source: Fu et al. (2019).
    """
    if cycles < 1:
        raise ValueError(f"cycles must be at least 1, got {cycles}.")
    _check_fraction("ratio", ratio)
    return _named(
        f"cyclical(cycles={cycles:g}, ratio={ratio:g}, end={end:g})",
        lambda fraction: end * min(1.0, (fraction * cycles % 1.0) / ratio),
    )


def one_cycle(peak: float, warm: float = 0.2) -> Schedule:
    """For the learning rate: from peak / 25 up to peak, then down to peak / 100.

    Half a cosine each way; warm is the fraction of training that goes up. The rise
    lets Adam stand a peak it could not start with, the fall averages the noise of the
    steps away.
    Source: Smith and Topin (2019).
    """
    _check_fraction("warm", warm)
    if not (math.isfinite(peak) and peak > 0):
        raise ValueError(f"peak must be a positive number, got {peak!r}.")

    def between(start: float, end: float, done: float) -> float:
        return end + (start - end) * (1 + math.cos(math.pi * done)) / 2

    def schedule(fraction: float) -> float:
        if fraction < warm:
            return between(peak / 25, peak, fraction / warm)
        return between(peak, peak / 100, (fraction - warm) / max(1 - warm, 1e-9))

    return _named(f"one_cycle(peak={peak:g}, warm={warm:g})", schedule)


def _named(name: str, schedule: Schedule) -> Schedule:
    """With its arguments, by which a checkpoint knows it again."""
    schedule.__qualname__ = name
    return schedule


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"{name} must lie in (0, 1], got {value}.")
