"""Scenarios as JSON, there and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_provider_contract.callbacks import Spelling
from pytest_provider_contract.funds import Funds
from pytest_provider_contract.history import UNKNOWN_PLAYER
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import (
    FORGERY_RULES,
    BetPlan,
    Damage,
    Scenario,
    ScenarioError,
    Step,
    balance,
    bet,
    from_json,
    rollback,
    scenario,
    to_json,
    win,
)
from pytest_provider_contract.signing import Forgery
from pytest_provider_contract.strategies import scenarios
from pytest_provider_contract.wording import describe

PLANS = st.builds(
    BetPlan,
    stake=st.integers(-5, 1 << 62),
    win=st.integers(0, 1 << 62),
    of_balance=st.booleans(),
    player=st.integers(0, 63),
    round=st.integers(0, 9),
    reward=st.sampled_from([None, "granted", "unknown"]),
)
DAMAGES = st.builds(
    Damage,
    rule=st.sampled_from(["REPLY-02", "REPLY-03", "BET-04"]),
    field=st.sampled_from([None, "amount"]),
    json=st.none() | st.text(max_size=9),
    raw=st.none() | st.text(st.characters(max_codepoint=255), max_size=9),
    cut=st.booleans(),
)


@st.composite
def anything(draw: st.DrawFn) -> Scenario:
    plans = tuple(draw(st.lists(PLANS, min_size=1, max_size=3)))
    steps = st.builds(
        Step,
        send=st.sampled_from(Kind),
        bet=st.integers(0, len(plans) - 1),
        player=st.none() | st.integers(UNKNOWN_PLAYER, 3),
        attempt=st.integers(0, 9),
        closed=st.booleans(),
        conflict=st.sampled_from([None, "amount", "round", "bet", "lower amount", "free", "next bet"]),
        of_win=st.booleans(),
        forgery=st.none() | st.sampled_from(Forgery),
        spelling=st.sampled_from(Spelling),
        header_case=st.sampled_from(["as-is", "lower", "upper"]),
        damage=st.none() | DAMAGES,
        wait_ms=st.integers(0, 600_000),
        focus=st.booleans(),
    )
    return Scenario(
        plans,
        tuple(draw(st.lists(steps | st.builds(balance, st.integers(0, 3)), max_size=6))),
        draw(st.sampled_from([None, "BET-01"])),
        tuple(draw(st.lists(st.sampled_from(["BET-01", "IDEM-01"]), max_size=2))),
    )


@settings(deadline=None, database=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(anything() | scenarios(Funds(10_000, 500, players=2, reward=True)))
def test_every_scenario_comes_back_from_json_as_it_was(value: Scenario) -> None:
    written = json.dumps(to_json(value))
    assert from_json(json.loads(written)) == value
    assert to_json(from_json(json.loads(written))) == json.loads(written)
    assert describe(value) == describe(from_json(json.loads(written)))


@pytest.mark.parametrize("damage", [Damage(), Damage(raw=""), Damage(field="x"), Damage(cut=True), Damage("BET-04")])
def test_damage_of_nothing_but_defaults_survives(damage: Damage) -> None:
    value = Scenario((BetPlan(1),), (bet(damage=damage),))
    assert from_json(to_json(value)) == value


def test_json_says_only_what_is_not_the_default() -> None:
    value = scenario(BetPlan(10), bet(), rollback(closed=False), rule="ROLLBACK-01", via="ROLLBACK-01 IDEM-01")
    assert to_json(value) == {
        "rule": "ROLLBACK-01",
        "via": ["ROLLBACK-01", "IDEM-01"],
        "bets": [{"stake": 10}],
        "steps": [{"send": "bet", "bet": 0}, {"send": "rollback", "bet": 0, "closed": False, "focus": True}],
    }


ONE_BET: dict[str, object] = {"bets": [{"stake": 10}], "steps": [{"send": "bet", "bet": 0}]}


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ({}, "required"),
        ([], "type"),
        (None, "type"),
        ("scenario", "type"),
        ({"bets": []}, "'steps' is a required property"),
        ({"bets": [], "steps": [{"send": "bet", "bet": 0}]}, "a bet that is not planned"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": 1}]}, "a bet that is not planned"),
        (ONE_BET | {"steps": [{"send": "bet"}]}, "a step names no bet"),
        (ONE_BET | {"steps": [{"send": "win", "bet": None}]}, "a step names no bet"),
        (ONE_BET | {"steps": [{"send": "refund", "bet": 0}]}, "steps.0.send"),
        (ONE_BET | {"steps": [{"bet": 0}]}, "'send' is a required property"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": -1}]}, "steps.0.bet"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": 0.0}]}, "steps.0.bet"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": "0"}]}, "steps.0.bet"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": 0, "player": -2}]}, "steps.0.player"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": 0, "colour": 1}]}, "'colour' was unexpected"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": 0, "forgery": "rot13"}]}, "steps.0.forgery"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": 0, "spelling": None}]}, "steps.0.spelling"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": 0, "wait_ms": 600_001}]}, "steps.0.wait_ms"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": 0, "damage": {"x": 1}}]}, "'x' was unexpected"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": 0, "damage": {"raw": "€"}}]}, "no byte"),
        (ONE_BET | {"steps": [{"send": "bet", "bet": 0}] * 5001}, "steps"),
        (ONE_BET | {"bets": [{}]}, "'stake' is a required property"),
        (ONE_BET | {"bets": [{"stake": "10"}]}, "bets.0.stake"),
        (ONE_BET | {"bets": [{"stake": 10.0}]}, "bets.0.stake"),
        (ONE_BET | {"bets": [{"stake": True}]}, "bets.0.stake"),
        (ONE_BET | {"bets": [{"stake": 1, "win": -1}]}, "bets.0.win"),
        (ONE_BET | {"bets": [{"stake": 1, "win": 1 << 63}]}, "bets.0.win"),
        (ONE_BET | {"bets": [{"stake": 1, "reward": "x"}]}, "bets.0.reward"),
        (ONE_BET | {"bets": [{"stake": 1, "player": 64}]}, "bets.0.player"),
        (ONE_BET | {"rule": 5}, "rule"),
        (ONE_BET | {"via": "BET-01"}, "via"),
    ],
)
def test_wrong_json_is_told_in_one_sentence(data: object, part: str) -> None:
    with pytest.raises(ScenarioError) as error:
        from_json(data)  # type: ignore[arg-type]
    message = str(error.value)
    assert message.startswith("this is no recorded scenario: ")
    assert part in message
    assert "\n" not in message
    assert len(message) < 300


def test_focus_falls_on_the_last_step_that_is_no_balance() -> None:
    assert [s.focus for s in scenario(BetPlan(1), bet(), win(), balance(), rule="WIN-01").steps] == [False, True, False]
    assert [s.focus for s in scenario(BetPlan(1), bet(focus=True), win(), rule="BET-01").steps] == [True, False]
    assert [s.focus for s in scenario(BetPlan(1), balance(), rule="BALANCE-01").steps] == [True]
    assert [s.focus for s in scenario(BetPlan(1), bet(), win()).steps] == [False, False]


def test_what_a_scenario_knows_of_itself() -> None:
    value = Scenario((BetPlan(1), BetPlan(2, player=2), BetPlan(3, player=5)), (bet(0), bet(1), bet(0)))
    assert value.players == 3
    assert value.used_bets() == {0: BetPlan(1), 1: BetPlan(2, player=2)}
    assert value.without(0, 2) == Scenario(value.bets, (bet(1),))
    assert not value.forges
    assert Scenario((BetPlan(1),), (bet(player=UNKNOWN_PLAYER),)).players == 1
    assert Scenario((), (balance(3),)).players == 4
    assert Scenario((BetPlan(1),), (bet(forgery=Forgery.SHA1),)).forges
    assert Scenario((BetPlan(1),), (bet(header_case="upper"),)).forges


def test_every_forgery_has_a_rule() -> None:
    assert FORGERY_RULES.keys() == set(Forgery)
