"""What a launch has brought to light, in the form that every finding has."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pytest_provider_contract.diagnosis import Cause
from pytest_provider_contract.finding import Finding, render
from pytest_provider_contract.launch.requests import Mistake
from pytest_provider_contract.rules import RULES

# Enough for every mistake there is; a client that repeats one in a loop must not fill the memory.
_KEPT = 1000

MENDS = {
    "LAUNCH-01": "the base URL ends in /game already, or the path is doubled; call POST {base URL}/game/url",
    "LAUNCH-02": "send JSON with operatorId, partnerId, gameId, username, currency and platform as texts",
    "LAUNCH-03": "a missing value was turned into text; leave the field out or send null",
    "LAUNCH-04": "operatorId was issued to you; partnerId is the name that you give to the brand",
    "LAUNCH-05": "use the operatorId that the provider issued for this environment",
    "LAUNCH-06": "for real play send clientPlayerId and clientSessionId; for demo play send currency XXX and neither",
    "LAUNCH-07": "leave clientPlayerId and clientSessionId out of demo play; for real play send the player's currency",
    "LAUNCH-08": "take the id from POST /game/games, fetched at least daily, and offer only what is enabled",
    "LAUNCH-09": "send the language alone, as two small letters: en, not EN, en-GB or english",
    "LAUNCH-10": "send the country as two capitals: GB, not UK, gb or GBR",
    "LAUNCH-11": "send the currency of the player's wallet as three capitals",
    "LAUNCH-12": "send MOBILE or DESKTOP, in capitals",
    "LAUNCH-13": "the call came from an address that is not on file: a VPN, a proxy, another machine; "
    "register the outbound address. No signature is involved",
    "LAUNCH-14": "the link was reloaded, bookmarked or sent on; ask POST /game/url for a new one",
    "LAUNCH-15": "the link was kept too long; ask POST /game/url when the player starts the game, not before",
    "LAUNCH-16": "the URL is cached, by player, by game or for everybody; ask POST /game/url at every launch",
    "LAUNCH-17": "make a new clientSessionId for the retry: the old one is a bad session that the provider remembers",
    "LAUNCH-18": "make a clientSessionId for every launch",
    "LAUNCH-19": "clientSessionId is a constant, or cached for the wrong player; make one for every launch",
    "LAUNCH-20": "look at /balance: its path, the signature check, the session of this launch, and the firewall",
    "LAUNCH-21": "demo play never asks for /balance, so it shows nothing; /balance is the prime suspect",
    "LAUNCH-22": "answer /win and /rollback quickly and always with 200, then have the settlement pushed again",
    "LAUNCH-23": "void the debit: the provider has no record of the bet, so nothing will ever settle it",
}


@dataclass(slots=True)
class Findings:
    """All findings of one stand-in. Thread-safe.

    Attributes:
        exercised: How often each launch rule was put to the test and held.
    """

    exercised: Counter[str] = field(default_factory=Counter)
    _found: list[Finding] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def report(self, mistake: Mistake, http: str, sequence: Sequence[str], causes: Sequence[Cause] = ()) -> Finding:
        """Record a broken rule.

        Args:
            mistake: What was expected and what was seen.
            http: The request or reply that showed it, in a few words.
            sequence: What led to it, the telling step last.
            causes: Why, for a rule that is not the launch's own.
        """
        mend = MENDS.get(mistake.rule)
        finding = Finding(
            rule=mistake.rule,
            expected=mistake.expected,
            actual=mistake.actual,
            http=http,
            sequence=tuple(f"{number} {step}" for number, step in enumerate(sequence, 1)),
            causes=(Cause(mistake.rule.lower(), mend, "", "T"),) if mend else tuple(causes),
            scenario={},
        )
        with self._lock:
            if len(self._found) < _KEPT:
                self._found.append(finding)
        return finding

    def held(self, rules: Iterable[str]) -> None:
        """Count rules that were put to the test and held."""
        with self._lock:
            self.exercised.update(rules)

    @property
    def all(self) -> tuple[Finding, ...]:
        """Every finding, oldest first."""
        with self._lock:
            return tuple(self._found)

    @property
    def rules(self) -> list[str]:
        """The broken rules, in the order in which they showed, each once."""
        return list(dict.fromkeys(finding.rule for finding in self.all))

    def serious(self, *, strict: bool = False) -> list[Finding]:
        """The findings that fail a test: those of MUST rules, with `strict` all."""
        return [finding for finding in self.all if strict or RULES[finding.rule].level == "MUST"]

    def take(self) -> tuple[Finding, ...]:
        """Every finding, which is forgotten with that."""
        with self._lock:
            taken = tuple(self._found)
            self._found.clear()
        return taken

    def keep(self, findings: Iterable[Finding]) -> None:
        """Put findings back in front."""
        with self._lock:
            self._found[:0] = findings


def told(findings: Iterable[Finding]) -> str:
    """Findings as text, as the suite tells them."""
    return "\n\n".join(render(finding.to_json()) for finding in findings)
