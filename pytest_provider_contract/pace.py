"""How a run deals with its time: what still fits, what gives way, and when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle
from typing import TypeVar

from pytest_provider_contract.latency import Histogram
from pytest_provider_contract.results import Results
from pytest_provider_contract.rules import ALTERNATIVES, RULES
from pytest_provider_contract.settings import EFFORTS, Effort

_T = TypeVar("_T")

# The least share of the effort's time for generated scenarios.
_GENERATED_SHARE = 0.03
# Callbacks of all directed scenarios, and the share of the time beyond which an operator counts as slow.
_DIRECTED = 2_500
_SLOW_SHARE = 0.5
# Callbacks of a test's first case, on average. What is not needed for first cases may go into further
# ones: a test may take so many times its even part of it, because most have but one or two cases.
_OF_A_CASE, _LENIENCE = 6, 3
# The share of the time that a first case of many callbacks may take where its rules were tested already.
_MANY, _DEAR_SHARE = 24, 0.05
_CLOSING = 35
# Callbacks that put every rule to the test once, that bring the money back, and of one stage of a tour.
_EVERY_RULE, _RESTORING = 150, 8
_STAGE = 10
# Chapters whose faults show by chance, and what their tests may cost when time is short.
_BY_CHANCE = ("RACE", "LOST")
_OF_A_TEST, _CHANCE_SHARE = 40, 0.05
# Plays of a storm that are made although its time is up, and the seconds that they may take. Few
# callbacks meet on a busy machine, and there the time of a `quick` run is used up by a play or two.
_PLAYS, _PLAYS_S = 10, 0.7
_SLOW_MS = 10


class Pace:
    """The time of one run, by the wall clock and by how long the operator takes for a callback.

    Args:
        effort: How long the run may take.
        results: What was put to the test so far, and how long callbacks took; learns why time ran out.
        now: A clock in seconds, for tests.
        spent_s: Seconds of the effort's time that were spent on starting up.
        tests: How many tests will have their turn.
    """

    def __init__(
        self,
        effort: Effort,
        results: Results,
        now: Callable[[], float] = time.monotonic,
        spent_s: float = 0.0,
        tests: int = 1,
    ) -> None:
        self.effort = effort
        self.results = results
        self._now = now
        self._to_come = tests
        self._credit = 1.0  # of turns: a test has its turn when there is a whole one
        self._began_s = now()
        self._started_s = self._began_s - spent_s

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return self._now() - self._started_s

    def next_test(self) -> None:
        """The next test has its turn.

        Where time does not do for the first case of every test, as many have a turn as it does
        for, evenly spread.
        """
        if self._credit >= 1:
            self._credit -= 1
        needed_s = self._to_come * self._case_s
        spare_s = self._directed_left_s()
        self._credit += min(1.0, spare_s / needed_s) if needed_s else float(spare_s > 0)
        self._to_come = max(0, self._to_come - 1)

    def cases(self, cases: Iterable[_T], rules: Iterable[str] = ()) -> Iterator[_T]:
        """The first case of some rules always, the others in the time that no first case needs."""
        until_s = 0.0
        for number, case in enumerate(cases):
            if number == 1:
                until_s = self._now() + self._for_further_cases_s()
            if number and self._now() + self._case_s >= until_s and not self._leaves_to_chance(rules):
                return
            yield case

    def storm(self, plans: Sequence[_T]) -> Iterator[_T]:
        """Scenarios over and over for a while: a race may need many tries to show.

        Each of them once, or the first alone with a slow operator; then more of them, as long as they
        are few or the effort's seconds are not used up. What matters most stands first.
        """
        began_s = self._now()
        for plays, plan in enumerate(cycle(plans)):
            spent_s = self._now() - began_s
            due = plays < (1 if self.is_slow else len(plans)) or spent_s < self.effort.storm_s
            if not due and (plays >= _PLAYS or spent_s > _PLAYS_S):
                return
            yield plan

    def hurries(self, rules: Iterable[str], callbacks: int = _OF_A_CASE) -> bool:
        """Whether a test of rules that were tested already must give way to others.

        No test does of an operator that is quick enough, and none in `certify`, which takes the time it needs.

        Args:
            rules: What the test is about.
            callbacks: How many its first case takes; one that takes very many is dear.
        """
        is_dear = callbacks > _MANY and not self.affords(callbacks, _DEAR_SHARE)
        pressed = (
            self.is_slow
            and (self._credit < 1 or is_dear)
            and self.effort.name != "certify"
            and not self._leaves_to_chance(rules)
        )
        tested = self.results.exercised
        return pressed and all(tested[rule] or tested[ALTERNATIVES.get(rule, rule)] for rule in rules)

    def out_of_time(self) -> bool:
        """Whether no more rules can be tested, for lack of time; notes why.

        That is the last resort, for an operator so slow that testing every rule once takes more
        than the next longer effort's time; it is told so by a red run. One that is only a little
        too slow gets a longer run instead, and so does one on a busy machine.
        """
        effort, mean_s = self.effort, self.mean_ms / 1000
        longer = next((e for e in EFFORTS.values() if e.total_s > effort.total_s), None)
        if longer is None or _EVERY_RULE * mean_s < effort.total_s:
            return False
        if self._now() - self._began_s < longer.total_s - (_RESTORING + _STAGE) * mean_s:
            return False
        self.results.slow = (
            f"the operator is slow ({mean_s * 1000:.0f} ms a callback): give --operator-effort={longer.name}"
        )
        return True

    @property
    def is_slow(self) -> bool:
        """Whether the time will not do for every directed scenario."""
        all_s = _DIRECTED * self.mean_ms / 1000
        return self.mean_ms > _SLOW_MS and all_s > _SLOW_SHARE * self.effort.total_s

    def _leaves_to_chance(self, rules: Iterable[str]) -> bool:
        """Whether rules are broken now and then only, so that every try counts, and tries cost little."""
        by_chance = any(RULES[rule].chapter in _BY_CHANCE for rule in rules)
        return by_chance and self.affords(_OF_A_TEST, _CHANCE_SHARE)

    @property
    def _case_s(self) -> float:
        return _OF_A_CASE * self.mean_ms / 1000

    def _directed_left_s(self) -> float:
        # Counted without starting up: on a busy machine it is the generated part that gives way.
        return max(0.0, self.effort.directed_s - (self._now() - self._began_s))

    def _for_further_cases_s(self) -> float:
        spare_s = max(0.0, self._directed_left_s() - self._to_come * self._case_s)
        return min(spare_s, _LENIENCE * spare_s / (self._to_come + 1))

    @property
    def mean_ms(self) -> float:
        """Milliseconds that a callback took so far; 0 before the first.

        Not the median: where one in ten takes long, these are what the time goes into.
        """
        every = Histogram()
        for histogram in self.results.latency.values():
            every.buckets.update(histogram.buckets)
        return every.mean_ms

    def generation_s(self, share: float) -> float:
        """Seconds that a generated check may take: its share of what is left, or a minimum."""
        total_s = self.effort.total_s
        # What ends a run takes callbacks too: the last replays, and bringing the money back. And a
        # scenario that has begun is played to its end.
        closing_s = _CLOSING * self.mean_ms / 1000
        return max((total_s - closing_s - self.elapsed_s) * share, _GENERATED_SHARE * total_s * share)

    def affords(self, callbacks: int, share: float = 0.1) -> bool:
        """Whether so many callbacks fit into a share of the effort's time."""
        return callbacks * self.mean_ms / 1000 < self.effort.total_s * share
