"""Hypothesis strategies that draw scenarios.

A scenario is told as one story per bet (won, lost, refunded, delivered in the wrong order…),
the stories are shuffled into each other, and then repeats, conflicts and probes are put in at
later points. Nothing here depends on what an operator answers. `PATTERNS` names what is worth
meeting, and ``benchmarks/distribution.py`` counts how often each is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

from hypothesis import strategies as st

from pytest_provider_contract.funds import Funds
from pytest_provider_contract.history import UNKNOWN_PLAYER
from pytest_provider_contract.ledger import LARGE
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import (
    BetPlan,
    Conflict,
    Scenario,
    Step,
    balance,
    bet,
    rollback,
    together,
    win,
)
from pytest_provider_contract.transport import Fault

Story = Callable[[int], tuple[Step, ...]]

# What happens to one bet, from the provider's point of view; later repeats come on top. A
# story that sends its bet settles or refunds it, so that a scenario leaves little behind.
STORIES: dict[str, Story] = {
    "settled": lambda i: (bet(i), win(i)),
    "refunded": lambda i: (bet(i), rollback(i)),
    "refunded in an open round": lambda i: (bet(i), rollback(i, closed=False)),
    "settled in an open round": lambda i: (bet(i), win(i, closed=False)),
    "bet replayed": lambda i: (bet(i), bet(i), win(i)),
    "rolled back twice": lambda i: (bet(i), rollback(i), rollback(i, 1)),
    "win first": lambda i: (win(i, closed=False), bet(i), win(i, closed=False)),
    "rollback first": lambda i: (rollback(i), bet(i), rollback(i, 1)),
    "rollback first, twice": lambda i: (rollback(i), rollback(i, 1), bet(i), rollback(i, 2)),
    "never sent": lambda i: (rollback(i), rollback(i, 1)),
    "bet replayed after refund": lambda i: (bet(i), rollback(i), bet(i)),
}


_TOLD = [STORIES[name] for name in sorted(STORIES)]


@cache
def _between(least: int, most: int) -> st.SearchStrategy[int]:
    # Hypothesis validates every new strategy; the same few are asked for all the time.
    return st.integers(least, most)


@cache
def _stakes(funds: Funds) -> st.SearchStrategy[tuple[int, bool]]:
    # A story of four bets should find all of them paid for, most of the time.
    most = max(1, min(funds.balance // 5, funds.max_stake))
    ordinary = st.integers(1, min(most, 100_000)).map(lambda n: (n, False))
    whole = st.sampled_from([(0, True), (1, True)])
    choices = [ordinary] * 7 + [st.just((0, False))]
    if funds.max_stake >= funds.balance:
        choices.append(whole)
    if funds.large:
        choices.append(st.integers(LARGE, min(LARGE + 1000, funds.max_stake)).map(lambda n: (n, False)))
    return st.one_of(choices)


@cache
def _wins(funds: Funds) -> st.SearchStrategy[int]:
    most = max(1, min(funds.max_stake, 100_000))
    choices = [st.just(0), st.integers(1, most), st.integers(1, most)]
    if funds.large:
        choices.append(st.integers(LARGE, min(LARGE + 1000, funds.max_stake)))
    return st.one_of(choices)


@st.composite
def _plans(draw: st.DrawFn, funds: Funds) -> tuple[BetPlan, ...]:
    plans: list[BetPlan] = []
    wins, stakes = _wins(funds), _stakes(funds)
    for _ in range(draw(_between(1, 4))):
        if plans and draw(_between(0, 4)) == 0:
            plans.append(plans[-1])  # equal in everything but its transactionId
            continue
        stake, of_balance = draw(stakes)
        free = draw(_between(0, 14))
        # A player who lost everything could not be brought back to the starting balance.
        prize = max(draw(wins), int(of_balance))
        plan = BetPlan(stake, prize, of_balance, draw(_between(0, funds.players - 1)), draw(_between(0, 1)))
        if free == 0 or (free == 1 and funds.reward):
            plan = replace(plan, stake=0, of_balance=False, reward="granted" if free == 1 else "unknown")
        plans.append(plan)
    return tuple(plans)


@st.composite
def scenarios(draw: st.DrawFn, funds: Funds) -> Scenario:
    """Scenarios for players with certain funds, each ending with all its money settled."""
    plans = draw(_plans(funds))
    queues = [list(_TOLD[draw(_between(0, len(_TOLD) - 1))](index)) for index in range(len(plans))]
    steps: list[Step] = []
    while queues:
        queue = queues[draw(_between(0, len(queues) - 1))] if len(queues) > 1 else queues[0]
        steps.append(queue.pop(0))
        if not queue:
            queues.remove(queue)
    for _ in range(draw(_between(0, 4))):
        _disturb(draw, plans, steps, funds)
    return Scenario(plans, tuple(steps))


@st.composite
def storms(draw: st.DrawFn, funds: Funds) -> Scenario:
    """Scenarios in which two to ten callbacks arrive at the same time: neighbours, and copies of them."""
    base = draw(scenarios(funds))
    steps = list(base.steps)
    start = draw(_between(0, len(steps) - 1))
    group = [step for step in steps[start : start + draw(_between(1, 5))] if step.player != UNKNOWN_PLAYER]
    neighbours = len(group)
    if not group:
        return base
    for _ in range(draw(_between(1 if neighbours == 1 else 0, 5))):
        copied = group[draw(_between(0, neighbours - 1))]
        # A further rollback has a transactionId of its own, as the provider's have.
        own = copied.send is Kind.ROLLBACK and draw(_between(0, 1))
        group.append(replace(copied, attempt=10 + len(group)) if own else copied)
    # What comes later may mend what went wrong.
    look = (balance(base.bets[0].player),) if draw(_between(0, 1)) else ()
    steps[start : start + neighbours] = (*together(*group), *look)
    return replace(base, steps=tuple(steps))


@st.composite
def losses(draw: st.DrawFn, funds: Funds) -> Scenario:
    """Scenarios in which one or two callbacks go wrong on their way and the provider tries again."""
    base = draw(scenarios(funds))
    steps = list(base.steps)
    for _ in range(draw(_between(1, 2))):
        # A bet that can't be paid may be accepted whenever it comes: nobody could tell when that is over.
        at_risk = [i for i, s in enumerate(steps) if _may_go_wrong(base, s)]
        if not at_risk:
            break
        position = at_risk[draw(_between(0, len(at_risk) - 1))]
        step = steps[position]
        steps[position] = replace(step, fault=draw(_faults()))
        retries = [step]
        if step.send is Kind.BET:
            retries.append(rollback(step.bet or 0, 20))
        elif step.send is Kind.ROLLBACK:
            retries = [replace(step, attempt=21), step]
        if draw(_between(0, 3)):
            steps.insert(position + 1, retries[draw(_between(0, len(retries) - 1))])
    return replace(base, steps=tuple(steps))


@cache
def _faults() -> st.SearchStrategy[Fault]:
    return st.sampled_from([Fault.REPLY_LOST, Fault.REPLY_LOST, Fault.RESET, Fault.TWICE, Fault.CUT])


def _may_go_wrong(base: Scenario, step: Step) -> bool:
    if step.bet is None or step.player is not None or step.conflict or step.of_win or step.fault:
        return False
    return not base.bets[step.bet].of_balance and base.bets[step.bet].reward is None


def _disturb(draw: st.DrawFn, plans: Sequence[BetPlan], steps: list[Step], funds: Funds) -> None:
    """Put one more step in: a repeat at any later point, a conflict, a stray or a probe."""
    position = draw(_between(0, len(steps) - 1))
    step = steps[position]
    later = draw(_between(position + 1, len(steps)))
    choices: list[Step] = [balance(draw(_between(0, funds.players - 1)))]
    if step.send is not Kind.BALANCE and step.bet is not None:
        choices += [step, step, rollback(step.bet, draw(_between(0, 3)))] if _may_roll_back(step, steps) else [step]
        if step.send is not Kind.ROLLBACK:
            other: Conflict = "round" if step.send is Kind.BET else "bet"
            different: tuple[Conflict, ...] = ("amount", other, "lower amount")
            choices.append(replace(step, conflict=different[draw(_between(0, len(different) - 1))]))
        if funds.players > 1:
            stranger = 1 - plans[step.bet].player
            choices.append(rollback(step.bet, draw(_between(5, 6)), player=stranger))
        if step.send is Kind.WIN:
            choices.append(rollback(step.bet, 7, of_win=True))
        choices.append(rollback(step.bet, 8, player=UNKNOWN_PLAYER))
    steps.insert(later, choices[draw(_between(0, len(choices) - 1))])


def _may_roll_back(step: Step, steps: Sequence[Step]) -> bool:
    # The provider never rolls a settled bet back.
    return all(other.send is not Kind.WIN for other in steps if other.bet == step.bet)


# -- what is worth meeting --------------------------------------------------------------------------


def _sent(scenario: Scenario, kind: Kind) -> list[tuple[int, Step]]:
    return [(i, s) for i, s in enumerate(scenario.steps) if s.send is kind and s.conflict is None]


def _repeats(scenario: Scenario, kind: Kind) -> bool:
    seen = [(s.bet, s.attempt, s.of_win) for _, s in _sent(scenario, kind) if s.player is None]
    return len(set(seen)) < len(seen)


def _before_bet(scenario: Scenario, kind: Kind) -> bool:
    first_bet = {s.bet: i for i, s in reversed(_sent(scenario, Kind.BET))}
    return any(first_bet.get(s.bet, -1) > i for i, s in _sent(scenario, kind) if s.player is None)


_FAR = 3


def _late_replay(scenario: Scenario) -> bool:
    positions: dict[object, int] = {}
    for i, step in enumerate(scenario.steps):
        key = (step.send, step.bet, step.attempt)
        if step.bet is not None and i - positions.setdefault(key, i) > _FAR:
            return True
    return False


def _other_win_order(scenario: Scenario) -> bool:
    def order(kind: Kind) -> list[int | None]:
        return list(dict.fromkeys(s.bet for _, s in _sent(scenario, kind)))

    bets, wins = order(Kind.BET), order(Kind.WIN)
    return wins != [b for b in bets if b in wins]


def _interleaved(scenario: Scenario) -> bool:
    rounds = [scenario.bets[s.bet].round for s in scenario.steps if s.bet is not None]
    changes = sum(a != b for a, b in pairwise(rounds))
    return len(set(rounds)) > 1 and changes > 1


def _new_attempts(scenario: Scenario) -> bool:
    attempts: dict[int | None, set[int]] = {}
    for _, step in _sent(scenario, Kind.ROLLBACK):
        if step.player is None and not step.of_win:
            attempts.setdefault(step.bet, set()).add(step.attempt)
    return any(len(found) > 1 for found in attempts.values())


def _refused_bet_rolled_back(scenario: Scenario) -> bool:
    sent = {s.bet for _, s in _sent(scenario, Kind.BET)}
    rolled = {s.bet for _, s in _sent(scenario, Kind.ROLLBACK) if s.player is None}
    return any(scenario.bets[i].of_balance and scenario.bets[i].stake > 0 for i in sent & rolled if i is not None)


PATTERNS: dict[str, Callable[[Scenario], bool]] = {
    "two rounds interleaved": _interleaved,
    "several bets in one round": lambda s: len(s.used_bets()) > len({b.round for b in s.used_bets().values()}),
    "bets alike but for their id": lambda s: len(set(s.used_bets().values())) < len(s.used_bets()),
    "bet replayed": lambda s: _repeats(s, Kind.BET),
    "win replayed": lambda s: _repeats(s, Kind.WIN),
    "rollback repeated with the same transactionId": lambda s: _repeats(s, Kind.ROLLBACK),
    "rollback repeated with a new transactionId": _new_attempts,
    "replay after more than three other callbacks": _late_replay,
    "bet with other content": lambda s: any(x.conflict and x.send is Kind.BET for x in s.steps),
    "win with other content": lambda s: any(x.conflict and x.send is Kind.WIN for x in s.steps),
    "win before its bet": lambda s: _before_bet(s, Kind.WIN),
    "rollback before its bet": lambda s: _before_bet(s, Kind.ROLLBACK),
    "wins in another order than the bets": _other_win_order,
    "win of amount 0": lambda s: any(s.bets[x.bet or 0].win == 0 for _, x in _sent(s, Kind.WIN)),
    "rollback of a bet that is declined": _refused_bet_rolled_back,
    "rollback that names a win": lambda s: any(x.of_win for x in s.steps),
    "bet of all the money": lambda s: any(b.of_balance and not b.stake for b in s.used_bets().values()),
    "bet of one more than all": lambda s: any(b.of_balance and b.stake for b in s.used_bets().values()),
    "bet of amount 0": lambda s: any(not (b.of_balance or b.stake or b.reward) for b in s.used_bets().values()),
    "free bet of an unknown reward": lambda s: any(b.reward == "unknown" for b in s.used_bets().values()),
    "free bet": lambda s: any(b.reward == "granted" for b in s.used_bets().values()),
    "amount above 2**31": lambda s: any(max(b.stake, b.win) >= LARGE for b in s.used_bets().values()),
    "balance in between": lambda s: any(x.send is Kind.BALANCE for x in s.steps[:-1]),
    "two players": lambda s: len({b.player for b in s.used_bets().values()}) > 1,
    "rollback of another player's bet": lambda s: any(
        x.player not in (None, UNKNOWN_PLAYER) and x.bet is not None for x in s.steps
    ),
    "unknown player": lambda s: any(x.player == UNKNOWN_PLAYER for x in s.steps),
}


def _groups(scenario: Scenario) -> list[list[Step]]:
    return [[scenario.steps[i] for i in group] for group in scenario.groups() if len(group) > 1]


def _copies_at_once(scenario: Scenario, kind: Kind) -> bool:
    return any(
        len({step.bet for step in group if step.send is kind}) < sum(step.send is kind for step in group)
        for group in _groups(scenario)
    )


def _meet(scenario: Scenario, one: Kind, other: Kind) -> bool:
    # Callbacks of one bet, at the same time.
    return any(
        {s.bet for s in group if s.send is one} & {s.bet for s in group if s.send is other}
        for group in _groups(scenario)
    )


def _several_bets_at_once(scenario: Scenario) -> bool:
    return any(len({step.bet for step in group} - {None}) > 1 for group in _groups(scenario))


STORM_PATTERNS: dict[str, Callable[[Scenario], bool]] = {
    "copies of a bet at once": lambda s: _copies_at_once(s, Kind.BET),
    "copies of a win at once": lambda s: _copies_at_once(s, Kind.WIN),
    "rollbacks of a bet at once": lambda s: _copies_at_once(s, Kind.ROLLBACK),
    "a bet and its rollback at once": lambda s: _meet(s, Kind.BET, Kind.ROLLBACK),
    "a bet and its win at once": lambda s: _meet(s, Kind.BET, Kind.WIN),
    "callbacks of several bets at once": _several_bets_at_once,
    "two players at once": lambda s: any(
        len({s.bets[step.bet].player for step in group if step.bet is not None}) > 1 for group in _groups(s)
    ),
    "eight or more at once": lambda s: any(len(group) > 7 for group in _groups(s)),  # noqa: PLR2004 - as its name says
}


def _lost(scenario: Scenario, kind: Kind, *faults: Fault) -> bool:
    return any(step.send is kind and step.fault in faults for step in scenario.steps)


_GONE = (Fault.REPLY_LOST, Fault.RESET)
LOSS_PATTERNS: dict[str, Callable[[Scenario], bool]] = {
    "reply to a bet lost": lambda s: _lost(s, Kind.BET, *_GONE),
    "reply to a win lost": lambda s: _lost(s, Kind.WIN, *_GONE),
    "reply to a rollback lost": lambda s: _lost(s, Kind.ROLLBACK, *_GONE),
    "bet delivered twice": lambda s: _lost(s, Kind.BET, Fault.TWICE),
    "win delivered twice": lambda s: _lost(s, Kind.WIN, Fault.TWICE),
    "rollback delivered twice": lambda s: _lost(s, Kind.ROLLBACK, Fault.TWICE),
    "half a request": lambda s: any(step.fault is Fault.CUT for step in s.steps),
}
