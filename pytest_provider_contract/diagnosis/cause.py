"""A likely cause as plain data, and how causes read in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

UNEXPLAINED = "no single known fault explains this"
_MOST = 4


@dataclass(frozen=True, slots=True)
class Cause:
    """What makes an operator break the contract, and what to do about it.

    Attributes:
        id: Stable name in kebab-case.
        text: What is wrong, as a clause an engineer can act on.
        remedy: What to do instead; empty where the text says it.
        source: Where the contract says so: T, D, O or I.
        occasional: Whether it explains what was seen only if it happens now and then.
    """

    id: str
    text: str
    remedy: str
    source: str
    occasional: bool = False

    @property
    def wrong(self) -> str:
        """What is wrong, and whether it always is."""
        return f"now and then {self.text}" if self.occasional else self.text

    def __str__(self) -> str:
        return f"{self.wrong}; {self.remedy}" if self.remedy else self.wrong


def likely(causes: Sequence[Cause]) -> str:
    """The causes as one sentence: the one there is, "one of" several, or that none is known."""
    if not causes:
        return UNEXPLAINED
    if len(causes) == 1:
        return str(causes[0])
    several = " · or ".join(str(cause) for cause in causes[:_MOST])
    more = f" · or {len(causes) - _MOST} more" if len(causes) > _MOST else ""
    return f"one of: {several}{more}"
