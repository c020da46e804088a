"""Patients: exercises whose mistakes include the bugs of all other patients."""

from collections.abc import Callable
from dataclasses import dataclass

from vaelib.clinic import answers
from vaelib.clinic.half_cures import bound
from vaelib.clinic.net import healthy
from vaelib.exercises.exercise import Exercise, sentence
from vaelib.exercises.report import Report
from vaelib.listing import Source, source


@dataclass(frozen=True, repr=False)
class Patient(Exercise):
    """A function with one bug, `broken`, that is to be mended.

    Unless told otherwise it is a loss of (net, x), and `healthy` is right. `mistakes`
    are half-cures, `alternatives` are cures of another kind; the docstring of each of
    these functions is what a check says of it. A patient without a `task` lies in the
    clinic only, and shows nothing but his chart.
    """

    name: str = ""
    title: str = ""
    kind: str = "diagnose"
    points: float = 2
    task: str = ""
    reference: Callable | None = healthy
    probe: Callable = answers.ask
    given: Callable = answers.networks
    verify: Callable | None = answers.verdict
    alike: Callable | None = answers.alike
    bed: str = ""
    met: tuple[str, ...] = ()  # where: a document, or owner/repository#thread

    def __post_init__(self):
        code = self.chart.code
        needed = ["binary_cross_entropy_with_logits", "softplus"]
        needed = ", ".join(name for name in needed if f"{name}(" in code)
        needed = f"from torch.nn.functional import {needed}\n\n\n" if needed else ""
        usual = {
            "name": f"clinic-bed-{self.bed.lower()}",
            "title": f"Bed {self.bed}",
            "start": needed + code,
        }
        for field, value in usual.items():
            if not getattr(self, field):
                object.__setattr__(self, field, value)
        super().__post_init__()

    @property
    def chart(self) -> Source:
        """The broken function as it was met; its docstring would give it away."""
        return source(self.broken, docstring=False)

    @property
    def diagnosis(self) -> str:
        """The sentence that names the mistake."""
        return sentence(self.broken)

    def recognised(self, known: Callable, out: dict, given, names) -> bool:
        given = {case: a for case, a in given.items() if a}  # the quick ones tell
        return super().recognised(known, out, given, names)

    def name_mistake(self, out: dict, given, due: dict) -> str:
        named = super().name_mistake(out, given, due)
        if not named and self.recognised(bound, out, given, due):
            return sentence(bound)
        for other in PATIENTS:
            if not named and self.recognised(other.broken, out, given, due):
                named = f"This is the bug of bed {other.bed}. {other.diagnosis}"
        return named

    @property
    def way_on(self) -> str:
        here = f'Stuck? `clinic.patient("{self.bed}").hint()`'
        return super().way_on if self.task else here

    def __repr__(self) -> str:
        return super().__repr__() if self.task else repr(self.chart)

    def _repr_markdown_(self) -> str:
        return super().__repr__() if self.task else self.chart._repr_markdown_()


PATIENTS: list[Patient] = []  # vaelib/clinic/records.py fills it


def patient(bed: str) -> Patient:
    """The patient in this bed."""
    for one in PATIENTS:
        if one.bed == bed:
            return one
    beds = ", ".join(one.bed for one in PATIENTS)
    raise ValueError(f"there is no patient {bed!r}: the beds are {beds}.")


def check(bed: str, answer=None) -> Report:
    """Is this function a cure for the patient? Says what is wrong with it if not."""
    return patient(bed).check(answer)
