"""Races and lost replies: what is sent together is judged together, and named by its own rule."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from honest_wallets import OK, PLAYERS, REWARD, Answered, Habits, InMemoryClient, Wallet

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.client import Letter
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.provider import Performance, Provider
from pytest_provider_contract.scenario import (
    BetPlan,
    Scenario,
    balance,
    bet,
    from_json,
    rollback,
    scenario,
    to_json,
    together,
    win,
)
from pytest_provider_contract.shrink import simpler
from pytest_provider_contract.transport import Fault, Reply
from pytest_provider_contract.wording import describe

ONE = BetPlan(100, 70)
TWO = [BetPlan(100, 70), BetPlan(40, 30, round=1)]


class ReadsBeforeItWrites(InMemoryClient):
    """Every callback of a group finds the wallet as it was before the group; the last one's money stays."""

    def send_together(self, letters: Sequence[Letter]) -> list[Exchange]:
        before, exchanges = copy.deepcopy(self.wallet), []
        for letter in letters:
            self.wallet = copy.deepcopy(before)
            exchanges.append(self.send(letter.callback))
        return overlapping(exchanges)


class ForgetsWithinAGroup(InMemoryClient):
    """Every callback of a group moves money, whatever was done for its transactionId."""

    def send_together(self, letters: Sequence[Letter]) -> list[Exchange]:
        exchanges = []
        for letter in letters:
            bets, wins = copy.deepcopy(self.wallet.bets), copy.deepcopy(self.wallet.wins)
            exchanges.append(self.send(letter.callback))
            if letter is not letters[-1]:
                self.wallet.bets, self.wallet.wins = bets, wins
        return overlapping(exchanges)


class FailsWhenBusy(InMemoryClient):
    """Of a group only the first callback gets its HTTP 200."""

    def send_together(self, letters: Sequence[Letter]) -> list[Exchange]:
        first, *others = overlapping([self.send(letter.callback) for letter in letters])
        return [first, *(replace(other, reply=Reply(500, other.reply.headers, b"{}")) for other in others)]


def overlapping(exchanges: list[Exchange]) -> list[Exchange]:
    start, end = exchanges[0].started_s, exchanges[-1].ended_s
    return [replace(exchange, started_s=start, ended_s=end) for exchange in exchanges]


def played(client: type[InMemoryClient], plan: Scenario, wallet: Wallet | None = None) -> Performance:
    there = wallet or Wallet(Habits(), {"alice": 1000, "bob": 1000})
    return Provider(client(there), PLAYERS, (REWARD,)).play(plan)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("client", "plan", "rule"),
    [
        (ForgetsWithinAGroup, scenario(ONE, *together(bet(), bet())), "RACE-01"),
        (ForgetsWithinAGroup, scenario(ONE, bet(), *together(win(), win(), win())), "RACE-02"),
        (ForgetsWithinAGroup, scenario(ONE, bet(), *together(rollback(), rollback(0, 1))), "RACE-03"),
        (
            ReadsBeforeItWrites,
            scenario([BetPlan(-100, of_balance=True), *[BetPlan(60)] * 2], bet(0), *together(bet(1), bet(2))),
            "RACE-04",
        ),
        (ReadsBeforeItWrites, scenario(TWO, *together(bet(0), bet(1))), "RACE-05"),
        (ReadsBeforeItWrites, scenario(TWO, bet(0), bet(1), *together(win(0), rollback(1))), "RACE-05"),
        (ReadsBeforeItWrites, scenario(ONE, *together(rollback(), bet())), "RACE-06"),
        (
            ReadsBeforeItWrites,
            scenario([BetPlan(100), BetPlan(100, player=1)], *together(bet(0), bet(1))),
            "RACE-07",
        ),
        (
            ReadsBeforeItWrites,
            scenario([BetPlan(100), BetPlan(100, player=1)], *together(bet(1), bet(0)), balance(1)),
            "RACE-07",
        ),
        (FailsWhenBusy, scenario(ONE, *together(bet(), balance())), "RACE-08"),
    ],
)
def test_a_race_is_named_by_what_raced(client: type[InMemoryClient], plan: Scenario, rule: str) -> None:
    violation = played(client, plan).violation
    assert violation is not None
    assert violation.rule == rule


def test_copies_that_read_the_same_state_and_write_the_same_state_do_no_harm() -> None:
    assert played(ReadsBeforeItWrites, scenario(ONE, *together(bet(), bet()), win())).violation is None


