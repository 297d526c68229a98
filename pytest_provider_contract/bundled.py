"""Starts the bundled operator with test players, who have money, for a run that has no wallet of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pytest_provider_contract.history import Player
from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.process import running
from pytest_provider_contract.signing import SigningKey
from pytest_provider_contract.transport import Endpoint

_ACCOUNTS = 4
_BALANCE = 10**10


@contextmanager
def bundled_operator(
    target: str, key: SigningKey | None, players: tuple[Player, ...] = (), rewards: tuple[str, ...] = ()
) -> Iterator[tuple[Endpoint, tuple[Player, ...]]]:
    """The bundled operator for the length of a ``with``: where it is, and the players it knows.

    Args:
        target: ``reference`` or ``reference:NAME``.
        key: Whose signatures it accepts; None checks none.
        players: Test players; without any it brings its own.
        rewards: Granted free-bet rewards.

    Raises:
        pytest.UsageError: There is no variant of that name.
    """
    players = players or tuple(Player(f"player-{n}", f"session-{n}", "EUR") for n in range(1, _ACCOUNTS + 1))
    accounts = [Account(p.player_id, p.session_id, p.currency or "EUR", _BALANCE) for p in players]
    with ExitStack() as resources:
        public_key = None
        if key is not None:
            public_key = Path(resources.enter_context(tempfile.TemporaryDirectory())) / "provider.pub.pem"
            public_key.write_bytes(key.public_pem)
        variant = target.partition(":")[2] or None
        try:
            operator = resources.enter_context(
                running(variant=variant, public_key=public_key, players=accounts, rewards=rewards)
            )
        except ValueError as error:
            raise pytest.UsageError(f"--operator-url={target}: {error}") from None
        yield Endpoint.parse(operator.url, operator.certificate), players
