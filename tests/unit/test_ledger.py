"""The oracle by itself: it must explain every honest wallet and none that lies."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from random import Random

import pytest
from honest_wallets import (
    CHOICES,
    ERROR,
    HABITS,
    OK,
    PLAYERS,
    PROFILE,
    Answered,
    Bet,
    Habits,
    Wallet,
    content,
    provider_of,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.funds import Funds
from pytest_provider_contract.history import UNKNOWN_PLAYER, Defect
from pytest_provider_contract.ledger import Fate, Ledger, State
from pytest_provider_contract.profile import Either, Kind, Status
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.scenario import BetPlan, Scenario, Step, balance, bet, rollback, win
from pytest_provider_contract.strategies import losses, scenarios, storms
from pytest_provider_contract.wording import describe

QUIET = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))

N = int(os.environ.get("MORE_EXAMPLES", "1")).__mul__

_PLANS = st.builds(
    BetPlan,
    stake=st.sampled_from([0, 1, 5, 30, 60]),
    win=st.sampled_from([0, 3, 70]),
    player=st.sampled_from([0, 0, 1]),
    round=st.integers(0, 1),
    reward=st.sampled_from([None, None, None, "granted", "unknown"]),
) | st.builds(BetPlan, stake=st.integers(0, 1), win=st.sampled_from([0, 70]), of_balance=st.just(True))

# What happens to a callback and its repeats until one gets through.
LOSSES = st.sampled_from([("none",)] * 6 + [("reply", "none"), ("request", "none"), ("reply", "request", "none")])


@st.composite
def wild_scenarios(draw: st.DrawFn) -> Scenario:
    """Callbacks in any order, without the good sense of `strategies.scenarios`."""
    plans = tuple(draw(st.lists(_PLANS, min_size=1, max_size=3)))
    step = st.integers(0, len(plans) - 1).flatmap(lambda index: _steps(index, plans[index].player))
    return Scenario(plans, tuple(draw(st.lists(step, min_size=1, max_size=14))))


def _steps(index: int, owner: int) -> st.SearchStrategy[Step]:
    closed = st.booleans()
    return st.one_of(
        st.builds(Step, st.just(Kind.BET), st.just(index), conflict=st.sampled_from([None, None, "amount", "round"])),
        st.builds(
            Step,
            st.just(Kind.WIN),
            st.just(index),
            conflict=st.sampled_from([None, None, "amount", "bet"]),
            closed=closed,
        ),
        st.builds(Step, st.just(Kind.ROLLBACK), st.just(index), attempt=st.integers(0, 2), closed=closed),
        st.builds(
            Step,
            st.just(Kind.ROLLBACK),
            st.just(index),
            attempt=st.integers(5, 6),
            player=st.just(1 - owner),
            closed=closed,
        ),
        st.just(Step(Kind.ROLLBACK, index, attempt=7, of_win=True)),
        st.just(Step(Kind.ROLLBACK, index, attempt=8, player=UNKNOWN_PLAYER)),
        st.builds(Step, st.just(Kind.BALANCE), player=st.integers(0, 1)),
    )


def play(wallet: Wallet, scenario: Scenario) -> str | None:
    """The rule that a wallet is accused of breaking, or None."""
    performance = provider_of(wallet).play(scenario)
    assert performance.violation is None or performance.violation.rule in RULES
    return performance.violation and performance.violation.rule


def told(scenario: Scenario, habits: Habits) -> str:
    default = Habits()
    odd = {name: getattr(habits, name) for name in CHOICES if getattr(habits, name) != getattr(default, name)}
    return "\n".join([str(odd), *describe(scenario)])


FUNDS = Funds(1000, 200, players=2, reward=True)


def moves_money(wallet: Wallet, callback: Callback) -> bool:
    """Whether a request that is still on its way would move money after the scenario is over."""
    before = dict(wallet.money)
    wallet.answer(callback)
    return wallet.money != before


# A tracer costs these half their time, and the others reach every line that they do.
UNTRACED = pytest.mark.no_cover


class TestNoFalseAlarm:
    @UNTRACED
    @settings(QUIET, max_examples=N(200))
    @given(HABITS, wild_scenarios())
    def test_every_honest_wallet_is_explained_in_any_order(self, habits: Habits, scenario: Scenario) -> None:
        wallet = Wallet(habits, {"alice": 100, "bob": 80})
        provider = provider_of(wallet)
        performance = provider.play(scenario)
        assert performance.violation is None, f"{performance.violation}\n{told(scenario, habits)}"
        assert performance.balances == {
            index: provider.client.probed[player.player_id]
            for index, player in enumerate(PLAYERS)
            if index in performance.balances
        }

    @UNTRACED
    @settings(QUIET, max_examples=N(120))
    @given(HABITS, wild_scenarios(), st.lists(LOSSES, max_size=30))
    def test_every_honest_wallet_is_explained_when_requests_and_replies_get_lost(
        self, habits: Habits, scenario: Scenario, losses: list[tuple[str, ...]]
    ) -> None:
        provider = provider_of(Wallet(habits, {"alice": 100, "bob": 80}))
        provider.known.update({0: 100, 1: 80})  # only callbacks that are sent again may get lost
        provider.client.losses = itertools.chain.from_iterable(losses)
        performance = provider.play(scenario)
        assert performance.violation is None, f"{performance.violation} {losses}\n{told(scenario, habits)}"

    @UNTRACED
    @settings(QUIET, max_examples=N(120))
    @given(HABITS, scenarios(FUNDS))
    def test_every_honest_wallet_is_explained_in_generated_scenarios(self, habits: Habits, scenario: Scenario) -> None:
        wallet = Wallet(habits, {"alice": 1000, "bob": 1000})
        violation = play(wallet, scenario)
        assert violation is None, told(scenario, habits)

    @UNTRACED
    @settings(QUIET, max_examples=N(150))
    @given(HABITS, storms(FUNDS) | losses(FUNDS), st.randoms(use_true_random=False))
    def test_every_honest_wallet_is_explained_whatever_arrives_at_once_or_late(
        self, habits: Habits, scenario: Scenario, chance: Random
    ) -> None:
        wallet = Wallet(habits, {"alice": 1000, "bob": 1000})
        provider = provider_of(wallet)
        provider.client.chance = chance
        performance = provider.play(scenario)
        assert performance.violation is None, f"{performance.violation}\n{told(scenario, habits)}"
        assert not performance.undecided
        assert not [c for c in provider.client.late if c.kind is not Kind.BALANCE and moves_money(wallet, c)]

    @pytest.mark.parametrize(
        ("habits", "bets", "steps"),
        [
            pytest.param(
                Habits(closes_rounds=True),
                (BetPlan(5), BetPlan(7)),
                (bet(0), win(0), bet(1)),
                id="a bet in a round that was closed",
            ),
            pytest.param(
                Habits(strangers=OK),
                (BetPlan(5),),
                (rollback(0, 8, player=UNKNOWN_PLAYER), bet(0)),
                id="a tombstone set by a rollback of an unknown player",
            ),
            pytest.param(
                Habits(foreign_rollback=OK, remembers_declined=False, late_bet=OK),
                (BetPlan(101), BetPlan(5, 70)),
                (bet(0), rollback(0, 5, player=1), bet(1), win(1), bet(0)),
                id="a forgotten declined bet, rolled back by another player",
            ),
            pytest.param(
                Habits(early_win_settles=True, remembers_declined=False, settled_rollback="succeed", late_bet=OK),
                (BetPlan(0, of_balance=True),),
                (bet(0, conflict="amount"), win(0, closed=False), rollback(0, closed=False), bet(0)),
                id="a forgotten declined bet, settled by its win before it comes again",
            ),
            pytest.param(
                Habits(early_win="refuse", remembers_refused_wins=True),
                (BetPlan(5, 3),),
                (win(0, closed=False), bet(0), win(0, conflict="amount"), win(0)),
                id="a win in conflict with a refused one",
            ),
            pytest.param(
                Habits(early_win_settles=True, settled_rollback="succeed"),
                (BetPlan(5, 3),),
                (win(0, closed=False), rollback(0, closed=False), bet(0), win(0)),
                id="a rollback between an early win and its bet",
            ),
            pytest.param(
                Habits(),
                (BetPlan(0, reward="granted"),),
                (bet(0, conflict="amount"), bet(0), rollback(0)),
                id="a free bet that names an amount first",
            ),
        ],
    )
    def test_wallets_that_were_once_accused_wrongly(
        self, habits: Habits, bets: tuple[BetPlan, ...], steps: tuple[Step, ...]
    ) -> None:
        assert play(Wallet(habits, {"alice": 100, "bob": 80}), Scenario(bets, steps)) is None


class DebitsTwice(Wallet):
    """Debits again when a bet is replayed."""

    def replayed(self, callback: Callback, status: Status, original: int | None) -> Answered:
        if callback.kind is Kind.BET:
            self.debit(callback, callback.amount or 0)
        return super().replayed(callback, status, original)


class DebitsOneMore(Wallet):
    def debit(self, c: Callback, amount: int) -> None:
        super().debit(c, amount + 1)


class DebitsNothing(Wallet):
    def debit(self, c: Callback, amount: int) -> None:
        pass


class Overdraws(Wallet):
    def refusal(self, c: Callback, amount: int) -> Status | None:
        found = super().refusal(c, amount)
        return None if found is Status.INSUFFICIENT_BALANCE else found


class DeclinesAll(Wallet):
    """Refuses a bet of exactly the balance."""

    def refusal(self, c: Callback, amount: int) -> Status | None:
        return Status.INSUFFICIENT_BALANCE if amount == self.now(c) else super().refusal(c, amount)


class WrongWordForPoor(Wallet):
    def refusal(self, c: Callback, amount: int) -> Status | None:
        found = super().refusal(c, amount)
        return Status.UNKNOWN if found is Status.INSUFFICIENT_BALANCE else found


class DeclinesAndDebits(Wallet):
    def new_bet(self, c: Callback) -> Answered:
        status, told = super().new_bet(c)
        if status is not OK:
            self.money[c.player_id] -= 1
        return status, told


class RefundsTwice(Wallet):
    """Deduplicates rollbacks on their own transactionId."""

    def rollback(self, c: Callback) -> Answered:
        bet = self.bets.get(c.reference_id or "")
        if bet is not None and bet.fate == "refunded" and c.transaction_id not in self.late:
            self.late[c.transaction_id or ""] = 0
            return self.refund(c, bet)
        self.late[c.transaction_id or ""] = 0
        return super().rollback(c)


class RefundsOnEveryRetry(Wallet):
    def rollback(self, c: Callback) -> Answered:
        bet = self.bets.get(c.reference_id or "")
        return self.refund(c, bet) if bet is not None and bet.fate == "refunded" else super().rollback(c)


class RefundsTheWrongAmount(Wallet):
    def refund(self, c: Callback, bet: Bet) -> Answered:
        bet.amount += 1
        return super().refund(c, bet)


class RefundsTheRound(Wallet):
    """Refunds the last bet of the round whatever is referenced."""

    def refund(self, c: Callback, bet: Bet) -> Answered:
        bet.amount = max(other.amount for other in self.bets.values())
        return super().refund(c, bet)


class RefundsDeclined(Wallet):
    def rollback(self, c: Callback) -> Answered:
        bet = self.bets.get(c.reference_id or "")
        if bet is not None and bet.fate == "declined":
            self.money[c.player_id] += 5
        return super().rollback(c)


class RefundsNothing(Wallet):
    def refund(self, c: Callback, bet: Bet) -> Answered:
        bet.amount = 0
        return super().refund(c, bet)


class RefusesRepeats(Wallet):
    def rollback(self, c: Callback) -> Answered:
        bet = self.bets.get(c.reference_id or "")
        return (ERROR, self.now(c)) if bet is not None and bet.fate == "refunded" else super().rollback(c)


class ForgetsTombstones(Wallet):
    def buried(self, reference: str, player: str) -> bool:
        return False


class RemembersRefusals(Wallet):
    """Refuses an unknown bet's rollback, and its retry after the bet again."""

    def rollback(self, c: Callback) -> Answered:
        return (ERROR, self.now(c)) if c.reference_id in self.refused else super().rollback(c)


