"""What a check says: not attempted, not yet or passed; and why."""

import textwrap
from dataclasses import dataclass

NOT_ATTEMPTED, NOT_YET, PASSED = "not attempted", "not yet", "passed"
TO_READ = "for a reader"  # an open answer: no program can judge it


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is right, and what was seen."""

    ok: bool
    text: str


@dataclass(frozen=True)
class Report:
    """The answer of a check."""

    name: str
    points: float
    outcome: str
    text: str  # the name of the mistake, where it is known
    findings: tuple[Finding, ...] = ()
    more: str = ""  # where to go from here
    score: float = 0.0  # points earned

    @property
    def passed(self) -> bool:
        return self.outcome == PASSED

    @property
    def credit(self) -> str:
        if self.outcome == TO_READ:
            return in_points(self.points)
        return f"{number(self.score)} of {in_points(self.points)}"

    def __repr__(self) -> str:
        lines = [f"{self.name}: {self.outcome} ({self.credit})"]
        lines += textwrap.wrap(self.text, 76)
        for found in self.findings:
            mark = "  ok    " if found.ok else "  FAIL  "
            lines += textwrap.wrap(
                found.text, 76, initial_indent=mark, subsequent_indent=" " * 8
            )
        return "\n".join(lines + textwrap.wrap(self.more, 76))

    def _repr_markdown_(self) -> str:
        head = f"**{self.outcome.capitalize()}** ({self.credit}). {self.text}"
        blocks = [head.rstrip()]
        if self.findings:
            blocks.append(
                "\n".join(
                    f"- {'✓' if found.ok else '**✗**'} {found.text}"
                    for found in self.findings
                )
            )
        return "\n\n".join([*blocks, self.more]).strip()


def number(value: float) -> str:
    """Points as people write them: 2.5, 1000, 0.3333."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def in_points(points: float) -> str:
    return f"{number(points)} point{'' if points == 1 else 's'}"


class Text(str):
    """Markdown that a notebook renders and a terminal shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)
