"""Transactions of a run whose outcome is certain, kept to be replayed when they are old.

A wallet that forgets does so after some time, after many other transactions, or when it is
restarted. So a few bets of every outcome are kept, spread over the run; replaying them later
must move nothing, and be answered as the contract says.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from pytest_provider_contract.callbacks import Callback, about, new_id, now
from pytest_provider_contract.checks import Violation
from pytest_provider_contract.client import TRIES_IF_IDLE
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.ledger import UNTOLD, BetRecord, Fate, Ledger, State, WinRecord
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.provider import Performance, Provider
from pytest_provider_contract.scenario import BetPlan, Scenario, Step, balance, bet, rollback, win
from pytest_provider_contract.verdict import Judge

RULE = "IDEM-09"
# So many callbacks later a replay also shows that a wallet does not forget by number.
MANY_RULE, MANY = "IDEM-08", 50
# The ledger's rules that a replay puts to the test.
_REPLAYED = (
    "IDEM-01", "IDEM-02", "IDEM-06", "IDEM-07", "ROLLBACK-02", "ROLLBACK-03", "ROLLBACK-05", "ROLLBACK-07",
)  # fmt: skip
_PER_OUTCOME = 8
# A bet that was announced by its rollback only still needs an amount.
_AWAITED_STAKE = 100


@dataclass(frozen=True, slots=True)
class Keepsake:
    """A bet that will not change any more, and the callbacks that made it so; or one that is held open.

    Attributes:
        outcome: What became of it, in a word or two.
        bet: The bet as it was sent; for an awaited one as it would be.
        record: What the wallet holds of it.
        win: The win that settled it, or that is to settle it.
        win_record: What the wallet holds of the win.
        rollback: The last rollback that succeeded, or that is to be the first.
        rollback_reported: The balance in minor units that its first reply reported.
        kept_s: Monotonic seconds of keeping it.
        kept_at: How many callbacks the run had sent by then.
    """

    outcome: str
    bet: Callback
    record: BetRecord
    win: Callback | None = None
    win_record: WinRecord | None = None
    rollback: Callback | None = None
    rollback_reported: int | None = None
    kept_s: float = 0.0
    kept_at: int = 0

    @property
    def player_id(self) -> str:
        """Whose bet it is."""
        return self.bet.player_id

    def replays(self) -> Iterator[Callback]:
        """What to send again first; ids of requests and times are the sender's to renew.

        A bet comes before its rollback, which would teach a wallet that has forgotten the bet that
        it is void. A declined bet may be taken as new, so sending it again would be no replay.
        """
        if self.win is not None:
            yield self.win
        if self.record.fate is not Fate.DECLINED:
            yield self.bet

    def rollbacks(self) -> Iterator[Callback]:
        """What to send after that, when the money was asked for: a rollback would bring it back."""
        if self.rollback is not None:
            yield self.rollback
            yield replace(self.rollback, transaction_id=new_id())

    @property
    def is_open(self) -> bool:
        """Whether it waits for its win or its rollback."""
        return self.record.fate is Fate.OPEN

    def concerns(self, callback: Callback) -> bool:
        """Whether a callback is about this bet."""
        return self.bet.transaction_id in (callback.transaction_id, callback.reference_id)


class _Spread:
    """At most so many of a stream's items, spread evenly over it, always with the first."""

    def __init__(self) -> None:
        self.items: list[Keepsake] = []
        self._seen = 0
        self._stride = 1

    def wants(self) -> bool:
        """Whether the next item is one to keep; counts it."""
        wanted = self._seen % self._stride == 0
        self._seen += 1
        return wanted

    def add(self, item: Keepsake) -> None:
        self.items.append(item)
        if len(self.items) > _PER_OUTCOME:
            self.items = self.items[::2]
            self._stride *= 2