class RefundsAnothers(Wallet):
    def rollback(self, c: Callback) -> Answered:
        bet = self.bets.get(c.reference_id or "")
        if bet is not None and bet.player != c.player_id and bet.fate == "open":
            self.refund(c, bet)
        return super().rollback(c)


class PaysTheCaller(Wallet):
    """Refunds another player's bet to whoever asks."""

    def rollback(self, c: Callback) -> Answered:
        bet = self.bets.get(c.reference_id or "")
        if bet is not None and bet.player != c.player_id:
            self.money[c.player_id] += bet.amount
        return super().rollback(c)


class RefundsWins(Wallet):
    def rollback(self, c: Callback) -> Answered:
        if won := self.wins.get(c.reference_id or ""):
            self.money[won.player] -= won.amount
        return super().rollback(c)


class CreditsTwice(Wallet):
    def win(self, c: Callback) -> Answered:
        if c.transaction_id in self.wins:
            self.money[c.player_id] += c.amount or 0
        return super().win(c)


class RefusesWinReplays(Wallet):
    def win(self, c: Callback) -> Answered:
        return (Status.DUPLICATE, self.now(c)) if c.transaction_id in self.wins else super().win(c)


class CreditsOneLess(Wallet):
    def credited(self, c: Callback, bet: Bet | None) -> Answered:
        self.money[c.player_id] -= 1
        return super().credited(c, bet)


