"""The first look at every conforming variant of the bundled operator: no word against any of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from looking import Look

from pytest_provider_contract.history import Player
from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.process import running
from pytest_provider_contract.reference.variants import variants
from pytest_provider_contract.signing import SigningKey

PLAYERS = tuple(Player(f"player-{n}", f"session-{n}", "EUR") for n in range(1, 5))
ACCOUNTS = [Account(p.player_id, p.session_id, "EUR", 1_000_000) for p in PLAYERS]
CONFORMING = [variant.name for variant in variants().values() if variant.kind == "conforming"]
# Faulty in part: the suite names the rule, so the first look must let it.
FAULTY = [
    "balance-as-string",
    "bet-costs-a-unit-more",
    "body-written-again-before-verifying",
    "error-flag-for-status",
    "every-tenth-bet-takes-9-seconds",
    "http-401-on-bad-signature",
    "reply-followed-by-debug-text",
    "reply-without-currency",
    "rollback-refunds-nothing",
    "success-called-ok",
]


@pytest.fixture
def public_key(key: SigningKey, tmp_path: Path) -> Path:
    path = tmp_path / "provider.pub.pem"
    path.write_bytes(key.public_pem)
    return path


@pytest.mark.parametrize("name", [None, *CONFORMING])
def test_a_conforming_operator_is_all_well(look: Look, public_key: Path, name: str | None) -> None:
    with running(variant=name, public_key=public_key, players=ACCOUNTS, rewards=[]) as operator:
        checkup = look(operator.url, *PLAYERS, ca=operator.certificate)
    assert checkup.stop is None
    assert [item.said for item in checkup.notices] == []
    assert checkup.callbacks <= 12


@pytest.mark.parametrize("name", FAULTY)
def test_a_wallet_that_is_faulty_in_part_is_left_to_the_suite(look: Look, public_key: Path, name: str) -> None:
    with running(variant=name, public_key=public_key, players=ACCOUNTS, rewards=[]) as operator:
        assert look(operator.url, *PLAYERS).stop is None