@dataclass(slots=True)
class Memory:
    """The keepsakes of a run."""

    _kept: dict[str, _Spread] = field(default_factory=dict)

    def keep(self, performance: Performance, sent: int) -> None:
        """Keep what a performance ended with, if it is worth keeping.

        Args:
            performance: One without a violation.
            sent: How many callbacks the run has sent.
        """
        if not performance.states:
            return
        found: list[tuple[_Spread, str, str]] = []
        for id_, record in performance.states[0].bets.items():
            outcome = _outcome(record)
            if outcome is not None and _is_certain(id_, record, performance.states):
                spread = self._kept.setdefault(outcome, _Spread())
                if spread.wants():
                    found.append((spread, outcome, id_))
        if found and _is_plain(performance.exchanges):
            about = _by_bet(performance.exchanges)
            for spread, outcome, id_ in found:
                keepsake = _keepsake(outcome, id_, performance.states[0], about.get(id_, []))
                if keepsake is not None:
                    spread.add(replace(keepsake, kept_s=time.monotonic(), kept_at=sent))

    def hold(self, performance: Performance, prize: int, sent: int) -> None:
        """Keep the bets that a performance left open: one half to be won late, the other to be rolled back.

        Args:
            performance: One without a violation whose bets were not tidied away.
            prize: Minor units of their wins.
            sent: How many callbacks the run has sent.
        """
        placed = [e.callback for e in performance.exchanges if e.kind is Kind.BET]
        for number, callback in enumerate(placed):
            record = performance.states[0].bets.get(callback.transaction_id or "")
            if (
                record is None
                or record.fate is not Fate.OPEN
                or not _is_certain(callback.transaction_id or "", record, performance.states)
            ):
                continue
            if number % 2:
                kept = Keepsake("open, to be refunded", callback, record, rollback=about(callback, Kind.ROLLBACK))
            else:
                paid = about(callback, Kind.WIN, amount=prize, currency=callback.currency)
                kept = Keepsake("open, to be won", callback, record, win=paid)
            kept = replace(kept, kept_s=time.monotonic(), kept_at=sent)
            self._kept.setdefault(kept.outcome, _Spread()).add(kept)

    def let_go(self) -> list[Keepsake]:
        """The bets that are still held open, which are kept no longer."""
        held = [k for spread in self._kept.values() for k in spread.items if k.is_open]
        for spread in self._kept.values():
            spread.items = [k for k in spread.items if not k.is_open]
        return held

    def sample(self, per_outcome: int = _PER_OUTCOME) -> list[Keepsake]:
        """The oldest of every outcome first."""
        groups = [spread.items[:per_outcome] for spread in self._kept.values()]
        return [group[i] for i in range(per_outcome) for group in groups if i < len(group)]

    def renew(self, old: Iterable[Keepsake], new: Iterable[Keepsake]) -> None:
        """Put what a recall ended with in the place of what it began with."""
        gone = {k.bet.transaction_id for k in old}
        fresh = {k.bet.transaction_id: k for k in new}
        for spread in self._kept.values():
            known = [(k, k.bet.transaction_id) for k in spread.items]
            spread.items = [fresh.get(id_, k) for k, id_ in known if id_ not in gone or id_ in fresh]


# -- keeping ------------------------------------------------------------------------------------------


def _outcome(record: BetRecord) -> str | None:
    match record.fate:
        case Fate.SETTLED | Fate.REFUNDED | Fate.DECLINED:
            return f"free {record.fate}" if record.free else str(record.fate)
        case Fate.VOID if record.content is not None:
            return "tombstoned"
        case Fate.VOID if len(record.promised) == 1:
            return "awaited"
        case _:
            return None


def _is_certain(id_: str, record: BetRecord, states: Sequence[State]) -> bool:
    return all(state.bets.get(id_) == record for state in states[1:])


def _is_plain(exchanges: Sequence[Exchange]) -> bool:
    # What overlapped, or got no reply, leaves it open which balance a stored reply reports.
    answered = all(e.reply.failure is None and not e.reply.idle for e in exchanges)
    return answered and all(one.ended_s <= next_.started_s for one, next_ in pairwise(exchanges))


def _by_bet(exchanges: Sequence[Exchange]) -> dict[str, list[Exchange]]:
    about: dict[str, list[Exchange]] = {}
    for exchange in exchanges:
        callback = exchange.callback
        id_ = callback.transaction_id if callback.kind is Kind.BET else callback.reference_id
        about.setdefault(id_ or "", []).append(exchange)
    return about