class LiesAboutWins(Wallet):
    """Answers SUCCESS to a win it does not credit."""

    def refused_win(self, c: Callback) -> Answered:
        return OK, self.now(c)


class CreditsAndRefuses(Wallet):
    def refused_win(self, c: Callback) -> Answered:
        self.money[c.player_id] += c.amount or 0
        return super().refused_win(c)


class RefusesLateWins(Wallet):
    """Never credits a win that it refused once."""

    def win(self, c: Callback) -> Answered:
        if c.transaction_id in self.wins:
            return ERROR, self.now(c)
        return super().win(c)


class RefusesZeroWins(Wallet):
    def win(self, c: Callback) -> Answered:
        return super().win(c) if c.amount else (ERROR, self.now(c))


class RefusesOpenRounds(Wallet):
    def win(self, c: Callback) -> Answered:
        return super().win(c) if c.round_closed else (ERROR, self.now(c))


class ConflictsMove(Wallet):
    def conflicting(self, callback: Callback, first: Answered) -> Answered:
        self.money[callback.player_id] += 1 if callback.kind is Kind.WIN else -1
        return super().conflicting(callback, first)


class CachesBalances(Wallet):
    def balance(self, callback: Callback) -> Answered:
        return OK, self.late.setdefault("", self.now(callback))


class BalanceCosts(Wallet):
    def balance(self, callback: Callback) -> Answered:
        self.money[callback.player_id] -= 1
        return OK, self.now(callback) + 1


class ReportsBeforeDebit(Wallet):
    def new_bet(self, c: Callback) -> Answered:
        before = self.now(c)
        status, _ = super().new_bet(c)
        return status, before


class DebitsFreeBets(Wallet):
    def debit(self, c: Callback, amount: int) -> None:
        super().debit(c, 10 if c.is_free else amount)


