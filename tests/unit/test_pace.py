"""How a run deals with its time, on a clock that the test moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest

from pytest_provider_contract.pace import Pace
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.results import Results
from pytest_provider_contract.settings import EFFORTS


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("effort", "answers_after_ms", "after_s", "cut"),
    [
        pytest.param("quick", 10, 50, False, id="a busy machine is no reason"),
        pytest.param("quick", 200, 30, False, id="slow, within the next effort's time"),
        pytest.param("quick", 200, 56, True, id="slow, at the end of the next effort's time"),
        pytest.param("standard", 200, 59, False, id="every rule fits into the effort's own time"),
        pytest.param("standard", 800, 200, False, id="very slow, within the next effort's time"),
        pytest.param("standard", 800, 290, True, id="very slow, at the end of it"),
        pytest.param("certify", 3000, 900, False, id="certify takes the time it needs"),
    ],
)
def test_a_slow_operator_is_cut_short_only_when_all_rules_would_take_too_long(
    effort: str, answers_after_ms: float, after_s: float, cut: bool
) -> None:
    clock, results = Clock(), Results()
    for _ in range(100):
        results.latency[Kind.BET].add(answers_after_ms)
    pace = Pace(EFFORTS[effort], results, clock)
    clock.now_s += after_s
    assert pace.out_of_time() is cut
    assert (results.slow is not None) is cut
    if results.slow:
        longer = {"quick": "standard", "standard": "certify"}[effort]
        assert results.slow.endswith(f"give --operator-effort={longer}")


def test_an_operator_is_slow_if_one_callback_in_ten_is() -> None:
    results = Results()
    for _ in range(10):
        results.latency[Kind.WIN].add(1)
        for _ in range(9):
            results.latency[Kind.BET].add(1)
    pace = Pace(EFFORTS["quick"], results, Clock())
    assert pace.mean_ms == pytest.approx(1, rel=0.02)
    assert not pace.is_slow
    for _ in range(10):
        results.latency[Kind.WIN].add(1500)
    assert pace.mean_ms == pytest.approx(137, rel=0.02)
    assert pace.is_slow


def test_a_slow_operator_skips_what_was_tested_and_never_the_first_case() -> None:
    clock, results = Clock(), Results()
    pace = Pace(EFFORTS["quick"], results, clock)
    assert list(pace.cases("abc")) == ["a", "b", "c"]
    assert not pace.hurries(["BET-01"])
    clock.now_s += EFFORTS["quick"].total_s
    pace.next_test()
    assert list(pace.cases("abc")) == ["a"]
    results.exercised["BET-03"] += 1
    assert not pace.hurries(["BET-03"])  # not slow: every test is played
    results.latency[Kind.BET].add(50)
    assert not pace.hurries(["BET-01"])  # not tested yet
    results.exercised["BET-01"] += 1
    assert pace.hurries(["BET-01"])
    assert not pace.hurries(["BET-01", "BET-02"])
    results.exercised["ROLLBACK-05"] += 1
    assert pace.hurries(["ROLLBACK-06"])  # the other way of an either


@pytest.mark.parametrize(("answers_after_ms", "slow"), [(2, False), (9, False), (11, True), (300, True)])
def test_what_an_operator_has_time_for(answers_after_ms: float, slow: bool) -> None:
    results = Results()
    results.latency[Kind.WIN].add(answers_after_ms)
    pace = Pace(EFFORTS["quick"], results, Clock())
    assert pace.is_slow is slow
    assert pace.mean_ms >= answers_after_ms * 0.9
    assert pace.affords(100) is (100 * pace.mean_ms < 1300)
    assert 0 < pace.generation_s(0.5) <= EFFORTS["quick"].total_s / 2


def test_what_shows_by_chance_is_tried_as_long_as_tries_cost_little() -> None:
    clock, results = Clock(), Results()
    pace = Pace(EFFORTS["quick"], results, clock)
    clock.now_s += EFFORTS["quick"].total_s
    pace.next_test()
    results.exercised.update(["LOST-01", "BET-01"])
    results.latency[Kind.BET].add(15)
    assert list(pace.cases("abc", ["LOST-01"])) == ["a", "b", "c"]
    assert not pace.hurries(["LOST-01"])
    assert list(pace.cases("abc", ["BET-01"])) == ["a"]
    assert pace.hurries(["BET-01"])
    results.latency[Kind.BET].add(100)
    assert list(pace.cases("abc", ["LOST-01"])) == ["a"]
    assert pace.hurries(["LOST-01"])


def played(effort: str, callback_ms: float, cases: Sequence[int]) -> list[int]:
    """How many cases of each test are played, of callbacks that take so long; six of them make a case."""
    clock, results = Clock(), Results(exercised=Counter(["BET-01"]))
    for _ in range(100):
        results.latency[Kind.BET].add(callback_ms)
    pace = Pace(EFFORTS[effort], results, clock, tests=len(cases))
    counts = []
    for of_a_test in cases:
        pace.next_test()
        counts.append(0)
        if not pace.hurries(["BET-01"]):
            for _ in pace.cases(range(of_a_test)):
                counts[-1] += 1
                clock.now_s += 6 * callback_ms / 1000
    return counts


# As the suite's: most have one or two cases, and those of the last chapters most.
CASES = [1, 1, 2, 3, 1, 2, 4] * 14 + [1, 6, 2, 10] * 8


@pytest.mark.parametrize(
    ("effort", "callback_ms"),
    [("quick", 3), ("standard", 15), ("certify", 60)],
)
def test_every_case_is_played_where_time_does(effort: str, callback_ms: float) -> None:
    assert played(effort, callback_ms, CASES) == CASES


@pytest.mark.parametrize(
    ("effort", "callback_ms"), [("quick", 11), ("quick", 14), ("standard", 25), ("standard", 45), ("certify", 200)]
)
def test_no_test_has_a_second_case_at_the_cost_of_anothers_first(effort: str, callback_ms: float) -> None:
    counts = played(effort, callback_ms, CASES)
    assert min(counts) == 1
    assert sum(counts) < sum(CASES)
    # What remains is not left lying either.
    spent_s = sum(counts) * 6 * callback_ms / 1000
    assert EFFORTS[effort].directed_s * 0.8 < spent_s < EFFORTS[effort].directed_s * 1.05


@pytest.mark.parametrize(("effort", "callback_ms"), [("quick", 30), ("standard", 100), ("quick", 200)])
def test_where_first_cases_are_too_many_those_played_lie_evenly(effort: str, callback_ms: float) -> None:
    counts = played(effort, callback_ms, CASES)
    assert set(counts) == {0, 1}
    turns = [place for place, count in enumerate(counts) if count]
    gaps = [later - earlier for earlier, later in pairwise(turns)]
    assert max(gaps) <= min(gaps) + 2
    assert sum(counts) * 6 * callback_ms / 1000 == pytest.approx(EFFORTS[effort].directed_s, rel=0.15)


def test_a_run_of_few_tests_plays_all_their_cases() -> None:
    assert played("quick", 30, [10, 10]) == [10, 10]
    assert played("quick", 11, [20] * 8) == [20] * 8


@pytest.mark.parametrize(("effort", "dear"), [("quick", True), ("standard", False), ("certify", False)])
def test_a_long_first_case_gives_way_where_it_would_take_much_of_the_time(effort: str, dear: bool) -> None:
    results = Results(exercised=Counter(["BET-01"]))
    results.latency[Kind.BET].add(20)
    pace = Pace(EFFORTS[effort], results, Clock())
    assert pace.hurries(["BET-01"], 75) is dear
    assert not pace.hurries(["BET-01"], 20)
    assert not pace.hurries(["BET-02"], 75)


def test_more_tests_than_were_planned_have_their_turn_too() -> None:
    clock, results = Clock(), Results(exercised=Counter(["BET-01"]))
    pace = Pace(EFFORTS["quick"], results, clock, tests=1)
    for _ in range(3):
        pace.next_test()
        assert not pace.hurries(["BET-01"])
        assert list(pace.cases("ab")) == ["a", "b"]


@pytest.mark.parametrize(
    ("callback_ms", "play_s", "plans", "plays"),
    [
        pytest.param(2, 0.011, 4, 19, id="as long as there is time"),
        pytest.param(2, 0.05, 4, 10, id="a busy machine: so many all the same"),
        pytest.param(2, 0.1, 4, 7, id="a very busy one: some more than the seconds are for"),
        pytest.param(2, 0.5, 4, 4, id="each of them once, whatever it takes"),
        pytest.param(30, 0.2, 4, 4, id="a slow operator: some"),
        pytest.param(300, 2.0, 4, 1, id="a very slow one: the first"),
    ],
)
def test_a_storm_has_a_least_number_of_plays(callback_ms: float, play_s: float, plans: int, plays: int) -> None:
    clock, results = Clock(), Results()
    for _ in range(100):
        results.latency[Kind.BET].add(callback_ms)
    seen = []
    for plan in Pace(EFFORTS["quick"], results, clock).storm(range(plans)):
        seen.append(plan)
        clock.now_s += play_s
    assert seen == [number % plans for number in range(plays)]
