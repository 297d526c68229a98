"""Always 200, and the shape of a reply: one of every callback, in one ordinary round."""

from __future__ import annotations

import pytest

from pytest_provider_contract.scenario import BetPlan, balance, bet, rollback, scenario, win
from pytest_provider_contract.suite.tour import TOUR
from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


ROUND = scenario(
    [BetPlan(1037, 2011), BetPlan(577, round=1)],
    balance(),
    bet(0),
    win(0),
    bet(1),
    rollback(1),
    balance(),
)


@rule("REPLY-01", "REPLY-04", "REPLY-05", "REPLY-06", "REPLY-07", "REPLY-08")
def test_an_ordinary_round(contract_check: SuiteCheck) -> None:
    contract_check(ROUND)
    contract_check.tour(TOUR)


@rule("REPLY-09")
def test_an_error_reply(contract_check: SuiteCheck) -> None:
    contract_check(scenario(BetPlan(1, of_balance=True), bet()))
