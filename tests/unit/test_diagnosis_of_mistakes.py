"""Mistakes that are no bundled fault: each wallet here is an honest one with one decision made wrongly."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest
from honest_wallets import ERROR, OK, PROFILE, Answered, Bet, Habits, Wallet, provider_of

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.diagnosis.diagnose import diagnose
from pytest_provider_contract.profile import Status
from pytest_provider_contract.scenario import BetPlan, Scenario, balance, bet, rollback, scenario, win


def open_stakes(wallet: Wallet, c: Callback) -> int:
    return sum(b.amount for b in wallet.bets.values() if b.player == c.player_id and b.fate == "open")


class PaysAtMost(Wallet):
    def credited(self, c: Callback, bet: Bet | None) -> Answered:
        super().credited(c, bet)
        self.money[c.player_id] -= max((c.amount or 0) - 400, 0)
        return OK, self.now(c)


class Taxes(Wallet):
    def credited(self, c: Callback, bet: Bet | None) -> Answered:
        super().credited(c, bet)
        self.money[c.player_id] -= max((c.amount or 0) - (bet.amount if bet else 0), 0) // 10
        return OK, self.now(c)


class AddsToOldBalance(Wallet):
    def credited(self, c: Callback, bet: Bet | None) -> Answered:
        if bet is not None:
            self.money[c.player_id] = bet.answer[1] or 0
        return super().credited(c, bet)


class RestoresOldBalance(Wallet):
    def refund(self, c: Callback, bet: Bet) -> Answered:
        self.money[bet.player] = bet.answer[1] or 0
        return super().refund(c, bet)


class NothingToNobody(Wallet):
    def refund(self, c: Callback, bet: Bet) -> Answered:
        return super().refund(c, bet) if self.now(c) else (ERROR, 0)


class ClosedIsClosed(Wallet):
    def refund(self, c: Callback, bet: Bet) -> Answered:
        return (ERROR, self.now(c)) if c.round_id in self.closed else super().refund(c, bet)


class EndsTheRound(Wallet):
    def refund(self, c: Callback, bet: Bet) -> Answered:
        for other in self.bets.values():
            if c.round_closed and other.fate == "open" and other.content[2] == c.round_id:
                other.fate = "settled"
        return super().refund(c, bet)


class BetsTwice(Wallet):
    def refusal(self, c: Callback, amount: int) -> Status | None:
        return None if self.now(c) < amount <= self.now(c) + open_stakes(self, c) else super().refusal(c, amount)


class HoldsTwice(Wallet):
    def balance(self, callback: Callback) -> Answered:
        return OK, self.now(callback) - open_stakes(self, callback)


class NotesFirst(Wallet):
    def bet(self, c: Callback) -> Answered:
        known = self.bets.get(c.transaction_id or "")
        return (OK, self.now(c)) if known is not None and known.fate == "declined" else super().bet(c)


class PurgesLostBets(Wallet):
    def credited(self, c: Callback, bet: Bet | None) -> Answered:
        answer = super().credited(c, bet)
        if not c.amount:
            self.bets.pop(c.reference_id or "", None)
        return answer


class KeepsNoZeroWins(Wallet):
    def win(self, c: Callback) -> Answered:
        return (ERROR, self.now(c)) if not c.amount and c.transaction_id in self.wins else super().win(c)


class KnowsWinsByRoundAndAmount(Wallet):
    def win(self, c: Callback) -> Answered:
        same = any(w.credited and (w.content[2], w.amount) == (c.round_id, c.amount) for w in self.wins.values())
        return (OK, self.now(c)) if same and c.transaction_id not in self.wins else super().win(c)


TWO = [BetPlan(101, 70), BetPlan(57, 70)]
MISTAKES: list[tuple[type[Wallet], str, Scenario]] = [
    (PaysAtMost, "win-credits-wrong-amount", scenario(BetPlan(100, 900), bet(), win())),
    (Taxes, "win-taxed", scenario(BetPlan(100, 1100), bet(), win())),
    (AddsToOldBalance, "win-added-to-balance-of-bet", scenario(TWO, bet(0), bet(1), win(0), win(1))),
    (RestoresOldBalance, "rollback-restores-old-balance", scenario(TWO, bet(0), bet(1), rollback(0))),
    (NothingToNobody, "rollback-refused-at-zero-balance", scenario(BetPlan(0, of_balance=True), bet(), rollback())),
    (ClosedIsClosed, "rollback-in-closed-round-refused", scenario(TWO, bet(0), bet(1), win(0), rollback(1))),
    (EndsTheRound, "closing-rollback-ends-whole-round", scenario(TWO, bet(0), bet(1), rollback(0), win(1))),
    (
        BetsTwice,
        "open-stakes-count-as-funds",
        scenario([BetPlan(100), BetPlan(50, of_balance=True)], bet(0), bet(1), balance()),
    ),
    (HoldsTwice, "balance-less-open-stakes", scenario(BetPlan(100), bet(), balance())),
    (NotesFirst, "declined-bet-replay-succeeds", scenario(BetPlan(1, of_balance=True), bet(), bet())),
    (PurgesLostBets, "lost-bet-forgotten", scenario(BetPlan(100), bet(), win(), bet())),
    (KeepsNoZeroWins, "zero-win-replay-refused", scenario(BetPlan(100), bet(), win(), win())),
    (KnowsWinsByRoundAndAmount, "win-keyed-on-round-and-amount", scenario(TWO, bet(0), bet(1), win(0), win(1))),
]

# What can't be told from it: a negative balance may be a huge one that was cut to 32 bits, and here a
# replay often comes within the millisecond of its bet, as a wallet that goes by timestamps would want it.
ALSO = {"open-stakes-count-as-funds": ["balance-in-32-bits"], "lost-bet-forgotten": ["bet-not-deduplicated"]}


@pytest.mark.parametrize(("wallet", "wanted", "plan"), MISTAKES, ids=[wanted for _, wanted, _ in MISTAKES])
def test_a_mistake_is_named(wallet: type[Wallet], wanted: str, plan: Scenario) -> None:
    provider = provider_of(wallet(Habits(), {"alice": 100_000, "bob": 80_000}))
    performance = provider.play(plan)
    assert performance.violation is not None
    causes = diagnose(performance, PROFILE, (), provider.play, steady=True)
    assert causes[0].id == wanted
    assert {cause.id for cause in causes} <= {wanted, *ALSO.get(wanted, ())}


@dataclass
class FearsDoubleClicks(Wallet):
    last_s: dict[str, float] = field(default_factory=dict)

    def refusal(self, c: Callback, amount: int) -> Status | None:
        last_s = self.last_s.get(c.player_id, 0.0)
        self.last_s[c.player_id] = time.monotonic()
        return ERROR if self.last_s[c.player_id] - last_s < 0.2 else super().refusal(c, amount)


def test_bets_that_are_refused_for_coming_quickly_are_told_from_a_wallet_that_refuses_all() -> None:
    provider = provider_of(FearsDoubleClicks(Habits(), {"alice": 100_000, "bob": 80_000}))
    provider.play(scenario(BetPlan(10), bet()))
    performance = provider.play(scenario(BetPlan(30), bet()))
    assert performance.declined
    causes = diagnose(performance, PROFILE, (), provider.play, steady=True)
    assert [cause.id for cause in causes] == ["quick-bets-refused"]
