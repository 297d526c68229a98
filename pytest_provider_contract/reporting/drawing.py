"""Where everything goes in the report's drawings: plain geometry, which the templates paint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_provider_contract.checks import grouped
from pytest_provider_contract.reporting.model import CallbackTimes

Exchange = Mapping[str, Any]

WIDTH = 440
_LETTER = 6.7  # of the drawings' 12 px font, on average
# Narrow, so that it can be read on a phone; each further lane makes it wider.
_LANE_X, _LANE_GAP, _OPERATOR_X = 28, 26, 410
_LINE = 17


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text beside an arrow: its baseline, text and how it is painted."""

    y: int
    text: str
    style: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """A request (to the operator) or a reply (back), with its lines of text.

    Attributes:
        x: The provider's lane.
        y: Height of the arrow.
        is_reply: Whether it points to the provider.
        style: ``ok``, ``broken`` or ``lost``.
        lines: Texts above and below it.
    """

    x: int
    y: int
    is_reply: bool
    style: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class SequenceDiagram:
    """Provider's lanes on the left, the operator on the right, time downwards."""

    width: int
    height: int
    lanes: tuple[tuple[int, str], ...]
    operator_x: int
    arrows: tuple[Arrow, ...]
    left_out_y: int | None


def sequence_diagram(finding: Mapping[str, Any]) -> SequenceDiagram:
    """Lay out a finding's exchanges; overlapping callbacks get a lane each.

    Args:
        finding: A `ReportedFinding` as plain data, with evidence.
    """
    exchanges = finding["evidence"]["exchanges"]
    lanes = lanes_of(exchanges)
    used = max(lanes, default=0) + 1
    operator_x = _OPERATOR_X + _LANE_GAP * (used - 1)
    several_players = len({e["player"] for e in exchanges}) > 1
    events = sorted(
        [(e["started_ms"], 0, i) for i, e in enumerate(exchanges)]
        + [(max(e["ended_ms"], e["started_ms"]), 1, i) for i, e in enumerate(exchanges)],
        key=lambda event: (event[0], event[2], event[1]) if len(set(lanes)) == 1 else event,
    )
    telling = [i for i, exchange in enumerate(exchanges) if exchange["telling"]]
    last_telling = max(telling, key=lambda i: exchanges[i]["ended_ms"], default=None)
    gap_after = _gap(exchanges, finding["evidence"]["left_out"])
    arrows: list[Arrow] = []
    left_out_y = None
    y = 24 if used == 1 else 40
    for _, is_reply, i in events:
        x = _LANE_X + _LANE_GAP * lanes[i]
        exchange, room = exchanges[i], _room(operator_x - x)
        if is_reply:
            arrow, y = _reply_arrow(
                exchange,
                finding["expected"] if i == last_telling else None,
                x,
                y,
                room,
                several_players=several_players,
            )
            arrows.append(arrow)
            if i == gap_after:
                left_out_y = y
                y += 2 * _LINE
        else:
            y += _LINE
            label = _shortened(
                f"{exchange['step']} {exchange['words']}" if exchange["step"] else "balance", _room(operator_x - x)
            )
            style = "broken" if exchange["telling"] else "ok"
            arrows.append(Arrow(x, y + 7, False, style, (Line(y, label, f"what {style}"),)))
            y += 12
    named = tuple((_LANE_X + _LANE_GAP * n, "" if used == 1 else str(n + 1)) for n in range(used))
    return SequenceDiagram(operator_x + 30, y + 8, named, operator_x, tuple(arrows), left_out_y)


def _reply_arrow(
    exchange: Exchange, expected: str | None, x: int, y: int, room: int, *, several_players: bool
) -> tuple[Arrow, int]:
    broken, lost = exchange["telling"], exchange["http_status"] is None
    style = "broken" if broken else "lost" if lost else "ok"
    y += _LINE + 3
    lines = [Line(y, _shortened(_outcome(exchange), room), style)]
    arrow_y = y + 6
    y = arrow_y + 2
    if expected is not None:
        y += _LINE
        lines.append(Line(y, _shortened(f"expected {expected}", room), "broken"))
    if money := _money(exchange, several_players):
        y += _LINE - 2
        lines.append(Line(y, _shortened(money, room), "money"))
    return Arrow(x, arrow_y, True, style, tuple(lines)), y + 6


def _room(width: int) -> int:
    return int((width - 20) / _LETTER)


def _gap(exchanges: Sequence[Exchange], left_out: int) -> int | None:
    if not left_out:
        return None
    # The first of them is cut where the step numbers jump.
    jumps = [i for i in range(len(exchanges) - 1) if exchanges[i + 1]["step"] - exchanges[i]["step"] > 1]
    return jumps[0] if jumps else None


def lanes_of(exchanges: Sequence[Exchange]) -> list[int]:
    """For each exchange the first lane that is free when it starts."""
    free_from: list[float] = []
    lanes = []
    for exchange in exchanges:
        lane = next((n for n, end in enumerate(free_from) if end <= exchange["started_ms"]), len(free_from))
        if lane == len(free_from):
            free_from.append(0.0)
        free_from[lane] = exchange["ended_ms"]
        lanes.append(lane)
    return lanes


def _outcome(exchange: Exchange) -> str:
    took = f"{exchange['ended_ms'] - exchange['started_ms']:.0f} ms"
    if exchange["http_status"] is None:
        return f"no reply: {exchange['failure'] or 'the outcome is unknown'}"
    if exchange["status"] is None:
        return f"HTTP {exchange['http_status']}, {took}"
    balance = "" if exchange["balance"] is None else f" · balance {grouped(exchange['balance'])}"
    return f"{exchange['status']}{balance} · {took}"


