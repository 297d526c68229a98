"""The verdict of a whole run, and the table that ends it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pytest_provider_contract.profile import Kind
from pytest_provider_contract.results import Results, gave_way
from pytest_provider_contract.rules import ALTERNATIVES, CHAPTERS, RULES
from pytest_provider_contract.settings import Settings

_TABLE_WIDTH = 72


@dataclass(frozen=True, slots=True)
class Verdict:
    """How every rule of a run fared.

    Attributes:
        states: Per rule id ``passed``, ``failed``, ``advisory`` or ``not tested``; of the rules
            that the suite does not test only those that were put to the test elsewhere.
        reasons: Per untested rule why.
        missing: Untested rules that the options did not switch off: these fail the run.
    """

    states: dict[str, str]
    reasons: dict[str, str]
    missing: tuple[str, ...]


def judge_rules(results: Results, settings: Settings, selected: Collection[str]) -> Verdict:
    """Work out how every rule fared.

    Args:
        results: What the run found.
        settings: What it was asked for.
        selected: Rules whose tests pytest was to run.
    """
    states: dict[str, str] = {}
    reasons: dict[str, str] = {}
    missing = []
    for id_, rule in RULES.items():
        if id_ in results.broken:
            states[id_] = "failed"
        elif id_ in results.advisories:
            # Only what the whole run shows is no finding by now although the run is strict.
            states[id_] = "failed" if settings.strict else "advisory"
        elif results.exercised[id_] and (id_ in selected or rule.part != "suite"):
            states[id_] = "passed"
        elif rule.part == "suite":
            states[id_] = "not tested"
            if id_ not in selected:
                reasons[id_] = "not selected"
                continue
            off = settings.lacks(rule.needs)
            reasons[id_] = off or _reason(id_, results)
            other = ALTERNATIVES.get(id_)
            if off is None and other and results.exercised[other]:
                reasons[id_] = f"the operator chose the other conforming way, see {other}"
            elif off is None and id_ not in results.not_tested:
                missing.append(id_)
    return Verdict(states, reasons, tuple(missing))


def _reason(id_: str, results: Results) -> str:
    if id_ in results.not_tested:
        return results.not_tested[id_]
    if results.slow:
        return results.slow
    if results.gone:
        return f"the operator stopped answering: {results.gone}"
    if results.broken:
        return "its test was stopped by another violation: " + ", ".join(sorted(results.broken)[:3])
    return "nothing that was sent put it to the test"


def table(results: Results, verdict: Verdict, settings: Settings, width: int = 80) -> list[str]:
    """The lines of the closing table; on a narrow terminal chapters have their short names."""
    parts = (
        _by_chapter(verdict, width),
        _by_callback(results),
        _of_the_run(results, settings),
        _of_rules(results, verdict),
    )
    lines = [line for part in parts if part for line in (*part, "")][:-1]
    if settings.unsigned:
        lines.append("UNSIGNED RUN: no callback was signed and no signature rule was tested; this can't certify.")
    return lines


def _by_chapter(verdict: Verdict, width: int) -> list[str]:
    column = 38 if width >= _TABLE_WIDTH else 10
    lines = [f"{'chapter':<{column}}{'passed':>7}{'failed':>7}{'advisory':>9}{'not tested':>11}"]
    for chapter, title in CHAPTERS.items():
        ids = [id_ for id_, rule in RULES.items() if rule.chapter == chapter and id_ in verdict.states]
        if all(verdict.reasons.get(id_) == "not selected" for id_ in ids):
            continue
        counts = [sum(verdict.states[id_] == s for id_ in ids) for s in ("passed", "failed", "advisory", "not tested")]
        name = title if width >= _TABLE_WIDTH else chapter
        lines.append(f"{name:<{column}}{counts[0]:>7}{counts[1]:>7}{counts[2]:>9}{counts[3]:>11}")
    return lines


def _by_callback(results: Results) -> list[str]:
    lines = [f"{'callback':<12}{'sent':>8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}"]
    for kind in Kind:
        histogram = results.latency[kind]
        shares = (histogram.percentile_ms(share) for share in (0.5, 0.95, 0.99))
        shown = "".join(f"{'-' if ms is None else f'{ms:.1f}':>9}" for ms in shares)
        lines.append(f"/{kind:<11}{histogram.count:>8}{shown}")
    return lines


def _of_the_run(results: Results, settings: Settings) -> list[str]:
    total = sum(histogram.count for histogram in results.latency.values())
    lines = [f"{total} callbacks in {results.sequences} sequences, seed {settings.seed}"]
    if groups := results.overlaps.total():
        asked, reached = (sum(widths[i] * n for widths, n in results.overlaps.items()) / groups for i in (0, 1))
        lines.append(f"{groups} times {asked:.1f} callbacks were sent together; {reached:.1f} were under way at once")
    if results.undecided:
        lines.append(f"{results.undecided} sequences told too little to be judged: no order of them was found in time")
    if results.left_out:
        lines.append(gave_way(results.left_out))
    lines.append("left on the players' accounts: " + ("; ".join(results.left) or "nothing"))
    return lines


def _of_rules(results: Results, verdict: Verdict) -> list[str]:
    lines = []
    for id_, evidence in sorted(results.advisories.items()):
        if RULES[id_].part == "preflight":
            continue  # the first look tells its own in full
        lines.append(f"advisory  {id_} SHOULD  {RULES[id_].text}  ({evidence['count']}x; {evidence['evidence']})")
    grouped: dict[str, list[str]] = {}
    for id_, reason in verdict.reasons.items():
        if reason != "not selected":
            grouped.setdefault(reason, []).append(id_)
    return lines + [f"not tested  {', '.join(ids)}: {reason}" for reason, ids in grouped.items()]
