"""What a finding rests on, as plain data that may leave the process: redacted here, once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from pytest_provider_contract.checks import Answer, read_answer
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.ledger import State
from pytest_provider_contract.profile import Profile
from pytest_provider_contract.provider import Performance
from pytest_provider_contract.redaction import hidden, masked, shown_headers, shown_reply, shown_request
from pytest_provider_contract.verdict import Judge
from pytest_provider_contract.wording import describe

# A shortened scenario has a handful; a longer one shows how it began and how it ended.
_KEPT_FIRST, _KEPT_LAST = 8, 32
_KEPT_BALANCES = 4
_TEXT_LIMIT = 4096

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
    """

    exchanges: tuple[Shown, ...]
    left_out: int = 0
    order: tuple[int, ...] | None = None


def evidence_of(performance: Performance, profile: Profile) -> Evidence:
    """The exchanges of a performance, redacted and bounded in size.

    Args:
        performance: What was played.
        profile: Names of fields and of the signature's header.
    """
    exchanges = performance.exchanges
    last = len(exchanges) - 1
    kept = [i for i in range(len(exchanges)) if i < _KEPT_FIRST or i > last - _KEPT_LAST]
    words = _words(performance)
    money = _money(performance, profile)
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
                telling=i == last,
            )
        )
    order = getattr(performance, "order", None)
    if order is not None:
        order = tuple(kept.index(i) for i in order if i in kept)
    return Evidence(tuple(shown), len(exchanges) - len(kept), order)


def secrets_of(performance: Performance) -> set[str]:
    """What must be masked in any text about a performance."""
    return {exchange.callback.session_id for exchange in performance.exchanges}


def _words(performance: Performance) -> list[str]:
    steps = describe(performance.scenario)
    listed = []
    for position in performance.steps:
        told = steps[position] if 0 <= position < len(steps) else f"{position + 1} balance"
        listed.append(told.partition(" ")[2])
    return listed


def _money(performance: Performance, profile: Profile) -> dict[int, tuple[Money, Money]]:
    """What the ledger knows of the money around each exchange: it is judged once more, step by step."""
    if performance.ledger is None or performance.opening is None:
        return {}
    ids = tuple(performance.ledger.currencies)
    judge = Judge(performance.ledger, profile, performance.opening)
    known: dict[int, tuple[Money, Money]] = {}
    first = next((i for i, step in enumerate(performance.steps) if step >= 0), 0)
    order = getattr(performance, "order", None) or range(len(performance.exchanges))
    for i in order:
        if i < first:
            continue
        before = _balances(judge.states, ids)
        broken = judge.see(performance.exchanges[i]) is not None
        known[i] = (before, {} if broken else _balances(judge.states, ids))
        if broken:
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
