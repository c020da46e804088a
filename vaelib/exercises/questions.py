"""Questions with a choice of answers, for the page: each answer says why."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """An answer to choose, and the sentence that one reads after choosing it."""

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question of which exactly one choice is right.

    Texts are plain or have <i>, <sub>, <sup>, <code>: no Markdown and no TeX. A wrong
    choice is one that learners really make, and its `why` clears it up.
    """

    text: str
    choices: tuple[Choice, ...]

    def __post_init__(self):
        if sum(choice.right for choice in self.choices) != 1:
            raise ValueError(
                f"exactly one choice of {self.text!r} must be right, got "
                f"{sum(choice.right for choice in self.choices)}."
            )
