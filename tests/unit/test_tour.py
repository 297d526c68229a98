"""The tour for slow operators accuses no honest wallet."""

from __future__ import annotations

import pytest
from honest_wallets import HABITS, Habits, Wallet, provider_of
from hypothesis import HealthCheck, given, settings

from pytest_provider_contract.rules import RULES
from pytest_provider_contract.suite.tour import TOUR

# A tracer costs these half their time, and every line that they reach others reach too.
pytestmark = pytest.mark.no_cover

# What overlaps or gets lost needs a wire.
BY_THEMSELVES = [stage for stage in TOUR if not any(s.together or s.fault for s in stage.plan.steps)]


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=100)
@given(HABITS)
def test_an_honest_wallet_is_never_accused(habits: Habits) -> None:
    provider = provider_of(Wallet(habits, {"alice": 10**10, "bob": 10**10}))
    provider.thrifty = True
    for stage in BY_THEMSELVES:
        performance = provider.play(stage.plan)
        assert performance.violation is None


def test_it_shows_rules_that_there_are() -> None:
    assert {rule for stage in TOUR for rule in stage.shows.split()} <= RULES.keys()
    assert len(BY_THEMSELVES) >= 9
