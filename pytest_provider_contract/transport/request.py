"""What is sent, what is to go wrong with it, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pytest_provider_contract.transport.reply import Header, Reply


class Fault(StrEnum):
    """What the network does to a callback on its way, on purpose."""

    REPLY_LOST = "reply-lost"
    CUT = "cut"
    RESET = "reset"
    TWICE = "twice"
    SLOW_WRITE = "slow-write"
    SLOW_READ = "slow-read"

    @property
    def hides_reply(self) -> bool:
        """Whether nobody learns what the operator answered."""
        return self in (Fault.REPLY_LOST, Fault.CUT, Fault.RESET)


@dataclass(frozen=True, slots=True)
class Request:
    """One POST.

    Attributes:
        path: Appended to the endpoint's path.
        headers: Further headers; Host and Content-Length are added.
        body: The exact body bytes.
        deadline_s: Seconds from its last byte on until the reply's last byte must have come.
        fault: What goes wrong on the way, or None.
    """

    path: str
    headers: tuple[Header, ...]
    body: bytes
    deadline_s: float
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Timed:
    """A reply and the interval in which the operator must have dealt with the request.

    Attributes:
        reply: What came back.
        started_s: Monotonic seconds just before the request's last byte left; just before its
            first where the operator answered before it had them all.
        ended_s: Monotonic seconds when the reply's last byte had come, or was given up.
        twin: The other delivery of a request that was sent twice; `reply` is the one that was
            complete first.
    """

    reply: Reply
    started_s: float
    ended_s: float
    twin: Timed | None = None


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much at the same time requests were that were sent together.

    Attributes:
        asked: How many there were.
        reached: Largest number of them that were under way at one moment.
        spread_s: Seconds from the first to the last release.
    """

    asked: int
    reached: int
    spread_s: float


def overlap(intervals: Iterable[tuple[float, float]]) -> Overlap:
    """Measure the overlap of intervals of monotonic seconds, each from start to end."""
    known = list(intervals)
    if not known:
        return Overlap(0, 0, 0.0)
    # An end sorts before a start at the same moment: touching is no overlap.
    events = sorted([(start, 1) for start, _ in known] + [(end, -1) for _, end in known])
    reached = under_way = 0
    for _, change in events:
        under_way += change
        reached = max(reached, under_way)
    starts = [start for start, _ in known]
    return Overlap(len(known), reached, max(starts) - min(starts))
