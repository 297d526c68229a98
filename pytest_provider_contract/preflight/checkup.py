"""What a first look found: one item for each thing looked at, and how they read as text."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pytest_provider_contract.diagnosis import Cause
from pytest_provider_contract.finding import Finding
from pytest_provider_contract.pages import one_line
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.redaction import hidden
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.scenario import Scenario, Step, to_json

_WIDTH = 100

# What a rule of the chapter is about, in a word.
LABELS = {
    "PREFLIGHT-01": "name",
    "PREFLIGHT-02": "port",
    "PREFLIGHT-03": "TLS",
    "PREFLIGHT-04": "access",
    "PREFLIGHT-05": "path",
    "PREFLIGHT-06": "redirect",
    "PREFLIGHT-07": "wallet",
    "PREFLIGHT-08": "signature",
    "PREFLIGHT-09": "forgery",
    "PREFLIGHT-10": "players",
    "PREFLIGHT-11": "currency",
    "PREFLIGHT-12": "balance",
    "PREFLIGHT-13": "clock",
    "PREFLIGHT-14": "money",
    "PREFLIGHT-15": "bets",
    "PREFLIGHT-16": "restored",
}


class Outcome(StrEnum):
    """How one item fared."""

    GOOD = "good"
    NOTICE = "notice"
    STOP = "stop"


class Who(StrEnum):
    """Whose turn it is."""

    TESTER = "you, who run this"
    OPERATOR = "the operator"
    EITHER = "you or the operator"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was looked at.

    Attributes:
        rule: The rule of the catalogue that it is about.
        outcome: Whether all is well, or worth a notice, or going on would be senseless.
        said: What was met, one line.
        cause: What that means, one sentence; empty when all is well.
        who: Who must mend it, or None when all is well.
        mend: What to do, one sentence.
        seen: The callbacks that show it, in words.
        wrong_use: Whether the options are wrong and the wallet is not to blame.
    """

    rule: str
    outcome: Outcome
    said: str
    cause: str = ""
    who: Who | None = None
    mend: str = ""
    seen: tuple[str, ...] = ()
    wrong_use: bool = False

    def lines(self) -> list[str]:
        """The item as a finding, in the order that every failure has."""
        rule = RULES[self.rule]
        told = (
            ("actual", self.said),
            ("seen", " · ".join(self.seen)),
            ("likely", self.cause),
            ("mend", ": ".join(part for part in (self.who, self.mend) if part)),
        )
        lines = [f"{rule.id} {rule.level}  {rule.text}  [{rule.source}]"]
        for label, text in told:
            if text:
                lines += textwrap.wrap(
                    text,
                    _WIDTH,
                    initial_indent=f"  {label:<10}",
                    subsequent_indent=" " * 12,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
        return lines

    def without(self, secrets: Collection[str]) -> Item:
        """The item with session ids and what looks like a signature masked."""
        said, cause, mend = (hidden(text, secrets) for text in (self.said, self.cause, self.mend))
        return replace(self, said=said, cause=cause, mend=mend, seen=tuple(hidden(s, secrets) for s in self.seen))

    def finding(self) -> Finding:
        """The item as a finding of a run, among those of the suite."""
        return Finding(
            rule=self.rule,
            expected=RULES[self.rule].text,
            actual=self.said,
            http="first look",
            sequence=tuple(f"{number} {words}" for number, words in enumerate(self.seen, 1)) or ("0 nothing was sent",),
            causes=(Cause("first-look", self.cause or self.mend, self.mend if self.cause else "", "T"),),
            scenario=to_json(Scenario((), (Step(Kind.BALANCE),))),
        )

    def sentence(self) -> str:
        """The item on one line."""
        return "; ".join(part for part in (self.said, self.cause, self.mend) if part)


@dataclass(frozen=True, slots=True)
class Checkup:
    """A whole first look.

    Attributes:
        items: In the order of looking; the last one may be a stop.
        callbacks: How many were sent.
        elapsed_s: How long it took, in seconds.
    """

    items: tuple[Item, ...]
    callbacks: int
    elapsed_s: float

    @property
    def stop(self) -> Item | None:
        """Why going on would be senseless, or None."""
        return next((item for item in self.items if item.outcome is Outcome.STOP), None)

    @property
    def notices(self) -> tuple[Item, ...]:
        """What is worth knowing and no reason to stop."""
        return tuple(item for item in self.items if item.outcome is Outcome.NOTICE)

    @property
    def good(self) -> tuple[str, ...]:
        """The rules of which all that was looked at is well."""
        bad = {item.rule for item in self.items if item.outcome is not Outcome.GOOD}
        return tuple(dict.fromkeys(item.rule for item in self.items if item.rule not in bad))

    def checklist(self, ticks: Mapping[Outcome | None, str]) -> list[str]:
        """One line for each thing, in the catalogue's order, and all about what is not well.

        Args:
            ticks: The mark of each outcome; None is for what was not looked at.
        """
        lines = []
        for rule, label in LABELS.items():
            found = [item for item in self.items if item.rule == rule]
            for item in found:
                lines.append(f"{ticks[item.outcome]} {label:<10} {item.said}")
                if item.outcome is not Outcome.GOOD:
                    lines += [f"  {line}" for line in item.lines()]
        if missing := [label for rule, label in LABELS.items() if all(item.rule != rule for item in self.items)]:
            lines.append(f"{ticks[None]} not looked at: {', '.join(missing)}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "callbacks": self.callbacks,
            "elapsed_s": round(self.elapsed_s, 3),
            "items": [
                {
                    "rule": item.rule,
                    "outcome": str(item.outcome),
                    "said": item.said,
                    "cause": item.cause,
                    "who": str(item.who) if item.who else None,
                    "mend": item.mend,
                    "seen": list(item.seen),
                    "wrong_use": item.wrong_use,
                }
                for item in self.items
            ],
        }

    @property
    def verdict(self) -> str:
        """Whether the suite makes sense, in a few words."""
        if self.stop is not None:
            return f"stopped by {self.stop.rule}"
        notices = ", ".join(dict.fromkeys(item.rule for item in self.notices))
        return f"all well but for {notices}" if notices else "all well"

    @property
    def summary(self) -> str:
        """The look in a few words."""
        return f"{self.callbacks} callbacks in {self.elapsed_s:.1f} s"


class SenselessError(Exception):
    """Testing this wallet would be senseless; the item says why."""

    def __init__(self, item: Item) -> None:
        super().__init__(f"{item.rule}: {item.said}")
        self.item = item


def good(rule: str, said: str) -> Item:
    """An item that is well."""
    return Item(rule, Outcome.GOOD, one_line(said))
