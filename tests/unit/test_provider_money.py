"""What a play leaves behind of a player's money."""

from __future__ import annotations

from json import loads

import pytest
from honest_wallets import OK, Answered, Habits, InMemoryClient, Wallet, provider_of

from pytest_provider_contract.callbacks import Callback, new_id
from pytest_provider_contract.client import ORDINARY, Envelope, OperatorGoneError
from pytest_provider_contract.history import UNKNOWN_PLAYER, Defect, Exchange
from pytest_provider_contract.profile import Kind, Status
from pytest_provider_contract.provider import _another, _unused
from pytest_provider_contract.scenario import BetPlan, Damage, Scenario, Step, bet, rollback, win
from pytest_provider_contract.signing import Forgery
from pytest_provider_contract.transport import Fault

PLANS = (BetPlan(10, 10), BetPlan(20, 20, player=1))


@pytest.mark.parametrize(
    ("habits", "steps"),
    [
        (Habits(), (bet(0),)),
        (Habits(), (bet(0), bet(1))),
        (Habits(), (bet(0), rollback(0), bet(1), win(1))),
        (Habits(), (bet(0), rollback(0, 5, player=1))),
        (Habits(), (bet(0), rollback(0, 8, player=UNKNOWN_PLAYER))),
        (Habits(), (bet(0), rollback(0, 7, of_win=True))),
        (Habits(), (bet(0), rollback(0, forgery=Forgery.ABSENT))),
        (Habits(), (bet(0), win(0, damage=Damage(cut=True)))),
        (Habits(unknown_rollback="refuse"), (rollback(0), bet(0))),
        (Habits(), (rollback(0), bet(0))),
        (Habits(), (win(0), bet(0))),
        (Habits(), (bet(0, conflict="round"),)),
        (Habits(), (bet(0), win(0), bet(0))),
        (Habits(), (bet(0), rollback(0), bet(0))),
        (Habits(late_bet=OK), (rollback(0), bet(0))),
    ],
)
def test_no_bet_stays_open(habits: Habits, steps: tuple[Step, ...]) -> None:
    wallet = Wallet(habits, {"alice": 100, "bob": 80})
    assert provider_of(wallet).play(Scenario(PLANS, steps)).violation is None
    assert wallet.money == {"alice": 100, "bob": 80}


ENDINGS = "0123456789abcdef"


@pytest.mark.parametrize("known", [["0"], ["F"], ["a", "0", "1"], [*ENDINGS], [*ENDINGS.upper()]])
@pytest.mark.parametrize("start", ["5e6fa5f3-6f1c-4a3e-9c39-0a3a3b6d2b1", "5E6FA5F3-6F1C-4A3E-9C39-0A3A3B6D2B1"])
def test_an_unknown_reward_is_none_of_the_granted_ones_in_any_letter_case(start: str, known: list[str]) -> None:
    granted = [start + ending for ending in known]
    assert _another(granted).lower() not in {reward.lower() for reward in granted}


@pytest.mark.parametrize("json", ['"\\ud800"', '"a\\u0000b"', "12345", '["x"]', '{"a":"1"}'])
@pytest.mark.parametrize("field", ["requestId", "transactionId"])
def test_a_damaged_id_is_as_new_as_a_sound_one(field: str, json: str) -> None:
    """A wallet that takes it for an id knows a transaction by it from then on."""
    damage = Damage("REPLY-03", field, json)
    made = {_unused(damage, Callback(Kind.BET, new_id(), "alice", "s", "t")) for _ in range(20)}
    assert len(made) == 20
    assert all(type(loads(text or "")) is type(loads(json)) for text in made)


@pytest.mark.parametrize("status", [OK, Status.DUPLICATE])
def test_the_retry_of_a_bet_that_has_happened_tests_the_rule(status: Status) -> None:
    wallet = Wallet(Habits(bet_replay=status), {"alice": 100})
    plan = Scenario((BetPlan(10),), (bet(fault=Fault.REPLY_LOST), bet(focus=True)), rule="LOST-01")
    performance = provider_of(wallet).play(plan)
    assert performance.violation is None
    assert performance.tested


def test_a_settled_bet_is_not_rolled_back() -> None:
    wallet = Wallet(Habits(settled_rollback="undo"), {"alice": 100})
    provider_of(wallet).play(Scenario((BetPlan(10, 25),), (win(0), bet(0), bet(0))))
    assert wallet.money == {"alice": 115}


class FailsOnWins(Wallet):
    def win(self, c: Callback) -> Answered:
        self.money[c.player_id] += 1
        return super().win(c)


class GoesAway(InMemoryClient):
    def send(
        self,
        callback: Callback,
        envelope: Envelope = ORDINARY,
        defect: Defect | None = None,
        fault: Fault | None = None,
    ) -> Exchange:
        if callback.kind is Kind.ROLLBACK:
            raise OperatorGoneError("gone")
        return super().send(callback, envelope, defect, fault)


def test_what_was_found_out_survives_an_operator_that_goes_away_while_tidying_up() -> None:
    wallet = FailsOnWins(Habits(), {"alice": 100})
    provider = provider_of(wallet)
    provider.client = GoesAway(wallet)  # type: ignore[assignment]
    performance = provider.play(Scenario((BetPlan(10, 5), BetPlan(7)), (bet(0), bet(1), win(0))))
    assert performance.violation is not None
    assert performance.violation.rule == "WIN-01"
