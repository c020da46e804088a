"""Patients, and what a check of an answer says."""

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vaelib import _checks as checks
from vaelib.clinic.answers import (
    PROBES,
    NotAttempted,
    difference,
    same,
    same_on_average,
)
from vaelib.clinic.examinations import examine
from vaelib.clinic.half_cures import bound
from vaelib.clinic.net import healthy
from vaelib.listing import Source, source


@dataclass(frozen=True)
class Patient:
    """A function with one bug, how it is mended, and how to tell.

    kind says what the function is: a "loss" of (net, x), or a "bound" of log-weights
    (samples, images). mistakes are half-cures, alternatives are cures that differ from
    `mended`. The docstring of each of these functions is what a check says of it.
    """

    bed: str
    name: str
    broken: Callable
    hints: tuple[str, ...]  # from vague to plain
    met: tuple[str, ...]  # where it was met: a document, or owner/repository#thread
    mended: Callable = healthy
    kind: str = "loss"
    mistakes: tuple[Callable, ...] = ()
    alternatives: tuple[Callable, ...] = ()

    def __post_init__(self):
        for function in (self.broken, *self.mistakes, *self.alternatives):
            if not function.__doc__:
                raise ValueError(
                    f"{function.__name__} needs a docstring: one sentence that names "
                    "the mistake, for the check to say."
                )

    @property
    def diagnosis(self) -> str:
        """The sentence that names the mistake."""
        return sentence(self.broken)

    def check(self, answer) -> "Report":
        """Is the answer right? If not, what is its mistake?"""
        if answer is None or answer is Ellipsis:
            return self._report("not attempted", "Give the check your function.")
        if not callable(answer):
            return self._report(
                "not yet", f"Give the function itself, not a {type(answer).__name__}."
            )
        probe = PROBES[self.kind]
        try:
            out = probe(answer)
        except (NotAttempted, NotImplementedError):
            return self._report("not attempted", "The function returns nothing yet.")
        except Exception as error:
            return self._report("not yet", f"It raises {type(error).__name__}: {error}")
        if same(out, probe(self.mended)):
            return self._report("passed", "It agrees with the mended function.")
        for function in self.alternatives:
            if same(out, probe(function)):
                return self._report("passed", sentence(function))
        for function, before in self._known():
            if same(out, probe(function)):
                return self._report("not yet", before + sentence(function))
        if self.kind == "loss":
            return self._by_examination(answer)
        return self._report("not yet", difference(out, probe(self.mended)))

    def _known(self) -> Iterator[tuple[Callable, str]]:
        """Wrong functions, each with what to say before its sentence."""
        yield self.broken, "Unchanged. "
        for function in self.mistakes:
            yield function, ""
        if self.kind == "loss":
            yield bound, ""
        for other in PATIENTS:
            if other.kind == self.kind and other.bed != self.bed:
                yield other.broken, f"This is the bug of bed {other.bed}. "

    def _by_examination(self, answer) -> "Report":
        """For a loss that draws its noise in another way, or has an unknown mistake."""
        examination = examine(answer)
        if examination.failed:
            first = examination.failed[0]
            text = examination.findings[first].text
            return self._report("not yet", f"It fails the examination {first}: {text}.")
        if same_on_average(answer, self.mended):
            return self._report(
                "passed", "It draws other noise, and agrees on average over it."
            )
        return self._report(
            "not yet", "It passes each examination, but its value is not the bound's."
        )

    def _report(self, outcome: str, text: str) -> "Report":
        return Report(self.bed, outcome, text)

    def hint(self, n: int = 1) -> str:
        """The n-th hint, from vague to plain."""
        if not 1 <= checks.count("n", n) <= len(self.hints):
            raise ValueError(
                f"bed {self.bed} has {len(self.hints)} hints, got n={n}; ask for one "
                f"from 1 to {len(self.hints)}."
            )
        return self.hints[n - 1]

    def solution(self) -> Source:
        """The mended function."""
        return source(self.mended, docstring=False)

    def __repr__(self) -> str:
        return repr(source(self.broken, docstring=False))

    def _repr_markdown_(self) -> str:
        return source(self.broken, docstring=False)._repr_markdown_()


@dataclass(frozen=True)
class Report:
    """The answer of a check: not attempted, not yet, or passed; and why."""

    bed: str
    outcome: str
    text: str

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"

    def __repr__(self) -> str:
        return textwrap.fill(f"Bed {self.bed}: {self.outcome}. {self.text}", 76)

    def _repr_markdown_(self) -> str:
        return f"**Bed {self.bed}: {self.outcome}.** {self.text}"


PATIENTS: list[Patient] = []  # vaelib/clinic/records.py fills it


def sentence(function) -> str:
    """The docstring of a function, on one line."""
    return " ".join(function.__doc__.split())


def patient(name: str) -> Patient:
    """The patient in this bed ("A"), or with this name ("flipped-kl")."""
    for one in PATIENTS:
        if name in (one.bed, one.name):
            return one
    beds = ", ".join(one.bed for one in PATIENTS)
    raise ValueError(f"there is no patient {name!r}: the beds are {beds}.")


def check(name: str, answer=None) -> Report:
    """Is this function a cure for the patient? Says what is wrong with it if not."""
    return patient(name).check(answer)
