"""Rounds as the provider plays and records them: open ones, stuck ones, settlements pushed again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pytest_provider_contract.callbacks import Callback, about, new_id, retried
from pytest_provider_contract.checks import Answer, grouped
from pytest_provider_contract.history import Player
from pytest_provider_contract.launch.findings import Findings
from pytest_provider_contract.launch.requests import Mistake, named
from pytest_provider_contract.launch.terms import Terms
from pytest_provider_contract.launch.wallet import Line, Wallet
from pytest_provider_contract.ledger import State
from pytest_provider_contract.profile import Kind, Status

_REMEMBERED = 20_000
_STEPS = 30
NEVER_SENT = "no win or rollback was sent yet"


class Stage(StrEnum):
    """How far a round has come."""

    OPEN = "open"
    SETTLED = "settled"
    REFUNDED = "rolled back"
    DECLINED = "declined"


class RoundError(ValueError):
    """What is asked for can't be done with this round; the message is one sentence."""


@dataclass(slots=True)
class Round:
    """One bet and its settlement, as the provider has them on record.

    Attributes:
        player: Who plays.
        bet: The bet's callback.
        stage: How far it has come.
        why: Why it is open, or None.
        settlement: The latest win or rollback, or None before there is one.
        attempts: How often it was sent.
        bet_answered: Whether /bet was answered with SUCCESS in time.
        states: What the wallet may hold, as far as its answers told.
        trail: What happened, in words.
    """

    player: Player
    bet: Callback
    stage: Stage = Stage.OPEN
    why: str | None = None
    settlement: Callback | None = None
    attempts: int = 0
    bet_answered: bool = False
    states: list[State] = field(default_factory=list)
    trail: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The roundId."""
        return self.bet.round_id or ""

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return {
            "roundId": self.id,
            "transactionId": self.bet.transaction_id,
            "clientPlayerId": self.player.player_id,
            "gameId": self.bet.game_id,
            "amount": self.bet.amount,
            "currency": self.bet.currency,
            "stage": self.stage.value,
            "why": self.why,
            "settlement": self.settlement.kind.value if self.settlement else None,
            "attempts": self.attempts,
        }


class Rounds:
    """All rounds of one stand-in. Thread-safe; rounds of one player are played one after the other."""

    def __init__(self, terms: Terms, findings: Findings) -> None:
        self.terms = terms
        self._findings = findings
        self._rounds: OrderedDict[str, Round] = OrderedDict()
        self._lock = threading.Lock()
        self._turns: dict[str, threading.RLock] = {}

    # -- the record -------------------------------------------------------------------------------

    def __getitem__(self, round_id: str) -> Round:
        with self._lock:
            known = self._rounds.get(round_id)
        if known is None:
            raise RoundError(f"the provider has no record of round {named(round_id)}: void what is pending for it")
        return known

    @property
    def all(self) -> list[Round]:
        """Every round on record, oldest first."""
        with self._lock:
            return list(self._rounds.values())

    @property
    def open(self) -> list[Round]:
        """The rounds with neither win nor rollback that arrived."""
        return [known for known in self.all if known.stage is Stage.OPEN]

    def to_void(self, pending: Iterable[str]) -> list[str]:
        """Which of an operator's pending debits nothing will ever settle [T].

        Args:
            pending: transactionIds of bets that the operator's wallet holds as pending.

        Returns:
            Those of which the provider has no record.
        """
        with self._lock:
            known = {played.bet.transaction_id for played in self._rounds.values()}
        return [id_ for id_ in pending if id_ not in known]

    # -- play -------------------------------------------------------------------------------------

    def bet(self, wallet: Wallet, player: Player, game_id: str, amount: int, trail: Iterable[str] = ()) -> Round:
        """Place a bet; one that is not answered in time is rolled back as the provider does [T]."""
        with self._turn(player), wallet.line(player, self._findings, [*trail]) as line:
            bet = self._new_bet(line, game_id, amount)
            played = Round(player, bet)
            self._remember(played)
            line.open()
            answer, failure = line.send(bet, f"bet {grouped(amount)}")
            if answer is None:
                self._deliver(line, played, about(bet, Kind.ROLLBACK), failure or "")
            elif answer.status is Status.SUCCESS:
                played.bet_answered, played.why = True, NEVER_SENT
            else:
                played.stage, played.why = Stage.DECLINED, f"/bet: {answer.status}"
            _keep(played, line)
            return played

    def lose_bet(self, wallet: Wallet, player: Player, game_id: str, amount: int) -> str:
        """Send a bet of which the provider keeps no record, as when it breaks down at placement [T].

        Returns:
            The bet's transactionId.
        """
        with self._turn(player), wallet.line(player, self._findings) as line:
            bet = self._new_bet(line, game_id, amount)
            line.send_and_forget(bet, f"bet {grouped(amount)}")
            return bet.transaction_id or ""

    def settle(self, wallet: Wallet, played: Round, win: int | None) -> Round:
        """Send the win of an open round (0 is a lost bet), or with None its rollback.

        Raises:
            RoundError: The round has a settlement already, or its bet was declined.
        """
        if played.stage is not Stage.OPEN or played.settlement is not None:
            what = played.stage.value if played.settlement is None else f"waiting for its {played.settlement.kind}"
            raise RoundError(f"round {played.id} is {what}: only an open round without a settlement can be settled")
        bet = played.bet
        settlement = (
            about(bet, Kind.ROLLBACK) if win is None else about(bet, Kind.WIN, amount=win, currency=bet.currency)
        )
        return self._reopened(wallet, played, settlement, self.terms.attempts)

    def push(self, wallet: Wallet, played: Round) -> Round:
        """Push a round's settlement again by hand, once, however far it has come [T].

        Raises:
            RoundError: There is no settlement to push.
        """
        if played.settlement is None:
            raise RoundError(f"round {played.id} has no settlement to push: it is {played.stage.value}")
        return self._reopened(wallet, played, _again(played.settlement), 1)

    def _reopened(self, wallet: Wallet, played: Round, settlement: Callback, attempts: int) -> Round:
        with self._turn(played.player), wallet.line(played.player, self._findings, played.trail) as line:
            line.open(played.states)
            self._deliver(line, played, settlement, None, attempts)
            if played.stage is not Stage.OPEN and (played.bet_answered or played.stage is Stage.SETTLED):
                # Only where nothing can be under way any more does a balance prove something.
                line.send(line.callback(Kind.BALANCE), "balance")
            _keep(played, line)
            return played

    def _deliver(
        self, line: Line, played: Round, settlement: Callback, failure: str | None, attempts: int | None = None
    ) -> None:
        """Send a settlement until it arrives, with the profile's backoff, or the attempts are used up."""
        retry = line.client.profile.retry
        delay_s = retry.first_delay_s if self.terms.first_delay_s is None else self.terms.first_delay_s
        attempts = attempts or self.terms.attempts
        played.why = failure
        for attempt in range(attempts):
            if attempt:
                time.sleep(delay_s)
                delay_s *= retry.factor
                settlement = _again(settlement)
            played.settlement = settlement
            played.attempts += 1
            answer, failure = line.send(settlement, _words(settlement, again=played.attempts > 1))
            if played.stage is not Stage.OPEN or (answer and _arrived(played, answer, settlement)):
                if played.stage is Stage.OPEN:
                    played.stage = Stage.SETTLED if settlement.kind is Kind.WIN else Stage.REFUNDED
                    self._findings.held({"LAUNCH-22"})
                played.why = None
                return
            played.why = failure or f"/{settlement.kind}: {answer.status if answer else ''}"
        stuck = Mistake("LAUNCH-22", f"an answer to /{settlement.kind}", f"{played.why}, {played.attempts} times")
        self._findings.report(stuck, f"round {played.id} is open", line.trail)

    def _new_bet(self, line: Line, game_id: str, amount: int) -> Callback:
        return replace(
            line.callback(Kind.BET),
            transaction_id=new_id(),
            round_id=new_id(),
            game_id=game_id,
            amount=amount,
            currency=line.player.currency,
        )

    def _remember(self, played: Round) -> None:
        with self._lock:
            self._rounds[played.id] = played
            while len(self._rounds) > _REMEMBERED:
                self._rounds.popitem(last=False)

    def _turn(self, player: Player) -> threading.RLock:
        with self._lock:
            return self._turns.setdefault(player.player_id, threading.RLock())


def _keep(played: Round, line: Line) -> None:
    """Note what a later settlement goes on from."""
    played.states = line.states
    played.trail = line.trail[-_STEPS:]


def _again(settlement: Callback) -> Callback:
    """A retry: a win keeps its transactionId, a rollback gets a new one each time [T]."""
    again = retried(settlement)
    return replace(again, transaction_id=new_id()) if settlement.kind is Kind.ROLLBACK else again


def _arrived(played: Round, answer: Answer, settlement: Callback) -> bool:
    """Whether an answer ends the delivery.

    A wallet that never saw the bet may refuse its rollback; that too is an end.
    """
    refusable = settlement.kind is Kind.ROLLBACK and not played.bet_answered
    return answer.status is Status.SUCCESS or refusable


def _words(settlement: Callback, *, again: bool) -> str:
    words = "rollback" if settlement.kind is Kind.ROLLBACK else f"win {grouped(settlement.amount or 0)}"
    return words + (" again" if again else "")
