"""Making a failing scenario shorter while it still shows the same fault.

Hypothesis draws the scenarios; this shrinks them. Its own shrinker takes hundreds of tries
and takes for granted that a failure repeats at once. Against a live wallet every try costs
callbacks and time, and steps can be left out freely, so a few dozen tries do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from pytest_provider_contract.callbacks import Spelling
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import BetPlan, Scenario, Step

_LONG_PART = 8
_MANY = 40
_FEW = (2, 8, 32)
_SIMPLE_AMOUNTS = (1, 10, 100, 1000)


def simpler(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios one change simpler, the most promising first.

    Whole bets are left out before single steps, and nothing is reworded before no step can be
    left out: fewer callbacks matter most to whoever reads the result.
    """
    yield from _with_long_parts_left_out(scenario)
    yield from _with_fewer_bets(scenario)
    for position in reversed(range(len(scenario.steps))):
        yield scenario.without(position)
    for position, step in enumerate(scenario.steps):
        for plainer in _plainer(step):
            yield replace(scenario, steps=(*scenario.steps[:position], plainer, *scenario.steps[position + 1 :]))
    for index, plan in scenario.used_bets().items():
        for other in _plainer_plans(plan):
            yield replace(scenario, bets=(*scenario.bets[:index], other, *scenario.bets[index + 1 :]))


def _others(scenario: Scenario) -> list[int]:
    """Where the steps of other bets are that lie between, if they are many."""
    steps = scenario.steps
    others = [i for i, step in enumerate(steps) if step.bet != steps[-1].bet] if len(steps) > _MANY else []
    return others if len(others) < len(steps) else []


def _keeping(scenario: Scenario, count: int) -> Scenario:
    others = _others(scenario)
    return scenario.without(*others[: len(others) - count])


def _with_fewest_others(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    # A transaction that is told wrongly after many others often takes a few of them only, and else
    # a number of them, which halving finds in a tenth of the tries that leaving them out takes.
    for count in _FEW:
        if count < len(_others(scenario)) and fails(few := _keeping(scenario, count)):
            return few
    for kind in Kind:
        others = [i for i in _others(scenario) if scenario.steps[i].send is kind]
        if others and fails(without := scenario.without(*others)):
            scenario = without
    too_few, enough = 0, len(_others(scenario))
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if fails(_keeping(scenario, middle)):
            enough = middle
        else:
            too_few = middle
    return _keeping(scenario, enough) if enough else scenario


def _with_long_parts_left_out(scenario: Scenario) -> Iterator[Scenario]:
    # Halves, quarters and so on, as long as that is quicker than one step after the other.
    steps = len(scenario.steps)
    size = steps // 2
    while size >= _LONG_PART:
        for start in range(0, steps, size):
            yield scenario.without(*range(start, min(start + size, steps)))
        size //= 2


def _with_fewer_bets(scenario: Scenario) -> Iterator[Scenario]:
    used = list(scenario.used_bets())
    # Half of them first: a race of many bets needs many tries, and each of them takes a while.
    size = len(used) // 2
    while size:
        for start in range(0, len(used), size):
            some = used[start : start + size]
            about = [i for i, step in enumerate(scenario.steps) if step.bet in some]
            if len(about) > 1:
                yield scenario.without(*about)
        size //= 2


def _plainer(step: Step) -> Iterator[Step]:
    # An attempt stays as it is: the provider gives every rollback a transactionId of its own.
    for change in (
        {"fault": None},
        {"together": False},
        {"closed": True},
        {"spelling": Spelling.COMPACT},
        {"conflict": None},
        {"player": None},
        {"wait_ms": 0},
    ):
        plainer = replace(step, **change)
        # A balance needs to say whose it is.
        if plainer != step and not (plainer.player is None and plainer.bet is None):
            yield plainer


def _plainer_plans(plan: BetPlan) -> Iterator[BetPlan]:
    if plan.round:
        yield replace(plan, round=0)
    if plan.player:
        yield replace(plan, player=0)
    if plan.of_balance:
        yield BetPlan(_SIMPLE_AMOUNTS[-1], plan.win, player=plan.player, round=plan.round)
    elif plan.reward is None:
        for amount in _SIMPLE_AMOUNTS:
            if amount < plan.stake:
                yield replace(plan, stake=amount)
    for amount in (0, *_SIMPLE_AMOUNTS):
        if int(plan.of_balance) <= amount < plan.win:
            yield replace(plan, win=amount)


def shrink(scenario: Scenario, still_fails: Callable[[Scenario], bool]) -> Scenario:
    """The simplest scenario reached by taking one simplification after the other.

    Args:
        scenario: One that fails, cut behind the step that showed it.
        still_fails: Whether a candidate shows the same fault; it may say False to every
            candidate from some moment on, to end the search.
    """
    tried = {scenario}

    def fails(candidate: Scenario) -> bool:
        if candidate in tried or not candidate.steps:
            return False
        tried.add(candidate)
        return still_fails(candidate)

    scenario = _with_fewest_others(scenario, fails)
    while (smaller := next(filter(fails, simpler(scenario)), None)) is not None:
        scenario = smaller
    return scenario
