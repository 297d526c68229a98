"""One fault, one finding: tests that failed for the same reason belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_provider_contract.rules import RULES
from pytest_provider_contract.wording import SAME_TIME

Finding = Mapping[str, Any]

_AMOUNT = re.compile(r"-?\d[\d ]*")
_ORDER = {rule: number for number, rule in enumerate(RULES)}
# Found by drawing: the directed test of the same fault says more plainly what is wrong.
_DRAWN = "SEQ"
# What shows with any callback shows with every spelling of one.
_ANY_CALLBACK = "SIG"


def grouped_findings(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Findings with the same likely cause, or the same shape of broken step, in one group each.

    Within a group the best evidence comes first: what repeats, then what is shortest. Groups
    are in the catalogue's order of their first finding's rule.
    """
    groups: list[tuple[set[object], list[Finding]]] = []
    for finding in findings:
        keys, members = _keys(finding), [finding]
        apart = []
        for known, others in groups:
            if known & keys:
                keys |= known
                members = others + members
            else:
                apart.append((known, others))
        groups = [*apart, (keys, members)]
    ranked = [sorted(members, key=_rank) for _, members in groups]
    return sorted(ranked, key=lambda members: _ORDER[members[0]["rule"]])


def _rank(finding: Finding) -> tuple[object, ...]:
    flaky = finding["repeated"] < finding["tries"]
    rule = finding["rule"]
    return flaky, rule.startswith(_DRAWN), len(finding["sequence"]), rule.startswith(_ANY_CALLBACK), _ORDER[rule]


def _keys(finding: Finding) -> set[object]:
    keys: set[object] = {("shape", *_shape(finding))}
    if finding["causes"]:
        # Several that the evidence leaves are the same reason only if they are the same several.
        keys.add(("cause", *(cause["id"] for cause in finding["causes"])))
    return keys


def _shape(finding: Finding) -> tuple[str, ...]:
    """What is wrong, without the amounts and ids of this one case."""
    expected, actual = finding["expected"], finding["actual"]
    if not expected.startswith(("balance", "status")):
        # Wrong in form: whatever was asked, the same reply is the same fault. Of replies that no
        # order explains, the callbacks and statuses count and not what was paid.
        return _AMOUNT.sub("", expected), _AMOUNT.sub("", actual) if SAME_TIME in actual else actual
    if expected.startswith("balance"):
        return _words(finding["sequence"]), _direction(expected, actual)
    return _words(finding["sequence"]), expected, actual


def _words(sequence: Sequence[str]) -> str:
    # A closing probe tells of the step before it.
    telling = [step.removeprefix(f"{SAME_TIME} ").partition(" ")[2] for step in sequence]
    told = next((step for step in reversed(telling) if not step.startswith("balance")), telling[-1])
    return _AMOUNT.sub("", told)


def _direction(expected: str, actual: str) -> str:
    permitted = [_number(part) for part in expected.removeprefix("balance ").split(" or ")]
    found = _number(actual.removeprefix("balance "))
    return "too much" if found > max(permitted) else "too little" if found < min(permitted) else "between"


def _number(text: str) -> int:
    digits = "".join(_AMOUNT.findall(text)).replace(" ", "")
    return int(digits) if digits.lstrip("-").isdigit() else 0
