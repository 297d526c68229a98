"""Generated sequences: any order, any repetition, any number of bets and rounds."""

from __future__ import annotations

from types import ModuleType

import pytest

from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract
rule = pytest.mark.provider_rule


def strategies() -> ModuleType:
    """What draws; loaded when the first of these tests is played, because Hypothesis takes its time."""
    from pytest_provider_contract import strategies  # noqa: PLC0415

    return strategies


@rule("SEQ-02")
def test_sequences_of_two_players(contract_check: SuiteCheck) -> None:
    contract_check.generated(strategies().scenarios, players=2, share=0.25)


@rule("LOST-08")
def test_sequences_with_lost_replies(contract_check: SuiteCheck) -> None:
    contract_check.generated(strategies().losses, players=2, share=0.25)


@rule("RACE-09")
def test_sequences_with_callbacks_at_the_same_time(contract_check: SuiteCheck) -> None:
    contract_check.generated(strategies().storms, players=2, share=0.5)


@rule("SEQ-01")
def test_sequences_of_one_player(contract_check: SuiteCheck) -> None:
    # Last, so that the second player's money has rested when it is asked for again.
    contract_check.generated(strategies().scenarios, players=1, share=1.0)
