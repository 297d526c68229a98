"""The bundled operator and its faults without a socket: the real gateway behind a real client."""

from __future__ import annotations

import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from pytest_provider_contract.client import OperatorClient
from pytest_provider_contract.history import Player
from pytest_provider_contract.profile import load_profile
from pytest_provider_contract.provider import Provider
from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.gateway import Gateway
from pytest_provider_contract.reference.variants import Parts, variant
from pytest_provider_contract.signing import generate_key
from pytest_provider_contract.transport import Endpoint, Reply
from pytest_provider_contract.transport.request import Request, Timed

PROFILE = load_profile("155io")
REWARD = "5f0a7c1e-0000-4000-8000-00000000abcd"
PLAYERS = (Player("alice", "session-a", "EUR"), Player("bob", "session-b", "EUR"))
BALANCE = 10**10
KEY = generate_key()


class _Wire:
    """Hands requests to a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def exchange(self, request: Request) -> Timed:
        started_s = time.monotonic()
        named = {name.decode().lower(): value.decode() for name, value in request.headers}
        response = self.gateway.serve("POST", request.path, named, request.body)
        told = tuple((name.lower().encode(), value.encode()) for name, value in response.headers)
        return Timed(Reply(int(response.status), told, response.body), started_s, time.monotonic())


def provider_of_reference(name: str | None, folder: Path) -> Provider:
    """A provider that plays against a variant of the bundled operator, or the correct one."""
    parts = Parts() if name is None else variant(name).parts()
    store = parts.wallet.store_class(folder / f"{name}.sqlite")
    for player in PLAYERS:
        store.open_account(Account(player.player_id, player.session_id, "EUR", BALANCE))
    public_key = serialization.load_pem_public_key(KEY.public_pem)
    gateway = parts.gateway(parts.wallet(store, {REWARD}), parts.verifier(public_key), parts.reader())
    client = OperatorClient(Endpoint.parse("http://127.0.0.1:1"), PROFILE, KEY)
    client._pool = _Wire(gateway)  # type: ignore[assignment]
    return Provider(client, PLAYERS, (REWARD,))