def _money(exchange: Exchange, several_players: bool) -> str:
    parts = []
    for player, before in exchange["before"].items():
        after = exchange["after"].get(player, ())
        if not before or (player != exchange["player"] and list(before) == list(after)):
            continue
        name = f"{player} " if several_players else "money "
        if not after:
            parts.append(f"{name}{_amounts(before)} before")
        elif list(before) == list(after):
            parts.append(f"{name}{_amounts(after)}, unchanged")
        else:
            parts.append(f"{name}{_amounts(before)} → {_amounts(after)}")
    return "; ".join(parts)


def _amounts(values: Sequence[int]) -> str:
    return " or ".join(grouped(value) for value in values)


def _shortened(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


# -- timeline ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    """One exchange's interval: its row's height, its extent, its words and its place in the order."""

    y: int
    x: float
    width: float
    label: str
    place: int | None
    style: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Intervals of concurrent callbacks over a common axis in milliseconds."""

    height: int
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    order: tuple[str, ...] | None


def timeline(evidence: Mapping[str, Any]) -> Timeline | None:
    """The callbacks that overlapped, or None where none did."""
    exchanges = evidence["exchanges"]
    overlapping = [
        i
        for i, one in enumerate(exchanges)
        if any(
            i != j and one["started_ms"] < other["ended_ms"] and other["started_ms"] < one["ended_ms"]
            for j, other in enumerate(exchanges)
        )
    ]
    if not overlapping:
        return None
    shown = [(i, exchanges[i]) for i in overlapping]
    first = min(e["started_ms"] for _, e in shown)
    last = max(e["ended_ms"] for _, e in shown)
    scale = (WIDTH - 20) / max(last - first, 0.001)
    order = evidence["order"]
    places = {i: n for n, i in enumerate([i for i in order if i in overlapping], 1)} if order else {}
    bars = tuple(
        Bar(
            y=34 + 34 * row,
            x=round(10 + (e["started_ms"] - first) * scale, 1),
            width=round(max((e["ended_ms"] - e["started_ms"]) * scale, 3), 1),
            label=_shortened(f"{e['step']} {e['words']} — {_outcome(e)}", int(WIDTH / _LETTER) - 4),
            place=places.get(i),
            style="broken" if e["telling"] else "lost" if e["http_status"] is None else "ok",
        )
        for row, (i, e) in enumerate(shown)
    )
    ticks = tuple((round(10 + x * scale, 1), f"{x:g} ms") for x in _round_steps(last - first))
    # An order explains them only if it holds all that got a reply.
    whole = all(i in places for i, e in shown if e["http_status"] is not None)
    named = tuple(f"{exchanges[i]['step']} {exchanges[i]['words']}" for i in places) if whole else None
    return Timeline(34 + 34 * len(bars) + 26, bars, ticks, named)


def _round_steps(span: float) -> list[float]:
    step = 10 ** math.floor(math.log10(max(span, 0.01)))
    for factor in (2, 1, 0.5, 0.2):
        if span / (step * factor) >= 3:  # noqa: PLR2004 - of a second - at least three intervals
            step *= factor
            break
    return [round(n * step, 6) for n in range(int(span / step) + 1)]


# -- latency ----------------------------------------------------------------------------------------

_BINS = 48
_TALLEST = 44


@dataclass(frozen=True, slots=True)
class LatencyChart:
    """How one callback's times are distributed, on a logarithmic axis."""

    bars: tuple[tuple[float, float, float], ...]
    deadline_x: float
    p50_x: float | None
    p95_x: float | None
    ticks: tuple[tuple[float, str], ...]


def latency_charts(callbacks: Sequence[CallbackTimes]) -> dict[str, LatencyChart]:
    """A chart per callback that was sent; all share one axis, so that they can be compared."""
    sent = [times for times in callbacks if times.sent]
    if not sent:
        return {}
    low = math.floor(math.log10(min(times.buckets[0][0] for times in sent)))
    high = math.log10(max(max(times.buckets[-1][0], times.deadline_s * 1000) for times in sent)) + 0.15
    span = high - low

    def place(value_ms: float) -> float:
        return round(10 + (math.log10(value_ms) - low) / span * (WIDTH - 20), 1)

    ticks = tuple((place(10.0**power), _duration(10.0**power)) for power in range(low, math.floor(high) + 1))
    charts = {}
    for times in sent:
        counts = [0] * _BINS
        for upper_ms, count in times.buckets:
            share = (math.log10(upper_ms) - low) / span
            counts[min(_BINS - 1, max(0, int(share * _BINS)))] += count
        tallest = max(counts)
        width = (WIDTH - 20) / _BINS
        bars = tuple(
            (round(10 + n * width, 1), round(width - 1, 1), round(max(count / tallest * _TALLEST, 1.5), 1))
            for n, count in enumerate(counts)
            if count
        )
        charts[times.callback] = LatencyChart(
            bars,
            place(times.deadline_s * 1000),
            None if times.p50_ms is None else place(times.p50_ms),
            None if times.p95_ms is None else place(times.p95_ms),
            ticks,
        )
    return charts


def _duration(value_ms: float) -> str:
    return f"{value_ms:g} ms" if value_ms < 1000 else f"{value_ms / 1000:g} s"  # noqa: PLR2004 - of a second
