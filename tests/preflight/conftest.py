"""What the tests of the first look share."""

from __future__ import annotations

from pathlib import Path

import pytest
from looking import ALICE, BOB, PROFILE, Look

from pytest_provider_contract.history import Player
from pytest_provider_contract.preflight.checkup import Checkup
from pytest_provider_contract.preflight.examine import Target, examine
from pytest_provider_contract.signing import SigningKey, generate_key
from pytest_provider_contract.transport import Endpoint


@pytest.fixture(scope="session")
def key() -> SigningKey:
    return generate_key()


@pytest.fixture
def look(key: SigningKey) -> Look:
    """Looks at a base URL or a port of this machine."""

    def run(
        where: str | int, *players: Player, signing: SigningKey | None = key, ca: Path | None = None, **more: object
    ) -> Checkup:
        url = f"http://127.0.0.1:{where}" if isinstance(where, int) else where
        options = {"profile": PROFILE, "players": players or (ALICE, BOB), **more}
        return examine(Target(endpoint=Endpoint.parse(url, ca), key=signing, **options))

    return run