class TakesEveryReward(Wallet):
    def refusal(self, c: Callback, amount: int) -> Status | None:
        found = super().refusal(c, amount)
        return None if found is Status.BONUS else found


class DebitsAlike(Wallet):
    """Takes bets of equal round and amount for one bet."""

    def bet(self, c: Callback) -> Answered:
        if any(kept.content == content(c) for kept in self.bets.values()):
            return OK, self.now(c)
        return super().bet(c)


class ReplayDeclined(Wallet):
    """Answers DECLINED replays with SUCCESS and no debit."""

    def replayed(self, callback: Callback, status: Status, original: int | None) -> Answered:
        return super().replayed(callback, OK if status is not OK else status, original)


class StrangersMove(Wallet):
    def stranger(self, callback: Callback) -> Answered:
        self.money["alice"] += 1
        return super().stranger(callback)


ONE = (BetPlan(10, 3),)
TWO = (BetPlan(10, 3), BetPlan(20, 5))
REFUSES = Habits(unknown_rollback="refuse", early_win="refuse", remembers_refused_wins=True)

MUTANTS: list[tuple[type[Wallet], Habits, tuple[BetPlan, ...], tuple[Step, ...], str]] = [
    (DebitsTwice, Habits(), ONE, (bet(0), bet(0)), "IDEM-01"),
    (DebitsTwice, Habits(replay_tells="original"), ONE, (bet(0), bet(0)), "IDEM-01"),
    (DebitsTwice, Habits(), ONE, (bet(0), win(0), bet(0)), "IDEM-07"),
    (DebitsTwice, Habits(late_bet=OK), ONE, (bet(0), rollback(0), bet(0)), "IDEM-06"),
    (DebitsTwice, Habits(late_bet=OK), ONE, (rollback(0), bet(0)), "ROLLBACK-05"),
    (DebitsOneMore, Habits(), ONE, (bet(0),), "BET-01"),
    (DebitsNothing, Habits(), ONE, (bet(0),), "BET-01"),
    (DebitsNothing, Habits(), (BetPlan(0, 0, of_balance=True),), (bet(0),), "BET-02"),
    (Overdraws, Habits(), (BetPlan(1, of_balance=True),), (bet(0),), "BET-03"),
    (DeclinesAll, Habits(), (BetPlan(0, of_balance=True),), (bet(0),), "BET-02"),
    (WrongWordForPoor, Habits(), (BetPlan(1, of_balance=True),), (bet(0),), "BET-03"),
    (DeclinesAndDebits, Habits(), (BetPlan(1, of_balance=True),), (bet(0),), "BET-03"),
    (RefundsTwice, Habits(), ONE, (bet(0), rollback(0), rollback(0, 1)), "ROLLBACK-03"),
    (RefundsOnEveryRetry, Habits(), ONE, (bet(0), rollback(0), rollback(0)), "ROLLBACK-02"),
    (RefundsOnEveryRetry, Habits(replay_tells="original"), ONE, (bet(0), rollback(0), rollback(0)), "ROLLBACK-02"),
    (RefundsTheWrongAmount, Habits(), ONE, (bet(0), rollback(0)), "ROLLBACK-01"),
    (RefundsTheRound, Habits(), TWO, (bet(0), bet(1), rollback(0)), "ROLLBACK-01"),
    (RefundsNothing, Habits(), ONE, (bet(0), rollback(0, closed=False)), "ROLLBACK-01"),
    (RefundsNothing, REFUSES, ONE, (rollback(0), bet(0), rollback(0, 1)), "ROLLBACK-06"),
    (RefundsDeclined, Habits(), (BetPlan(1, of_balance=True),), (bet(0), rollback(0)), "ROLLBACK-07"),
    (RefusesRepeats, Habits(), ONE, (bet(0), rollback(0), rollback(0)), "ROLLBACK-02"),
    (RefusesRepeats, Habits(), ONE, (bet(0), rollback(0), rollback(0, 1)), "ROLLBACK-03"),
    (ForgetsTombstones, Habits(), ONE, (rollback(0), bet(0)), "ROLLBACK-05"),
    (ForgetsTombstones, Habits(), ONE, (rollback(0), rollback(0, 1), bet(0)), "ROLLBACK-05"),
    (
        ForgetsTombstones,
        Habits(tombstones_per_player=True),
        ONE,
        (rollback(0, 5, player=1), rollback(0), bet(0)),
        "ROLLBACK-05",
    ),
    (
        ForgetsTombstones,
        Habits(tombstones_per_player=True),
        ONE,
        (rollback(0), rollback(0, 5, player=1), bet(0)),
        "ROLLBACK-05",
    ),
    (RemembersRefusals, REFUSES, ONE, (rollback(0), bet(0), rollback(0)), "ROLLBACK-06"),
    (RefundsAnothers, Habits(), ONE, (bet(0), rollback(0, 5, player=1)), "PLAYER-01"),
    (PaysTheCaller, Habits(), ONE, (bet(0), rollback(0, 5, player=1)), "PLAYER-04"),
    (RefundsWins, Habits(), ONE, (bet(0), win(0), rollback(0, 7, of_win=True)), "ROLLBACK-10"),
    (CreditsTwice, Habits(), ONE, (bet(0), win(0), win(0)), "IDEM-02"),
    (CreditsTwice, Habits(), ONE, (win(0), bet(0), win(0)), "ORDER-02"),
    (RefusesWinReplays, Habits(), ONE, (bet(0), win(0), win(0)), "IDEM-02"),
    (CreditsOneLess, Habits(), ONE, (bet(0), win(0)), "WIN-01"),
    (CreditsOneLess, Habits(), ONE, (win(0),), "ORDER-01"),
    (LiesAboutWins, Habits(), ONE, (bet(0), rollback(0), win(0)), "WIN-05"),
    (LiesAboutWins, REFUSES, ONE, (win(0),), "ORDER-01"),
    (CreditsAndRefuses, Habits(errors_tell_balance=False), ONE, (bet(0), rollback(0), win(0)), "WIN-05"),
    (RefusesLateWins, REFUSES, ONE, (win(0), bet(0), win(0)), "ORDER-02"),
    (RefusesZeroWins, Habits(), (BetPlan(10, 0),), (bet(0), win(0)), "WIN-02"),
    (RefusesOpenRounds, Habits(), ONE, (bet(0), win(0, closed=False)), "WIN-01"),
    (ConflictsMove, Habits(), ONE, (bet(0), bet(0, conflict="amount")), "IDEM-03"),
    (ConflictsMove, Habits(conflict="stored"), ONE, (bet(0), bet(0, conflict="round")), "IDEM-03"),
    (ConflictsMove, Habits(), ONE, (bet(0), win(0), win(0, conflict="amount")), "IDEM-04"),
    (ConflictsMove, Habits(conflict="error"), ONE, (bet(0), win(0), win(0, conflict="bet")), "IDEM-04"),
    (CachesBalances, Habits(), ONE, (balance(), bet(0), balance()), "BALANCE-02"),
    (BalanceCosts, Habits(), ONE, (balance(), balance()), "BALANCE-01"),
    (ReportsBeforeDebit, Habits(), ONE, (bet(0),), "BET-01"),
    (DebitsFreeBets, Habits(), (BetPlan(0, 3, reward="granted"),), (bet(0),), "FREE-01"),
    (TakesEveryReward, Habits(), (BetPlan(0, 3, reward="unknown"),), (bet(0),), "FREE-02"),
    (DebitsAlike, Habits(), (BetPlan(10, 3), BetPlan(10, 3)), (bet(0), bet(1)), "BET-01"),
    (ReplayDeclined, Habits(), (BetPlan(101, 3), BetPlan(10, 70)), (bet(0), bet(1), win(1), bet(0)), "BET-08"),
    (StrangersMove, Habits(), ONE, (bet(0), rollback(0, 8, player=UNKNOWN_PLAYER)), "PLAYER-02"),
    (StrangersMove, Habits(strangers=OK), ONE, (balance(player=UNKNOWN_PLAYER),), "BALANCE-01"),
]


