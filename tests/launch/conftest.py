"""Stand-ins on real sockets, and the example casino in front of them."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_provider_contract.launch.provider_api import ProviderApi
from pytest_provider_contract.launch.server import serving
from pytest_provider_contract.launch.terms import Terms
from pytest_provider_contract.profile import load_profile
from pytest_provider_contract.signing import SigningKey, generate_key

EXAMPLE = Path(__file__).parents[2] / "examples" / "launch_operator"
sys.path.append(str(EXAMPLE))

from casino.app import Casino  # noqa: E402 - found from here on
from casino.launcher import Launcher  # noqa: E402
from casino.local_server import serving as serving_app  # noqa: E402
from casino.wallet import Wallet  # noqa: E402

OPERATOR_ID = "op-7421"
Reply = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="session")
def key() -> SigningKey:
    return generate_key()


@pytest.fixture
def terms() -> Terms:
    return Terms(operator_id=OPERATOR_ID, first_delay_s=0.02)


@pytest.fixture
def api(key: SigningKey, terms: Terms) -> Iterator[ProviderApi]:
    with serving(ProviderApi(load_profile("155io"), key, terms)) as served:
        yield served


@pytest.fixture
def post(api: ProviderApi) -> Callable[..., Reply]:
    """Posts to the stand-in."""

    def send(path: str, fields: Any, *, method: str = "POST", headers: dict[str, str] | None = None) -> Reply:
        body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=20)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            reply = connection.getresponse()
            return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
        finally:
            connection.close()

    return send


@pytest.fixture
def request_body(api: ProviderApi) -> dict[str, Any]:
    """A launch request of real play with nothing wrong."""
    return {
        "clientSessionId": "session-1",
        "clientPlayerId": "alice",
        "operatorId": OPERATOR_ID,
        "partnerId": "brand",
        "gameId": api.games[0].id,
        "username": "alice",
        "currency": "EUR",
        "platform": "MOBILE",
    }


@pytest.fixture
def open_casino(api: ProviderApi) -> Iterator[Callable[..., Any]]:
    """Serves a casino; the stand-in sends its callbacks there."""
    with ExitStack() as stack:

        def opened(casino: Any = Casino, launcher: Any = Launcher, wallet: Any = Wallet) -> Any:
            money = wallet(api.public_pem)
            stack.callback(money.close)
            for player in ("alice", "bob"):
                money.register(player, "EUR", 100_000)
            built = casino(money, launcher(api.url, OPERATOR_ID, "casino-example"))
            url = stack.enter_context(serving_app(built))
            built.url = url
            api.use_wallet(url + "/wallet")
            return built

        yield opened
