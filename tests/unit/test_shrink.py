"""Shrinking: down to the known minimum, and no worse than trying everything."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from honest_wallets import OK, Answered, Bet, Habits, Wallet, provider_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_provider_contract import inquiry
from pytest_provider_contract.callbacks import Callback, Spelling
from pytest_provider_contract.funds import Funds
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import BetPlan, Scenario, Step, balance, bet, rollback, together, win
from pytest_provider_contract.shrink import shrink, simpler
from pytest_provider_contract.strategies import scenarios
from pytest_provider_contract.wording import describe

QUIET = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
FUNDS = Funds(10_000, 10_000)
LONG = Scenario(
    (BetPlan(777, 123), BetPlan(999, 55, player=1, round=1), BetPlan(0, of_balance=True)),
    (
        balance(),
        bet(0),
        bet(1),
        win(1, closed=False),
        bet(0, spelling=Spelling.ESCAPED),
        rollback(0, 3, closed=False),
        bet(2),
        balance(1),
        rollback(0, 4, wait_ms=30),
        win(2),
    ),
)


def sends(*wanted: Kind) -> Callable[[Scenario], bool]:
    """Whether these callbacks of one bet are sent in this order, with others in between."""

    def about(steps: list[Kind]) -> bool:
        rest = iter(steps)
        return all(kind in rest for kind in wanted)

    def fails(value: Scenario) -> bool:
        return any(about([s.send for s in value.steps if s.bet == index]) for index in range(len(value.bets)))

    return fails


class TestMinimum:
    @pytest.mark.parametrize(
        "wanted",
        [
            (Kind.BET,),
            (Kind.BET, Kind.BET),
            (Kind.BET, Kind.ROLLBACK, Kind.ROLLBACK),
            (Kind.BET, Kind.WIN),
            (Kind.ROLLBACK,),
        ],
    )
    def test_only_the_steps_that_matter_are_left(self, wanted: tuple[Kind, ...]) -> None:
        found = shrink(LONG, sends(*wanted))
        assert tuple(s.send for s in found.steps) == wanted
        assert len(found.used_bets()) == 1
        plain = {(s.closed, s.spelling, s.wait_ms, s.player) for s in found.steps}
        assert plain == {(True, Spelling.COMPACT, 0, None)}
        [plan] = found.used_bets().values()
        assert (plan.win, plan.player, plan.round, plan.of_balance) == (0, 0, 0, False)
        assert plan.stake in (0, 1)

    def test_a_race_of_many_bets_becomes_one_of_few_in_few_tries(self) -> None:
        """What shows now and then only takes ten tries before it counts as gone, so every candidate is dear."""
        many = Scenario(
            tuple(BetPlan(101 + 7 * i, 3, round=i) for i in range(8)),
            (*(bet(i) for i in range(8)), *together(*(win(i) for i in range(8)))),
        )
        tries: list[Scenario] = []

        def fails(value: Scenario) -> bool:
            tries.append(value)
            return sum(step.send is Kind.WIN for step in value.steps) > 1

        found = shrink(many, fails)
        assert [step.send for step in found.steps] == [Kind.WIN, Kind.WIN]
        # The eight wins have become two before the sixth candidate.
        assert next(i for i, tried in enumerate(tries) if len(tried.used_bets()) == 2) < 6

    def test_amounts_become_simple(self) -> None:
        found = shrink(LONG, lambda s: any(p.stake > 60 and p.win >= 50 for p in s.used_bets().values()))
        [plan] = found.used_bets().values()
        assert (plan.stake, plan.win) == (100, 55)

    def test_what_matters_stays(self) -> None:
        found = shrink(LONG, lambda s: any(x.spelling is Spelling.ESCAPED for x in s.steps))
        assert found.steps == (bet(0, spelling=Spelling.ESCAPED),)
        found = shrink(LONG, lambda s: len({x.attempt for x in s.steps if x.send is Kind.ROLLBACK}) > 1)
        assert [x.send for x in found.steps] == [Kind.ROLLBACK, Kind.ROLLBACK]
        assert len({x.attempt for x in found.steps}) == 2
        found = shrink(LONG, lambda s: balance(1) in s.steps)
        assert found.steps == (balance(1),)

    def test_never_is_left_as_it_was(self) -> None:
        assert shrink(LONG, lambda _: False) is LONG

    def test_always_ends_with_one_plain_step(self) -> None:
        assert len(shrink(LONG, lambda _: True).steps) == 1

    def test_nothing_is_tried_twice_and_the_tries_are_few(self) -> None:
        tried: list[Scenario] = []
        wanted = sends(Kind.BET, Kind.ROLLBACK, Kind.ROLLBACK)
        shrink(LONG, lambda s: tried.append(s) or wanted(s))  # type: ignore[func-returns-value]
        assert len(tried) == len(set(tried)) < 100
        assert LONG not in tried
        assert all(s.steps for s in tried)


class TestAgainstBruteForce:
    @settings(QUIET, max_examples=40)
    @given(scenarios(FUNDS), st.lists(st.sampled_from(Kind), min_size=1, max_size=3))
    def test_no_shorter_scenario_fails(self, value: Scenario, wanted: list[Kind]) -> None:
        fails = sends(*wanted)
        if not fails(value) or len(value.steps) > 9:
            return
        shortest = next(
            size
            for size in range(1, len(value.steps) + 1)
            for kept in combinations(range(len(value.steps)), size)
            if fails(value.without(*set(range(len(value.steps))) - set(kept)))
        )
        assert len(shrink(value, fails).steps) == shortest

    @settings(QUIET, max_examples=50)
    @given(scenarios(FUNDS))
    def test_simpler_is_finite_different_and_well_formed(self, value: Scenario) -> None:
        for other in simpler(value):
            assert other != value
            assert len(other.steps) <= len(value.steps)
            assert other.players <= value.players
            assert all((step.bet is None) == (step.send is Kind.BALANCE) for step in other.steps)
            for plan, old in zip(other.bets, value.bets, strict=True):
                assert plan.stake <= max(old.stake, 1000 if old.of_balance else 0)
                assert plan.win <= old.win


class RefundsAgain(Wallet):
    def rollback(self, c: Callback) -> Answered:
        kept: Bet | None = self.bets.get(c.reference_id or "")
        return self.refund(c, kept) if kept is not None and kept.fate == "refunded" else super().rollback(c)


class ForgetsTombstones(Wallet):
    def buried(self, reference: str, player: str) -> bool:
        return False


class LosesBetsAfterThree(Wallet):
    def bet(self, c: Callback) -> Answered:
        if len(self.bets) > 2:
            self.bets.clear()
        return super().bet(c)


@pytest.mark.parametrize(
    ("mutant", "steps"),
    [
        (RefundsAgain, (Kind.BET, Kind.ROLLBACK, Kind.ROLLBACK)),
        (ForgetsTombstones, (Kind.ROLLBACK, Kind.BET)),
        (LosesBetsAfterThree, (Kind.BET,) * 4),
    ],
)
def test_a_generated_failure_shrinks_to_what_a_person_would_write(
    mutant: type[Wallet], steps: tuple[Kind, ...]
) -> None:
    def broken(value: Scenario) -> str | None:
        wallet = mutant(Habits(late_bet=OK), {"alice": 10_000, "bob": 10_000})
        violation = provider_of(wallet).play(value).violation
        return violation and violation.rule

    found: dict[str, Scenario] = {}

    @settings(QUIET, max_examples=150, derandomize=True)
    @given(scenarios(FUNDS))
    def search(value: Scenario) -> None:
        rule = None if found else broken(value)
        if rule:
            found[rule] = value

    search()
    [(rule, value)] = found.items()
    small = shrink(value, lambda s: broken(s) == rule)
    assert tuple(s.send for s in small.steps) == steps, describe(small)
    assert all(isinstance(s, Step) and s.closed for s in small.steps)


def test_a_wait_takes_the_place_of_what_lies_between() -> None:
    late = Scenario((BetPlan(100), BetPlan(50, 70)), (rollback(0), bet(1), balance(wait_ms=30), win(1), bet(0)))
    waiting = inquiry.with_a_wait(provider_of(Wallet(Habits(), {"alice": 20_000})).play(late))
    assert waiting is not None
    first, last = waiting.steps
    assert (first, last.send, last.bet) == (rollback(0), Kind.BET, 0)
    assert last.wait_ms >= 30


def test_no_wait_explains_a_first_step() -> None:
    alone = Scenario((BetPlan(100), BetPlan(50, 70)), (bet(1), win(1), bet(0)))
    assert inquiry.with_a_wait(provider_of(Wallet(Habits(), {"alice": 20_000})).play(alone)) is None


def test_what_needs_few_of_many_others_takes_few_tries() -> None:
    others = [step for index in range(1, 301) for step in (bet(index), rollback(index))]
    long = Scenario(tuple(BetPlan(5, 3) for _ in range(301)), (bet(0), win(0), *others, win(0)))
    tried = 0

    def fails(value: Scenario) -> bool:
        nonlocal tried
        tried += 1
        own = [step.send for step in value.steps if step.bet == 0]
        refunded = {step.bet for step in value.steps if step.send is Kind.ROLLBACK}
        placed = {step.bet for step in value.steps if step.send is Kind.BET}
        return own == [Kind.BET, Kind.WIN, Kind.WIN] and bool(refunded & placed)

    assert len(shrink(long, fails).steps) == 5
    assert tried <= 40


@pytest.mark.parametrize("kept", [50, 97, 200, 299])
def test_as_many_others_stay_as_it_takes(kept: int) -> None:
    others = [step for index in range(1, 301) for step in (bet(index), rollback(index) if index % 2 else win(index))]
    long = Scenario(tuple(BetPlan(5, 3) for _ in range(301)), (bet(0), win(0), *others, win(0)))
    sent = 0

    def fails(value: Scenario) -> bool:
        nonlocal sent
        sent += len(value.steps)
        own = [step.send for step in value.steps if step.bet == 0]
        return own == [Kind.BET, Kind.WIN, Kind.WIN] and len({s.bet for s in value.steps if s.send is Kind.BET}) > kept

    def until_tired(value: Scenario) -> bool:
        return sent < 5_000 and fails(value)

    assert len(shrink(long, until_tired).steps) == kept + 3
