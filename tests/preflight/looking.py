"""Whom the tests of the first look play as."""

from __future__ import annotations

from collections.abc import Callable

from pytest_provider_contract.history import Player
from pytest_provider_contract.preflight.checkup import Checkup
from pytest_provider_contract.profile import load_profile

PROFILE = load_profile("155io")
ALICE = Player("alice", "s-alice", "EUR")
BOB = Player("bob", "s-bob", "EUR")

Look = Callable[..., Checkup]
