"""The bundled operator and its faults without a socket: the real gateway behind a real client."""

from __future__ import annotations

from collections.abc import Sequence
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
from pytest_provider_contract.transport import Endpoint, Header, Reply

PROFILE = load_profile("155io")
REWARD = "5f0a7c1e-0000-4000-8000-00000000abcd"
PLAYERS = (Player("alice", "session-a", "EUR"), Player("bob", "session-b", "EUR"))
BALANCE = 10**10
KEY = generate_key()


class _Wire:
    """Hands requests to a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def exchange(self, path: str, headers: Sequence[Header], body: bytes, deadline_s: float) -> Reply:  # noqa: ARG002
        named = {name.decode().lower(): value.decode() for name, value in headers}
        response = self.gateway.serve("POST", path, named, body)
        told = tuple((name.lower().encode(), value.encode()) for name, value in response.headers)
        return Reply(int(response.status), told, response.body)


def provider_of_reference(name: str | None, folder: Path) -> Provider:
    """A provider that plays against a variant of the bundled operator, or the correct one."""
    parts = Parts() if name is None else variant(name).parts()
    store = parts.wallet.store_class(folder / f"{name}.sqlite")
    for player in PLAYERS:
        store.open_account(Account(player.player_id, player.session_id, "EUR", BALANCE))
    public_key = serialization.load_pem_public_key(KEY.public_pem)
    gateway = parts.gateway(parts.wallet(store, {REWARD}), parts.verifier(public_key), parts.reader())
    client = OperatorClient(Endpoint.parse("http://127.0.0.1:1"), PROFILE, KEY)
    client._connection = _Wire(gateway)  # type: ignore[assignment]
    return Provider(client, PLAYERS, (REWARD,))