class WithoutTombstones(Wallet):
    def unknown_rollback(self, c: Callback) -> Answered:
        return OK, self.now(c)


class ComesLate(InMemoryClient):
    """A request whose client is gone is carried out just before the last balance."""

    def _let_late_ones_arrive(self) -> None:
        if len(self.asked) > 3:  # the opening balance, the bet, its rollback
            while self.late:
                self.wallet.answer(self.late.pop())

    def send(self, callback: Callback, *more: object, **named: object) -> Exchange:
        self.asked.append(callback)
        return super().send(callback, *more, **named)  # type: ignore[arg-type]

    @property
    def asked(self) -> list[Callback]:
        return self.__dict__.setdefault("_asked", [])


def test_a_bet_that_comes_after_its_rollback_must_cost_nothing() -> None:
    plan = scenario(ONE, bet(fault=Fault.REPLY_LOST), rollback(), balance())
    honest = played(ComesLate, plan)
    assert honest.violation is None
    faulty = played(ComesLate, plan, WithoutTombstones(Habits(), {"alice": 1000, "bob": 1000}))
    assert faulty.violation is not None
    assert faulty.violation.rule == "LOST-02"


class DeliversBoth(InMemoryClient):
    """Carries both deliveries of a doubled request out."""

    def _answered(self, callback: Callback, started: float, defect: object) -> Exchange:
        self.wallet.bets.pop(callback.transaction_id or "", None)
        self.wallet.wins.pop(callback.transaction_id or "", None)
        return super()._answered(callback, started, defect)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("plan", "rule"),
    [
        (scenario(ONE, bet(fault=Fault.TWICE)), "LOST-06"),
        (scenario(ONE, bet(fault=Fault.SLOW_WRITE), bet()), "LOST-07"),
    ],
)
def test_what_goes_wrong_after_a_fault_of_the_network_is_named_by_it(plan: Scenario, rule: str) -> None:
    violation = played(DeliversBoth, plan).violation
    assert violation is not None
    assert violation.rule == rule


class ActsOnHalves(InMemoryClient):
    """Carries out what it got only half of."""

    def send(self, callback: Callback, *more: object, **named: object) -> Exchange:
        exchange = super().send(callback, *more, **named)  # type: ignore[arg-type]
        if exchange.fault is Fault.CUT:
            self.wallet.answer(callback)
        return exchange


def test_half_a_request_has_no_effect() -> None:
    plan = scenario(ONE, bet(fault=Fault.CUT), balance())
    assert played(InMemoryClient, plan).violation is None
    violation = played(ActsOnHalves, plan).violation
    assert violation is not None
    assert violation.rule == "LOST-05"


@pytest.mark.parametrize("seed", range(20))
def test_the_order_that_explains_a_group_names_each_of_its_exchanges(seed: int) -> None:
    wallet = Wallet(Habits(), {"alice": 1000, "bob": 1000})
    client = InMemoryClient(wallet, chance=Random(seed))
    plan = scenario(TWO, bet(0), *together(win(0), bet(1), win(0), balance()), win(1))
    performance = Provider(client, PLAYERS, (REWARD,)).play(plan)  # type: ignore[arg-type]
    assert performance.violation is None
    assert sorted(performance.order) == list(range(len(performance.exchanges)))


STORM = scenario(TWO, bet(0), *together(win(0), bet(1), win(0)), win(1))


def test_leaving_out_the_head_of_a_group_leaves_the_rest_together() -> None:
    assert [step.together for step in STORM.without(1).steps] == [False, False, True, False]
    assert [len(group) for group in STORM.groups()] == [1, 3, 1]
    assert [len(group) for group in STORM.narrowed(2).groups()] == [1, 2, 1]
    assert STORM.plain().is_plain
    assert not STORM.is_plain


def test_simplifying_takes_races_and_faults_away() -> None:
    lossy = scenario(ONE, bet(fault=Fault.RESET), bet())
    assert lossy.plain() in simpler(lossy)
    assert any(candidate.groups() == [range(1), range(1, 3), range(3, 4), range(4, 5)] for candidate in simpler(STORM))


def test_groups_and_faults_are_written_down_and_told() -> None:
    plan = scenario(TWO, *together(bet(0, fault=Fault.REPLY_LOST), bet(1)), rollback(0))
    assert from_json(to_json(plan)) == plan
    assert describe(plan) == [
        "1 bet 100 in round 1 (its reply lost)",
        "‖ 2 bet 40 in round 2",
        "3 rollback(1)",
    ]
