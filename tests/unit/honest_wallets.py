"""A family of conforming wallets, written from contract.md section 3 alone, and a client that talks to one.

Every `Habits` is one way to use the freedom the contract leaves (its *either* and SHOULD rules).
The code shares nothing with the ledger: it moves money, the ledger explains it.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from hypothesis import strategies as st

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.client import ORDINARY, Envelope, Letter, OperatorClient
from pytest_provider_contract.history import Defect, Exchange, Player
from pytest_provider_contract.profile import Kind, Profile, Status, load_profile
from pytest_provider_contract.provider import Provider
from pytest_provider_contract.transport import Endpoint, Failure, Fault, Reply

PROFILE = load_profile("155io")
REWARD = "5f0a7c1e-0000-4000-8000-00000000abcd"
PLAYERS = (Player("alice", "s-alice", "EUR"), Player("bob", "s-bob", "EUR"))
HEADERS = ((b"content-type", b"application/json"),)

OK = Status.SUCCESS
ERROR = Status.UNKNOWN
Answered = tuple[Status, int | None]


@dataclass(frozen=True)
class Habits:
    """What a conforming wallet may do as it likes."""

    bet_replay: Status = OK
    replay_tells: str = "current"  # or original
    early_win: str = "credit"  # or refuse
    early_win_settles: bool = False  # a rollback between early win and bet meets a settled bet
    unknown_rollback: str = "succeed"  # with a tombstone; or refuse
    shuns: bool = False  # declines a bet whose rollback it refused before
    late_bet: Status = ERROR  # the answer to a bet that is rolled back already
    tombstones_per_player: bool = False
    zero_bet: str = "accept"  # or decline
    limit: int | None = None
    remembers_declined: bool = True
    declined_rollback: str = "succeed"  # or refuse
    dead_win: str = "refuse"  # or credit
    second_win: str = "refuse"  # or credit
    remembers_refused_wins: bool = False
    settled_rollback: str = "refuse"  # or succeed, refund, undo
    foreign_rollback: Status = ERROR
    conflict: str = "duplicate"  # or stored, error
    closes_rounds: bool = False
    compares_rounds: bool = False  # refuses a win or rollback of another round than its bet's
    least: int = 0  # smaller stakes are below the operator's limit, 0 aside
    free_costs_nothing: bool = True  # whatever its amount, which the provider leaves at 0
    declines_every: int | None = None  # every so many bets, for reasons of the operator's own
    declines_with: Status = ERROR
    strangers: Status = ERROR
    errors_tell_balance: bool = True


CHOICES: dict[str, tuple[object, ...]] = {
    "bet_replay": (OK, Status.DUPLICATE),
    "replay_tells": ("current", "original"),
    "early_win": ("credit", "refuse"),
    "early_win_settles": (False, True),
    "unknown_rollback": ("succeed", "refuse"),
    "shuns": (False, True),
    "late_bet": tuple(Status),
    "tombstones_per_player": (False, True),
    "zero_bet": ("accept", "decline"),
    "limit": (None, 50),
    "remembers_declined": (True, False),
    "declined_rollback": ("succeed", "refuse"),
    "dead_win": ("refuse", "credit"),
    "second_win": ("refuse", "credit"),
    "remembers_refused_wins": (False, True),
    "settled_rollback": ("refuse", "succeed", "refund", "undo"),
    "foreign_rollback": (ERROR, OK),
    "conflict": ("duplicate", "stored", "error"),
    "closes_rounds": (False, True),
    "compares_rounds": (False, True),
    "least": (0, 10),
    "free_costs_nothing": (True, False),
    "declines_every": (None, 3),
    "declines_with": (ERROR, Status.BET_LIMIT),
    "strangers": (ERROR, OK),
    "errors_tell_balance": (True, False),
}
HABITS = st.builds(Habits, **{name: st.sampled_from(values) for name, values in CHOICES.items()})


@dataclass
class Bet:
    """A bet the wallet keeps: open, settled, refunded or declined."""

    player: str
    content: tuple[object, ...]
    amount: int
    fate: str
    answer: Answered
    refund_told: int = 0


@dataclass
class Win:
    """A win the wallet keeps, credited or refused."""

    player: str
    reference: str
    content: tuple[object, ...]
    amount: int
    credited: bool
    answer: Answered


def content(callback: Callback) -> tuple[object, ...]:
    """What must stay the same between replays of a bet or win."""
    return (callback.player_id, callback.reference_id, callback.round_id, callback.amount, callback.currency)


@dataclass
class Wallet:
    """A wallet with some habits; mutants override single methods."""

    habits: Habits
    money: dict[str, int]
    rewards: frozenset[str] = frozenset({REWARD})
    bets: dict[str, Bet] = field(default_factory=dict)
    wins: dict[str, Win] = field(default_factory=dict)
    # reference -> player -> balance told; the player is "" for tombstones that hold for everyone
    tombstones: dict[str, dict[str, int]] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    asked: int = 0

    def answer(self, callback: Callback) -> Answered:
        if callback.player_id not in self.money:
            return self.stranger(callback)
        status, told = getattr(self, str(callback.kind))(callback)
        if status is OK and callback.round_closed and callback.round_id:
            self.closed.add(callback.round_id)
        return status, told if status is OK or self.habits.errors_tell_balance else None

    def stranger(self, callback: Callback) -> Answered:
        if self.habits.strangers is OK and callback.kind is Kind.ROLLBACK and not self.habits.tombstones_per_player:
            reference = callback.reference_id or ""
            if reference not in self.bets:
                self.tombstones.setdefault(reference, {}).setdefault("", 0)
        return self.habits.strangers, 0

    def now(self, callback: Callback) -> int:
        return self.money[callback.player_id]

    def balance(self, callback: Callback) -> Answered:
        return OK, self.now(callback)

    def replayed(self, callback: Callback, status: Status, original: int | None) -> Answered:
        use_original = self.habits.replay_tells == "original" and original is not None
        return status, original if use_original else self.now(callback)

    def conflicting(self, callback: Callback, first: Answered) -> Answered:
        match self.habits.conflict:
            case "stored":
                return self.replayed(callback, *first)
            case "error":
                return ERROR, self.now(callback)
            case _:
                return Status.DUPLICATE, self.now(callback)

    # -- bets

    def buried(self, reference: str, player: str) -> bool:
        names = self.tombstones.get(reference, {})
        return player in names or "" in names

    def bet(self, c: Callback) -> Answered:
        id_ = c.transaction_id or ""
        known = self.bets.get(id_)
        if known is None and self.buried(id_, c.player_id):
            return self.replayed(c, self.habits.late_bet, self.late.setdefault(id_, self.now(c)))
        if known is None:
            return self.new_bet(c)
        if known.content != content(c):
            return self.conflicting(c, known.answer)
        if known.fate == "declined":
            return self.replayed(c, *known.answer)
        if known.fate == "refunded":
            return self.replayed(c, self.habits.late_bet, known.answer[1])
        return self.replayed(c, self.habits.bet_replay, known.answer[1])

    def new_bet(self, c: Callback) -> Answered:
        id_, amount = c.transaction_id or "", c.amount or 0
        refusal = self.refusal(c, amount)
        if refusal is not None:
            if self.habits.remembers_declined:
                self.bets[id_] = Bet(c.player_id, content(c), 0, "declined", (refusal, self.now(c)))
            return refusal, self.now(c)
        amount = 0 if c.is_free and self.habits.free_costs_nothing else amount
        self.debit(c, amount)
        won = any(w.credited and w.reference == id_ and w.player == c.player_id for w in self.wins.values())
        self.bets[id_] = Bet(c.player_id, content(c), amount, "settled" if won else "open", (OK, self.now(c)))
        return OK, self.now(c)

    def refusal(self, c: Callback, amount: int) -> Status | None:
        if self.habits.closes_rounds and c.round_id in self.closed:
            return ERROR
        if self.habits.shuns and c.transaction_id in self.refused:
            return ERROR
        if c.is_free and c.reward_id not in self.rewards:
            return Status.BONUS
        if c.is_free and self.habits.free_costs_nothing:
            return None
        if amount == 0 and not c.is_free and self.habits.zero_bet == "decline":
            return ERROR
        if amount > self.now(c):
            return Status.INSUFFICIENT_BALANCE
        if self.habits.limit is not None and amount > self.habits.limit:
            return Status.BET_LIMIT
        if 0 < amount < self.habits.least:
            return Status.BET_LIMIT
        self.asked += 1
        if self.habits.declines_every and self.asked % self.habits.declines_every == 0:
            return self.habits.declines_with
        return None

    def debit(self, c: Callback, amount: int) -> None:
        self.money[c.player_id] -= amount

    # -- wins

    def win(self, c: Callback) -> Answered:
        known = self.wins.get(c.transaction_id or "")
        if known is not None and known.content != content(c):
            return self.conflicting(c, known.answer)
        if known is not None and known.credited:
            return self.replayed(c, OK, known.answer[1])
        bet = self.bets.get(c.reference_id or "")
        if bet is not None and bet.player != c.player_id:
            bet = None
        if bet is None and self.buried(c.reference_id or "", c.player_id):
            taken = self.habits.dead_win == "credit"
        elif bet is None:
            taken = self.habits.early_win == "credit"
        elif self.of_another_round(c, bet):
            taken = False
        elif bet.fate == "settled":
            taken = self.habits.second_win == "credit"
        else:
            taken = bet.fate == "open" or self.habits.dead_win == "credit"
        return self.credited(c, bet) if taken else self.refused_win(c)

    def credited(self, c: Callback, bet: Bet | None) -> Answered:
        self.money[c.player_id] += c.amount or 0
        if bet is not None and bet.fate == "open":
            bet.fate = "settled"
        self.keep_win(c, True, (OK, self.now(c)))
        return OK, self.now(c)

    def refused_win(self, c: Callback) -> Answered:
        if self.habits.remembers_refused_wins and c.transaction_id not in self.wins:
            self.keep_win(c, False, (ERROR, self.now(c)))
        return ERROR, self.now(c)

    def keep_win(self, c: Callback, credited: bool, answer: Answered) -> None:
        self.wins[c.transaction_id or ""] = Win(
            c.player_id, c.reference_id or "", content(c), c.amount or 0, credited, answer
        )

    # -- rollbacks

    def of_another_round(self, c: Callback, bet: Bet) -> bool:
        return self.habits.compares_rounds and bet.fate == "open" and c.round_id != bet.content[2]

    def rollback(self, c: Callback) -> Answered:
        reference = c.reference_id or ""
        bet = self.bets.get(reference)
        if self.buried(reference, c.player_id):
            names = self.tombstones[reference]
            told = names.get(c.player_id, names.get("") if not self.habits.tombstones_per_player else None)
            # A tombstone of everyone does not tell one player what another was told.
            return self.replayed(c, OK, told if c.player_id in names else None)
        if bet is None:
            return self.unknown_rollback(c)
        if bet.player == c.player_id and self.of_another_round(c, bet):
            return ERROR, self.now(c)
        if bet.player != c.player_id:
            return self.habits.foreign_rollback, self.now(c)
        match bet.fate:
            case "open":
                return self.refund(c, bet)
            case "refunded":
                return self.replayed(c, OK, bet.refund_told)
            case "declined" if self.habits.declined_rollback == "succeed":
                bet.fate, bet.refund_told = "refunded", self.now(c)
                return OK, self.now(c)
            case "declined":
                return ERROR, self.now(c)
            case _:
                return self.settled_rollback(c, bet)

    def refund(self, c: Callback, bet: Bet) -> Answered:
        self.money[bet.player] += bet.amount
        bet.fate, bet.refund_told = "refunded", self.money[bet.player]
        return OK, self.now(c)

    def settled_rollback(self, c: Callback, bet: Bet) -> Answered:
        won = sum(w.amount for w in self.wins.values() if w.credited and w.reference == c.reference_id)
        match self.habits.settled_rollback:
            case "refund":
                return self.refund(c, bet)
            case "undo" if self.now(c) + bet.amount >= won:
                self.money[bet.player] -= won
                return self.refund(c, bet)
            case "succeed":
                return OK, self.now(c)
            case _:
                return ERROR, self.now(c)

    def unknown_rollback(self, c: Callback) -> Answered:
        reference = c.reference_id or ""
        won = any(w.credited and w.reference == reference and w.player == c.player_id for w in self.wins.values())
        if won and self.habits.early_win_settles:
            return (OK if self.habits.settled_rollback == "succeed" else ERROR), self.now(c)
        if self.habits.unknown_rollback == "refuse":
            self.refused.add(reference)
            return ERROR, self.now(c)
        names = self.tombstones.setdefault(reference, {})
        names[c.player_id] = self.now(c)
        if not self.habits.tombstones_per_player:
            names[""] = 0
        return OK, self.now(c)


def fields_of(callback: Callback, status: Status, told: int | None) -> dict[str, object]:
    """The fields of a reply that tells a balance, or none."""
    fields: dict[str, object] = {
        "status": status.value,
        "requestId": callback.request_id,
        "clientPlayerId": callback.player_id,
    }
    return fields if told is None else fields | {"currency": "EUR", "balance": told}


@dataclass
class InMemoryClient:
    """Stands in for `OperatorClient`: a wallet answers without any wire."""

    wallet: Wallet
    profile: Profile = PROFILE
    spoil: Callable[[dict[str, object]], dict[str, object]] = dict
    losses: Iterator[str] = field(default_factory=lambda: itertools.repeat("none"))  # or request, reply
    probed: dict[str, int] = field(default_factory=dict)  # the money at the time of the last probe
    chance: Random = field(default_factory=lambda: Random(1))
    late: list[Callback] = field(default_factory=list)  # requests whose clients are gone

    def encode(self, callback: Callback, envelope: Envelope = ORDINARY) -> bytes:
        real = OperatorClient(Endpoint.parse("http://127.0.0.1:1"), self.profile, None)
        return real.encode(callback, envelope)

    def send(
        self,
        callback: Callback,
        envelope: Envelope = ORDINARY,
        defect: Defect | None = None,
        fault: Fault | None = None,
    ) -> Exchange:
        started = time.monotonic()
        self._let_late_ones_arrive()
        loss = next(self.losses, "none")
        if loss != "none":
            if loss == "reply":
                self.wallet.answer(callback)
            lost = Reply(None, failure=Failure.CLOSED, idle=True)
            return Exchange(callback, "/", (), b"", lost, started, time.monotonic(), defect)
        if fault is not None and fault.hides_reply:
            if fault is not Fault.CUT:
                self.late.append(callback)
            failure = Failure.CUT if fault is Fault.CUT else Failure.ABANDONED
            gone = Reply(None, failure=failure)
            return Exchange(callback, "/", (), b"", gone, started, time.monotonic(), defect, fault)
        exchange = self._answered(callback, started, defect)
        if fault is Fault.TWICE:
            again = self._answered(callback, started, defect)
            return replace(exchange, fault=fault, twin=again, ended_s=again.ended_s)
        return replace(exchange, fault=fault)

    def send_together(self, letters: Sequence[Letter]) -> list[Exchange]:
        started = time.monotonic()
        order = self.chance.sample(range(len(letters)), len(letters))
        carried_out = {i: self.send(letters[i].callback, fault=letters[i].fault) for i in order}
        ended = time.monotonic()
        return [replace(carried_out[i], started_s=started, ended_s=ended) for i in range(len(letters))]

    def _let_late_ones_arrive(self) -> None:
        # A request whose client is gone may be carried out now, later, or never.
        for callback in list(self.late):
            if self.chance.random() < 0.5:
                self.late.remove(callback)
                self.wallet.answer(callback)

    def _answered(self, callback: Callback, started: float, defect: Defect | None) -> Exchange:
        status, told = (ERROR, None) if defect is not None else self.wallet.answer(callback)
        if callback.kind is Kind.BALANCE:
            self.probed = dict(self.wallet.money)
        body = json.dumps(self.profile.to_wire(self.spoil(fields_of(callback, status, told)))).encode()
        return Exchange(callback, "/", (), b"", Reply(200, HEADERS, body), started, time.monotonic(), defect)


def provider_of(wallet: Wallet) -> Provider:
    """A provider that plays against a wallet in memory."""
    return Provider(InMemoryClient(wallet), PLAYERS, (REWARD,))  # type: ignore[arg-type]