@pytest.mark.parametrize(
    ("mutant", "habits", "bets", "steps", "rule"),
    MUTANTS,
    ids=[f"{case[0].__name__}-{case[4]}-{number}" for number, case in enumerate(MUTANTS)],
)
class TestNoMiss:
    def test_a_wallet_that_errs_is_accused_of_its_rule(
        self, mutant: type[Wallet], habits: Habits, bets: tuple[BetPlan, ...], steps: tuple[Step, ...], rule: str
    ) -> None:
        assert play(mutant(habits, {"alice": 100, "bob": 80}), Scenario(bets, steps)) == rule

    def test_an_honest_wallet_of_the_same_habits_is_not(
        self, mutant: type[Wallet], habits: Habits, bets: tuple[BetPlan, ...], steps: tuple[Step, ...], rule: str
    ) -> None:
        assert mutant is not Wallet
        assert rule in RULES
        assert play(Wallet(habits, {"alice": 100, "bob": 80}), Scenario(bets, steps)) is None


# -- the relation itself -----------------------------------------------------------------------------

BET_IDS = ("bet-1", "bet-2", "win-1")


def callbacks() -> st.SearchStrategy[Callback]:
    """Callbacks over so few ids that they meet often."""
    player, amount = st.sampled_from(["alice", "alice", "bob", "nobody"]), st.sampled_from([0, 1, 40, 100])
    rounds, closed = st.sampled_from(["r1", "r2"]), st.booleans()
    base = {"request_id": st.just("q"), "session_id": st.just("s"), "timestamp": st.just("t"), "player_id": player}
    about = {**base, "round_id": rounds, "game_id": st.just("g")}
    return st.one_of(
        st.builds(
            Callback,
            kind=st.just(Kind.BET),
            **about,
            transaction_id=st.sampled_from(BET_IDS[:2]),
            amount=amount,
            currency=st.sampled_from(["EUR", "EUR", "USD"]),
        ),
        st.builds(
            Callback,
            kind=st.just(Kind.WIN),
            **about,
            transaction_id=st.sampled_from(["win-1", "win-2"]),
            reference_id=st.sampled_from(BET_IDS[:2]),
            amount=amount,
            currency=st.just("EUR"),
            round_closed=closed,
        ),
        st.builds(
            Callback,
            kind=st.just(Kind.ROLLBACK),
            **about,
            transaction_id=st.sampled_from(["back-1", "back-2"]),
            reference_id=st.sampled_from(BET_IDS),
            round_closed=closed,
        ),
        st.builds(Callback, kind=st.just(Kind.BALANCE), **base),
    )


