"""What a finding rests on, as plain data that may leave the process: redacted here, once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_provider_contract.checks import Answer, Violation, read_answer
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.ledger import State
from pytest_provider_contract.profile import Profile
from pytest_provider_contract.provider import Performance
from pytest_provider_contract.redaction import hidden, masked, shown_headers, shown_reply, shown_request
from pytest_provider_contract.verdict import Judge
from pytest_provider_contract.wording import SAME_TIME, describe

# A shortened scenario has a handful; a longer one shows how it began and how it ended.
_KEPT_FIRST, _KEPT_LAST = 8, 32
_KEPT_BALANCES = 4
_TEXT_LIMIT = 4096

_REPLY_FIELDS = ("status", "requestId", "clientPlayerId", "currency", "balance")

Money = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Shown:
    """One exchange of a finding.

    Attributes:
        step: Number of its step from 1, as in the sequence; 0 for an opening probe.
        words: The step in words.
        callback: ``balance``, ``bet``, ``win`` or ``rollback``.
        path: Path behind the base URL.
        player: The player's id.
        sent_at: Its timestamp: ISO 8601, UTC.
        started_ms: Milliseconds from the first exchange's start to this one's.
        ended_ms: Milliseconds from the first exchange's start to this one's end.
        request_headers: Names and values, secrets masked.
        request_body: Laid out as text, secrets masked.
        http_version: Version of HTTP.
        http_status: HTTP status, None without a reply.
        failure: Why there is no complete reply, or None.
        reply_headers: Names and values, all but harmless ones masked.
        reply_body: Laid out as text, all but the contract's values and words masked.
        status: The contract's status, None where the reply is none.
        balance: Reported minor units, or None.
        before: Minor units per player that the ledger allows before it; several where the
            contract leaves a choice, none where nobody knows.
        after: Likewise after it.
        telling: Whether it showed the violation.
    """

    step: int
    words: str
    callback: str
    path: str
    player: str
    sent_at: str
    started_ms: float
    ended_ms: float
    request_headers: tuple[tuple[str, str], ...]
    request_body: str
    http_version: str
    http_status: int | None
    failure: str | None
    reply_headers: tuple[tuple[str, str], ...]
    reply_body: str
    status: str | None
    balance: int | None
    before: Money = field(default_factory=dict)
    after: Money = field(default_factory=dict)
    telling: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """The exchanges of one performance.

    Attributes:
        exchanges: In the order of sending.
        left_out: How many between the first and the last are not kept.
        order: Positions in `exchanges` in an order that explains concurrent ones; None where
            there is none, or nothing was concurrent.
        differs: What is wrong in the telling reply: a field's name on the wire, ``HTTP`` for
            the status line, or a header's name; None where it is no single thing.
    """

    exchanges: tuple[Shown, ...]
    left_out: int = 0
    order: tuple[int, ...] | None = None
    differs: str | None = None


def evidence_of(performance: Performance, profile: Profile) -> Evidence:
    """The exchanges of a performance, redacted and bounded in size.

    Args:
        performance: What was played.
        profile: Names of fields and of the signature's header.
    """
    exchanges = performance.exchanges
    groups = _groups(performance)
    last = len(exchanges) - 1
    kept = [i for i in range(len(exchanges)) if i < _KEPT_FIRST or i > last - _KEPT_LAST]
    # What no order explains is told by all that were sent at the same time.
    telling = next((group for group in groups if last in group and not _ordered(group, performance)), [last])
    words = _words(performance)
    money = _money(performance, profile, groups)
    start_s = exchanges[0].started_s if exchanges else 0.0
    shown = []
    for i in kept:
        before, after = money.get(i, ({}, {}))
        shown.append(
            replace(
                _shown(exchanges[i], profile),
                step=performance.steps[i] + 1,
                words=words[i],
                started_ms=round((exchanges[i].started_s - start_s) * 1000, 3),
                ended_ms=round((exchanges[i].ended_s - start_s) * 1000, 3),
                before=before,
                after=after,
                telling=i in telling,
            )
        )
    concurrent = any(len(group) > 1 for group in groups)
    order = tuple(kept.index(i) for i in performance.order if i in kept) if concurrent else None
    return Evidence(tuple(shown), len(exchanges) - len(kept), order or None, _differing(performance.violation, profile))


def _groups(performance: Performance) -> list[list[int]]:
    """Indexes of the exchanges, those together that were sent at the same time."""
    together = {step: group.start for group in performance.scenario.groups() if len(group) > 1 for step in group}
    groups: list[list[int]] = []
    for i, step in enumerate(performance.steps):
        previous = performance.steps[groups[-1][-1]] if groups else None
        if step in together and previous is not None and together.get(previous) == together[step]:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _ordered(group: Collection[int], performance: Performance) -> bool:
    return any(i in performance.order for i in group)


def _differing(violation: Violation | None, profile: Profile) -> str | None:
    # A violation names first what it is about: "balance 99 000", "HTTP 500", "requestId …".
    subject = violation.actual.partition(" ")[0].rstrip(":") if violation else ""
    if subject in ("HTTP", "Content-Type"):
        return subject
    return profile.fields.get(subject, subject) if subject in _REPLY_FIELDS else None


def secrets_of(performance: Performance) -> set[str]:
    """What must be masked in any text about a performance."""
    return {exchange.callback.session_id for exchange in performance.exchanges}


def _words(performance: Performance) -> list[str]:
    steps = describe(performance.scenario)
    listed = []
    for position in performance.steps:
        told = steps[position] if 0 <= position < len(steps) else f"{position + 1} balance"
        # The number is told apart, and so is what was sent at the same time.
        listed.append(told.removeprefix(f"{SAME_TIME} ").partition(" ")[2])
    return listed


def _money(
    performance: Performance, profile: Profile, groups: Sequence[Sequence[int]]
) -> dict[int, tuple[Money, Money]]:
    """What the ledger knows of the money around each exchange: all are judged once more.

    Of callbacks that were sent at the same time, the one that ended last gets what holds
    before and after all of them.
    """
    if performance.ledger is None or performance.opening is None:
        return {}
    ids = tuple(performance.ledger.currencies)
    judge = Judge(performance.ledger, profile, performance.opening)
    known: dict[int, tuple[Money, Money]] = {}
    for group in groups:
        seen = [performance.exchanges[i] for i in group if performance.steps[i] >= 0]
        if not seen:
            continue
        before = _balances(judge.states, ids)
        violation = judge.see(seen[0]) if len(seen) == 1 else judge.see_together(seen)
        over = violation is not None or judge.undecided
        ended_last = max(group, key=lambda i: performance.exchanges[i].ended_s)
        known[ended_last] = (before, {} if over else _balances(judge.states, ids))
        if over:
            break
    return known


def _balances(states: Collection[State], ids: Collection[str]) -> Money:
    return {id_: tuple(sorted({state.balances[id_] for state in states})[:_KEPT_BALANCES]) for id_ in ids}


def _shown(exchange: Exchange, profile: Profile) -> Shown:
    """What one exchange shows by itself; its place in the sequence is filled in later."""
    callback, reply = exchange.callback, exchange.reply
    session = callback.session_id
    session_field = profile.fields.get("clientSessionId", "clientSessionId")
    answer = None if reply.status is None else read_answer(exchange, profile)
    known = answer if isinstance(answer, Answer) else None
    ids = (callback.request_id, callback.player_id, callback.transaction_id or "")
    failure = str(reply.failure) if reply.failure else None
    return Shown(
        step=0,
        words="",
        callback=str(exchange.kind),
        path=exchange.path,
        player=callback.player_id,
        sent_at=callback.timestamp,
        started_ms=0.0,
        ended_ms=0.0,
        request_headers=_request_headers(exchange, profile),
        request_body=_cut(shown_request(exchange.body, session_field, session)),
        http_version=reply.version,
        http_status=reply.status,
        failure="the idle connection was closed without a reply" if reply.idle else failure,
        reply_headers=tuple((name, hidden(value, [session])) for name, value in shown_headers(reply.headers)),
        reply_body=_cut(hidden(shown_reply(reply.body, profile.fields, ids), [session])),
        status=str(known.status) if known else None,
        balance=known.balance if known else None,
    )


def _request_headers(exchange: Exchange, profile: Profile) -> tuple[tuple[str, str], ...]:
    signature = profile.signature_header.lower().encode()
    ours = {b"content-type", b"accept", b"accept-encoding", b"user-agent"} - {signature}
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1") if name.lower() in ours else masked(value.decode("latin-1")))
        for name, value in exchange.headers
    )


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_LIMIT else text[:_TEXT_LIMIT] + "\n… cut"