def _keepsake(outcome: str, id_: str, state: State, about: Sequence[Exchange]) -> Keepsake | None:
    record = state.bets[id_]
    if any(e.defect is not None or e.callback.player_id != record.player_id for e in about):
        return None  # whoever takes what is damaged, or another's, may have remembered it
    sent = [e.callback for e in about]
    placed = next((c for c in sent if c.kind is Kind.BET and c.content == record.content), None)
    rollbacks = [c for c in sent if c.kind is Kind.ROLLBACK and c.transaction_id in state.rollbacks]
    last = rollbacks[-1] if rollbacks else None
    wins = [c for c in sent if c.kind is Kind.WIN]
    credited = [c for c in wins if (r := state.wins.get(c.transaction_id or "")) and r.credited]
    if record.fate is Fate.SETTLED:
        paid = next((c for c in credited if c.content == state.wins[c.transaction_id or ""].content), None)
        if placed is None or paid is None or rollbacks:
            return None
        return Keepsake(outcome, placed, record, win=paid, win_record=state.wins[paid.transaction_id or ""])
    if wins:
        return None  # a win of a refunded bet is another story
    if record.fate is Fate.DECLINED:
        if placed is None or last is not None:
            return None
        refund = replace(
            placed, kind=Kind.ROLLBACK, reference_id=id_, transaction_id=new_id(), amount=None, currency=None
        )
        return Keepsake(outcome, placed, record, rollback=replace(refund, round_closed=True))
    if last is None:
        return None
    if placed is None:
        placed = replace(last, kind=Kind.BET, transaction_id=id_, reference_id=None, round_closed=None)
        placed = replace(placed, amount=0 if placed.is_free else _AWAITED_STAKE)
    return Keepsake(
        outcome, placed, record, rollback=last, rollback_reported=state.rollbacks[last.transaction_id or ""]
    )


# -- recalling ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recall:
    """How a replay of keepsakes went.

    Attributes:
        keepsakes: Those replayed, as the wallet holds them now.
        replays: How many callbacks were replayed, and answered as the contract says.
        exercised: How often each rule was put to the test and held.
        violation: The first broken rule, or None.
        evidence: With a violation: the story of the bet concerned, ending with the telling
            replay, and what was sent about it just now.
        balances: Minor units per player index at the end; empty after a violation.
    """

    keepsakes: tuple[Keepsake, ...]
    replays: int
    exercised: Counter[str]
    violation: Violation | None = None
    evidence: Performance | None = None
    balances: Mapping[int, int] = field(default_factory=dict)


def recall(provider: Provider, keepsakes: Sequence[Keepsake], sent: int = 0) -> Recall:
    """Replay every keepsake and ask for the money afterwards.

    It starts from the players' present balances, whatever was played in between.

    Args:
        provider: Plays for the players whose bets these are.
        keepsakes: What to replay.
        sent: How many callbacks the run has sent, to say how many came in between.

    Raises:
        OperatorGoneError: The operator stopped answering.
    """
    indexes = {p.player_id: i for i, p in enumerate(provider.players)}
    involved = sorted({indexes[k.player_id] for k in keepsakes})
    for index in involved:
        if index not in provider.known and (opening := provider.balance(index)).violation is not None:
            return Recall((), 0, Counter(), opening.violation, opening)
    judge = Judge(_ledger(provider, involved), provider.client.profile, _state(provider, involved, keepsakes))
    first = [(k, callback) for k in keepsakes for callback in k.replays()]
    then = [(k, callback) for k in keepsakes for callback in k.rollbacks()]
    for part in (first, then):
        for keepsake, callback in (*part, *_probes(provider, involved, part)):
            if (violation := _send(provider, judge, callback)) is not None:
                return _broken(provider, judge, violation, keepsake, sent)
    replays = len(first) + len(then)
    balances = {i: judge.states[0].balances[provider.players[i].player_id] for i in involved}
    provider.known.update(balances)
    far = sum(bool(k.kept_s) and sent - k.kept_at >= MANY for k in keepsakes)
    renewed = tuple(new for old in keepsakes if (new := _renewed(old, judge.states)) is not None)
    return Recall(renewed, replays, judge.exercised + Counter({RULE: replays, MANY_RULE: far}), balances=balances)


def _probes(
    provider: Provider, involved: Iterable[int], part: Sequence[tuple[Keepsake, Callback]]
) -> Iterator[tuple[Keepsake, Callback]]:
    """Each player's balance; should it be wrong, the last one replayed is to blame."""
    for player in (provider.players[i] for i in involved if part):
        blamed = next((k for k, _ in reversed(part) if k.player_id == player.player_id), part[-1][0])
        yield blamed, Callback(Kind.BALANCE, new_id(), player.player_id, player.session_id, now())


def _ledger(provider: Provider, involved: Iterable[int]) -> Ledger:
    currencies = {provider.players[i].player_id: provider.currency(i) for i in involved}
    return Ledger(currencies, frozenset(provider.rewards), provider.client.profile.either)


def _state(provider: Provider, involved: Iterable[int], keepsakes: Sequence[Keepsake]) -> State:
    reported = ((k.rollback, k.rollback_reported) for k in keepsakes)
    return State(
        {provider.players[i].player_id: provider.known[i] for i in involved},
        {k.bet.transaction_id or "": _known(k.record) for k in keepsakes},
        {k.win.transaction_id or "": k.win_record for k in keepsakes if k.win and k.win_record},
        {r.transaction_id or "": balance for r, balance in reported if r is not None and balance is not None},
    )