def expected_money(state: State, revoked: int) -> int:
    staked = sum(b.amount for b in state.bets.values() if b.fate in (Fate.OPEN, Fate.SETTLED))
    return 180 - staked + sum(w.amount for w in state.wins.values() if w.credited) - revoked


class TestRelation:
    @settings(QUIET, max_examples=N(120))
    @given(st.lists(callbacks(), max_size=14), st.data())
    def test_money_is_kept_on_every_path(self, sent: list[Callback], data: st.DataObject) -> None:
        ledger = Ledger({"alice": "EUR", "bob": "EUR"})
        state, revoked = State({"alice": 100, "bob": 80}), 0
        for callback in sent:
            branches = ledger.branches(state, callback)
            again = ledger.branches(state, callback)
            assert branches == again
            assert branches
            for branch in branches:
                assert branch.statuses
                assert (branch.rule or "BET-01") in RULES
                assert branch.advisory <= RULES.keys()
                assert min(branch.state.balances.values()) >= 0
                others = state.balances.keys() - {callback.player_id}
                assert all(branch.state.balances[other] == state.balances[other] for other in others)
                if callback.kind is Kind.BALANCE or Status.SUCCESS not in branch.statuses:
                    assert branch.state.balances == state.balances
            taken = data.draw(st.sampled_from(branches))
            if "ROLLBACK-09" in taken.advisory:
                revoked += expected_money(taken.state, revoked) - sum(taken.state.balances.values())
            state = taken.state
            assert sum(state.balances.values()) == expected_money(state, revoked)

    @settings(QUIET, max_examples=N(60))
    @given(st.lists(callbacks(), max_size=6))
    def test_equal_states_hash_alike_and_mapping_order_does_not_count(self, sent: list[Callback]) -> None:
        ledger = Ledger({"alice": "EUR", "bob": "EUR"})
        states = {State({"alice": 100, "bob": 80})}
        for callback in sent:
            states = {branch.state for state in states for branch in ledger.branches(state, callback)}
        assert len(states) < 2000
        for state in states:
            copy = State(
                dict(reversed(state.balances.items())),
                dict(reversed(state.bets.items())),
                dict(reversed(state.wins.items())),
                dict(reversed(state.rollbacks.items())),
                state.closed,
            )
            assert copy == state
            assert hash(copy) == hash(state)
            assert copy in states
            assert state != repr(state)

    def test_a_state_is_not_changed_by_what_follows_from_it(self) -> None:
        ledger = Ledger({"alice": "EUR"})
        state = State({"alice": 100})
        told = repr(state)
        bet_1 = Callback(Kind.BET, "q", "alice", "s", "t", "bet-1", amount=40, currency="EUR")
        [branch] = [b for b in ledger.branches(state, bet_1) if b.statuses == {OK}]
        assert branch.state.balances == {"alice": 60}
        assert repr(state) == told
        assert state.moved("alice", 0).balances is state.balances

    def test_a_bet_that_can_be_paid_is_declined_only_for_reasons_of_the_operators_own(self) -> None:
        ledger = Ledger({"alice": "EUR"})
        bet = Callback(Kind.BET, "q", "alice", "s", "t", "bet-1", round_id="r1", amount=40, currency="EUR")
        branches = ledger.branches(State({"alice": 100}), bet)
        declines = {s for branch in branches if branch.state.balances == {"alice": 100} for s in branch.statuses}
        assert declines == {Status.BET_LIMIT, Status.UNKNOWN}
        assert all(branch.rule is None for branch in branches if Status.SUCCESS not in branch.statuses)

    @pytest.mark.parametrize(
        ("answers", "honest"),
        [
            (("A paid", "B refused"), True),
            (("A refused", "B paid"), True),
            (("B paid", "A refused", "B replayed"), True),
            (("A paid", "B paid"), False),
            (("A refused", "B refused"), False),
            (("B refused", "A paid", "A paid"), False),
        ],
    )
    def test_of_wins_refused_with_two_contents_a_wallet_may_remember_either_and_pays_it_once(
        self, answers: tuple[str, ...], honest: bool
    ) -> None:
        ledger = Ledger({"alice": "EUR"})
        about = {"player_id": "alice", "session_id": "s", "timestamp": "t", "round_id": "r1", "currency": "EUR"}
        first = Callback(Kind.WIN, "q", **about, transaction_id="w", reference_id="bet-1", amount=7)
        sent = {"A": first, "B": replace(first, amount=8)}
        placed = Callback(Kind.BET, "q", **about, transaction_id="bet-1", amount=40)
        told = {"refused": Status.DUPLICATE, "paid": Status.SUCCESS, "replayed": Status.SUCCESS}
        history = [(sent["A"], Status.UNKNOWN, 0), (sent["B"], Status.UNKNOWN, 0), (placed, Status.SUCCESS, -40)]
        for name, what in map(str.split, answers):
            history.append((sent[name], told[what], (sent[name].amount or 0) * (what == "paid")))
        states, balance = {State({"alice": 100})}, 100
        for callback, status, moved in history:
            balance += moved
            states = {
                branch.state
                for state in states
                for branch in ledger.branches(state, callback)
                if status in branch.statuses and (branch.balances is None or balance in branch.balances)
            }
        assert bool(states) is honest

    def test_a_win_refused_with_one_content_is_paid_once_its_bet_is_there(self) -> None:
        ledger = Ledger({"alice": "EUR"})
        about = {"player_id": "alice", "session_id": "s", "timestamp": "t", "round_id": "r1", "currency": "EUR"}
        early = Callback(Kind.WIN, "q", **about, transaction_id="w", reference_id="bet-1", amount=7)
        placed = Callback(Kind.BET, "q", **about, transaction_id="bet-1", amount=40)
        state = State({"alice": 100})
        for callback, wanted in ((early, Status.UNKNOWN), (placed, Status.SUCCESS)):
            state = next(b.state for b in ledger.branches(state, callback) if wanted in b.statuses)
        assert {status for branch in ledger.branches(state, early) for status in branch.statuses} == {OK}

    @pytest.mark.parametrize("closer", [Kind.WIN, Kind.ROLLBACK])
    def test_a_closed_round_may_be_insisted_on_by_refusing_a_bet_and_in_no_other_way(self, closer: Kind) -> None:
        ledger = Ledger({"alice": "EUR"})
        about = {"player_id": "alice", "session_id": "s", "timestamp": "t", "round_id": "r1"}
        closing = Callback(closer, "q", **about, transaction_id="c", reference_id="other", amount=7, round_closed=True)
        late = Callback(Kind.BET, "q", **about, transaction_id="bet-1", amount=400, currency="EUR")
        for before in ledger.branches(State({"alice": 100}), closing):
            statuses = {s for branch in ledger.branches(before.state, late) for s in branch.statuses}
            closed = before.statuses == {OK}
            expected = {Status.INSUFFICIENT_BALANCE, Status.BET_LIMIT}
            assert statuses == expected | ({Status.UNKNOWN} if closed else set())
            elsewhere = ledger.branches(before.state, replace(late, round_id="r2"))
            assert Status.UNKNOWN not in {s for branch in elsewhere for s in branch.statuses}
            win_ = replace(late, kind=Kind.WIN, transaction_id="w", reference_id="bet-1", round_closed=False)
            paid = replace(late, amount=40)
            taken = next(branch.state for branch in ledger.branches(before.state, paid) if branch.statuses == {OK})
            assert {branch.statuses for branch in ledger.branches(taken, win_)} == {frozenset({OK})}

    @pytest.mark.parametrize(
        ("choice", "habits", "steps"),
        [
            ({"bet_replay": frozenset({OK})}, Habits(bet_replay=Status.DUPLICATE), (bet(0), bet(0))),
            ({"early_win_credited": False}, Habits(), (win(0),)),
            ({"early_win_refused": False}, Habits(early_win="refuse"), (win(0),)),
            ({"unknown_rollback_succeeds": False}, Habits(), (rollback(0),)),
            ({"unknown_rollback_refused": False}, Habits(unknown_rollback="refuse"), (rollback(0),)),
            ({"zero_bet_accepted": False}, Habits(), (bet(1),)),
            ({"zero_bet_declined": False}, Habits(zero_bet="decline"), (bet(1),)),
            ({"replay_reports_current": False}, Habits(), (bet(0), win(0), bet(0))),
            ({"replay_reports_original": False}, Habits(replay_tells="original"), (bet(0), win(0), bet(0))),
            (
                {"replay_reports_original": False},
                Habits(replay_tells="original"),
                (bet(0), rollback(0), bet(2), rollback(0)),
            ),
        ],
    )
    def test_a_profile_can_take_each_choice_away(
        self, choice: dict[str, object], habits: Habits, steps: tuple[Step, ...]
    ) -> None:
        scenario = Scenario((BetPlan(10, 3), BetPlan(0), BetPlan(20)), steps)
        wallet = Wallet(habits, {"alice": 100, "bob": 80})
        provider = provider_of(wallet)
        assert provider.play(scenario).violation is None
        strict = replace(PROFILE, either=replace(Either(), **choice))
        provider = provider_of(Wallet(habits, {"alice": 100, "bob": 80}))
        provider.client.profile = strict
        assert provider.play(scenario).violation is not None


