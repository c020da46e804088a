"""As many threads as pay: all on idle cores, fewer beside other work.

The threads of an operation wait for the slowest of them. Where another program has
taken a core, all wait for the one that cannot run, and a step of a few milliseconds
takes a hundred. So training compares, every now and then and for a step or two, half
or twice as many threads with what it has, and keeps what is faster. What it computes
does not change but for rounding, and in fully connected models not even that.

Nothing is steered where somebody has chosen: with OMP_NUM_THREADS in the environment.
"""

import math
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator

import torch

SLOW = 0.1  # seconds: longer steps hardly suffer
TRIAL = 3  # steps
RECENT = 8  # steps that say how fast it goes now
FIRST, LAST = 0.5, 8.0  # seconds from a trial to the next: twice as long if in vain
BETTER = 0.9  # of the time, for a change to pay


class Threads:
    """Steers the number of threads by how long steps take; at the end it is `most`."""

    def __init__(self, most: int, use=torch.set_num_threads):
        self.most, self.use, self.here = most, use, most
        self.recent: deque[float] = deque(maxlen=RECENT)
        self.trial: list[float] | None = None
        self.there = self.here  # the number on trial
        self.wait, self.since = FIRST, math.inf  # the first trial comes at once
        self.best = math.inf  # of the usual times since the last trial
        self.down = True

    @classmethod
    def of(cls, device: torch.device) -> "Threads":
        """For training on this device: without a choice where there is none."""
        free = device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ
        return cls(torch.get_num_threads() if free else 1)

    def __enter__(self) -> "Threads":
        return self

    def __exit__(self, *error) -> None:
        if self.here != self.most or self.trial is not None:
            self.use(self.most)

    def steer(self, steps: Iterable) -> Iterator:
        """The same steps; in between, the number of threads may change."""
        for step in steps:
            start = time.monotonic()
            yield step
            self.took(time.monotonic() - start)

    def took(self, seconds: float) -> None:
        """A step took this long."""
        if self.trial is not None:
            self.trial.append(seconds)
            if len(self.trial) == TRIAL or seconds > 3 * mean(self.recent):
                self.decide()
            return
        self.recent.append(seconds)
        self.since += seconds
        usual = mean(self.recent)
        if len(self.recent) > TRIAL:
            self.best = min(self.best, usual)
        due = self.since > max(self.wait, 30 * usual) or usual > 2 * self.best
        if len(self.recent) > TRIAL and due and usual < SLOW:
            self.there = max(1, self.here // 2) if self.down else self.here * 2
            self.there = min(self.there, self.most)
            self.trial = [] if self.there != self.here else None
            self.down = not self.down
            if self.trial is not None:
                self.use(self.there)

    def decide(self) -> None:
        """Keep the number on trial if it is faster; else go back."""
        if mean(self.trial) < BETTER * mean(self.recent):
            self.here, self.wait = self.there, FIRST
            self.recent.clear()
        else:
            self.use(self.here)
            self.wait = min(2 * self.wait, LAST)
        self.trial, self.since, self.best = None, 0.0, math.inf


def mean(values) -> float:
    return sum(values) / len(values)