def _known(record: BetRecord) -> BetRecord:
    # What a scenario left open was rolled back after it, unjudged: a declined bet perhaps as well.
    return replace(record, refund_reported=UNTOLD) if record.fate is Fate.DECLINED else record


def _send(provider: Provider, judge: Judge, callback: Callback) -> Violation | None:
    index = next(i for i, p in enumerate(provider.players) if p.player_id == callback.player_id)
    if callback.kind is Kind.BET and callback.currency is None:
        callback = replace(callback, currency=provider.currency(index))
    session_id = provider.players[index].session_id
    for _ in range(TRIES_IF_IDLE):
        again = replace(callback, request_id=new_id(), timestamp=now(), session_id=session_id)
        exchange = provider.client.send(again)
        if (violation := judge.see(exchange)) is not None or not exchange.reply.idle:
            return violation
    return Violation("REPLY-01", "a reply", "every connection was closed without one")


def _renewed(keepsake: Keepsake, states: Sequence[State]) -> Keepsake | None:
    id_ = keepsake.bet.transaction_id or ""
    record = states[0].bets[id_]
    if not _is_certain(id_, record, states):
        return None
    win_id, rollback_id = _id_of(keepsake.win) or "", _id_of(keepsake.rollback) or ""
    win_record, reported = states[0].wins.get(win_id), states[0].rollbacks.get(rollback_id)
    return replace(keepsake, record=record, win_record=win_record, rollback_reported=reported)


# -- evidence ---------------------------------------------------------------------------------------------


def _broken(provider: Provider, judge: Judge, violation: Violation, last: Keepsake, sent: int) -> Recall:
    provider.known.clear()  # nobody knows what the wallet holds now
    exchange = judge.seen[-1]
    told = [e for e in judge.seen if last.concerns(e.callback)]
    age_s = time.monotonic() - last.kept_s
    later = (
        f"{age_s:.1f} s and {sent - last.kept_at} callbacks after the original"
        if last.kept_s
        else "in a later run than the original"
    )
    # A bet that arrives after its rollback is no replay, however late it comes, nor is the first win of a bet.
    replayed = judge.ledger_violation and last.record.content is not None and not last.is_open
    violation = Violation(RULE if replayed else violation.rule, violation.expected, f"{violation.actual}, {later}")
    plan = _story(provider, last, told[-1].callback, round(age_s * 1000) if last.kept_s else 0)
    plan = replace(plan, rule=violation.rule)
    telling = len(plan.steps) - 1
    evidence = Performance(
        plan,
        (*told, exchange) if exchange.kind is Kind.BALANCE else tuple(told),
        (*(telling for _ in told), telling + 1) if exchange.kind is Kind.BALANCE else tuple(telling for _ in told),
        violation,
        Counter(),
        frozenset(),
        {},
        ledger=judge.ledger,
        opening=judge.state,
    )
    return Recall((), 0, Counter(), violation, evidence)


def _story(provider: Provider, keepsake: Keepsake, telling: Callback, wait_ms: int) -> Scenario:
    """The scenario that a replayed bet comes from, as short as can be, with the telling replay."""
    player = next(i for i, p in enumerate(provider.players) if p.player_id == keepsake.player_id)
    amount = keepsake.bet.amount or 0
    plan = BetPlan(amount, (keepsake.win.amount or 0) if keepsake.win else 0, player=player)
    if keepsake.bet.is_free:
        plan = replace(plan, reward="granted")
    began: tuple[Step, ...]
    match keepsake.record.fate:
        case Fate.SETTLED:
            began = (bet(), win())
        case Fate.DECLINED:
            began = (bet(),)
            plan = replace(plan, stake=1, of_balance=True)
        case Fate.VOID:
            began = (rollback(),)
        case Fate.OPEN if telling.kind in (Kind.WIN, Kind.ROLLBACK):
            began = (bet(),)
        case Fate.OPEN if keepsake.win is not None:
            began = (bet(), win())
        case _:
            began = (bet(), rollback())
    how = {"wait_ms": wait_ms, "focus": True}
    again = {
        Kind.BET: bet(0, **how),
        Kind.WIN: win(0, **how),
        Kind.ROLLBACK: rollback(0, int(telling.transaction_id != _id_of(keepsake.rollback)), **how),
        Kind.BALANCE: balance(player, **how),
    }[telling.kind]
    return Scenario((plan,), (*began, again), via=_REPLAYED)


def _id_of(callback: Callback | None) -> str | None:
    return callback.transaction_id if callback else None