class TestAdvice:
    @pytest.mark.parametrize(
        ("habits", "steps", "rule"),
        [
            (Habits(conflict="stored"), (bet(0), bet(0, conflict="amount")), "IDEM-05"),
            (Habits(conflict="error"), (bet(0), win(0), win(0, conflict="amount")), "IDEM-05"),
            (Habits(dead_win="credit"), (bet(0), rollback(0), win(0)), "WIN-04"),
            (Habits(strangers=OK), (balance(player=UNKNOWN_PLAYER),), "PLAYER-03"),
            (Habits(settled_rollback="refund"), (bet(0), win(0), rollback(0)), "ROLLBACK-09"),
            (Habits(settled_rollback="undo"), (bet(0), win(0), rollback(0)), "ROLLBACK-09"),
            (Habits(errors_tell_balance=False, early_win="refuse"), (win(0),), "REPLY-09"),
        ],
    )
    def test_what_a_wallet_should_not_do_is_told_and_no_violation(
        self, habits: Habits, steps: tuple[Step, ...], rule: str
    ) -> None:
        performance = provider_of(Wallet(habits, {"alice": 100, "bob": 80})).play(Scenario(ONE, steps))
        assert performance.violation is None
        assert rule in performance.advisory

    def test_the_ordinary_wallet_gets_no_advice(self) -> None:
        steps = (bet(0), bet(0), win(0), win(0), rollback(0), bet(0, conflict="amount"), win(0, conflict="bet"))
        performance = provider_of(Wallet(Habits(), {"alice": 100, "bob": 80})).play(Scenario(ONE, steps))
        assert performance.violation is None
        assert performance.advisory == frozenset()


class TestOpenQuestions:
    """Answers on which the contract is silent: both are true, and only the money counts."""

    ledger = Ledger({"alice": "EUR"})

    def settled(self, *sent: Callback) -> State:
        """The state after callbacks were all answered SUCCESS."""
        state = State({"alice": 100})
        for callback in sent:
            state = next(b.state for b in self.ledger.branches(state, callback) if Status.SUCCESS in b.statuses)
        return state

    def answers(self, state: State, callback: Callback, defect: Defect | None = None) -> set[tuple[bool, int]]:
        """Whether SUCCESS may be answered, and alice's money afterwards."""
        branches = self.ledger.branches(state, callback, defect)
        return {(status is OK, b.state.balances["alice"]) for b in branches for status in b.statuses}

    def callback(self, kind: Kind, id_: str, about: str | None = None, amount: int | None = 40) -> Callback:
        return Callback(kind, "q", "alice", "s", "t", id_, about, "r1", "g", amount, "EUR")

    def test_a_second_win_of_a_settled_bet_is_credited_or_refused_as_the_answer_says(self) -> None:
        bet_, first, second = (
            self.callback(Kind.BET, "bet-1"),
            self.callback(Kind.WIN, "win-1", "bet-1", 7),
            self.callback(Kind.WIN, "win-2", "bet-1", 9),
        )
        assert self.answers(self.settled(bet_, first), second) == {(True, 76), (False, 67)}

    def test_a_bet_whose_win_was_credited_to_another_player_may_be_settled_and_one_whose_was_refused_not(self) -> None:
        ledger = Ledger({"alice": "EUR", "bob": "EUR"})
        bet_, won = self.callback(Kind.BET, "bet-1"), self.callback(Kind.WIN, "win-1", "bet-1", 7)
        placed = next(b.state for b in ledger.branches(State({"alice": 100, "bob": 100}), bet_))
        branches = list(ledger.branches(placed, replace(won, player_id="bob")))
        ends = {(b.statuses == {Status.SUCCESS}, b.state.balances["bob"], b.state.bets["bet-1"].fate) for b in branches}
        assert ends == {(True, 107, Fate.OPEN), (True, 107, Fate.SETTLED), (False, 100, Fate.OPEN)}
        assert {b.state.balances["alice"] for b in branches} == {60}

    def test_a_win_of_another_round_than_its_bet_may_be_refused(self) -> None:
        bet_, won = self.callback(Kind.BET, "bet-1"), self.callback(Kind.WIN, "win-1", "bet-1", 7)
        assert self.answers(self.settled(bet_), won) == {(True, 67)}
        assert self.answers(self.settled(bet_), replace(won, round_id="r2")) == {(True, 67), (False, 60)}

    def test_a_win_whose_own_id_was_rolled_back_may_be_refused(self) -> None:
        bet_, won = self.callback(Kind.BET, "bet-1"), self.callback(Kind.WIN, "win-1", "bet-1", 7)
        stray = self.callback(Kind.ROLLBACK, "back-1", "win-1", None)
        assert self.answers(self.settled(bet_, stray), won) == {(True, 67), (False, 60)}

    @pytest.mark.parametrize(
        ("kind", "damaged", "json", "allowed"),
        [
            (Kind.BET, "clientPlayerId", "null", {(True, 60), (False, 60)}),
            (Kind.ROLLBACK, "referenceTransactionId", "null", {(True, 60), (False, 60)}),
            (Kind.WIN, "referenceTransactionId", "null", {(True, 67), (False, 60)}),
            (Kind.WIN, "amount", '"7"', {(True, 60), (False, 60), (True, 67)}),
            (Kind.WIN, "amount", "[]", {(True, 60), (False, 60)}),
            (Kind.BET, "amount", '"7"', {(False, 60)}),
            (Kind.BET, "amount", None, {(True, 60), (False, 60)}),
        ],
    )
    def test_a_damaged_field_moves_no_money_that_it_does_not_spell(
        self, kind: Kind, damaged: str, json: str | None, allowed: set[tuple[bool, int]]
    ) -> None:
        state = self.settled(self.callback(Kind.BET, "bet-1"))
        about = None if kind is Kind.BET else "bet-1"
        sent = self.callback(kind, "id-2", about, None if kind is Kind.ROLLBACK else 7)
        assert self.answers(state, sent, Defect("REPLY-03", "field", damaged, json)) == allowed
