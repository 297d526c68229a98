"""Stand-ins on real sockets, and the example casino in front of them."""

from __future__ import annotations

import http.client
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_provider_contract.launch.game import OpenGame
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


class Front:
    """A proxy before a casino: records what the wallet is sent, and fails as it is told.

    Attributes:
        calls: Name and body of every callback.
        plan: Per callback what to do with the next ones: ``500``, ``lose`` (carried out, then
            answered with 500), ``late`` (carried out after the deadline), ``silent`` (not carried
            out, answered after the deadline), ``pass``.
    """

    def __init__(self, app: Any, late_s: float) -> None:
        self.app = app
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.plan: dict[str, list[str]] = {}
        self.late_s = late_s

    def sent(self, name: str) -> list[dict[str, Any]]:
        return [fields for called, fields in self.calls if called == name]

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if not environ["PATH_INFO"].startswith("/wallet/"):
            return self.app(environ, start_response)
        name = environ["PATH_INFO"].removeprefix("/wallet/")
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        self.calls.append((name, json.loads(body)))
        todo = self.plan.get(name) or ["pass"]
        what = todo.pop(0)
        if what in ("late", "silent"):
            time.sleep(self.late_s)
        if what in ("500", "silent"):
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"oops"]
        reply = self.app(environ, start_response if what != "lose" else lambda *_: None)
        if what == "lose":
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return reply


DEADLINE_S = 1.5


@pytest.fixture
def hasty_api(key: SigningKey, terms: Terms) -> Iterator[ProviderApi]:
    """A stand-in that gives up on a callback soon."""
    profile = load_profile("155io")
    hasty = {kind: replace(call, deadline_s=DEADLINE_S) for kind, call in profile.callbacks.items()}
    with serving(ProviderApi(replace(profile, callbacks=hasty), key, terms)) as served:
        yield served


@dataclass
class Played:
    """A game that alice plays, and what stands between it and her wallet."""

    api: ProviderApi
    casino: Any
    front: Front
    game: OpenGame

    @property
    def balance(self) -> int:
        return int(self.casino.wallet.balance("alice"))


@contextmanager
def playing(api: ProviderApi) -> Iterator[Played]:
    wallet = Wallet(api.public_pem)
    wallet.register("alice", "EUR", 100_000)
    casino = Casino(wallet, Launcher(api.url, OPERATOR_ID, "casino-example"))
    front = Front(casino, late_s=2 * DEADLINE_S)
    with serving_app(front) as url:
        api.use_wallet(url + "/wallet")
        game = api.open(casino.play("alice", api.games[0].id))
        front.calls.clear()
        yield Played(api, casino, front, game)
    wallet.close()


@pytest.fixture
def played(api: ProviderApi) -> Iterator[Played]:
    """A game with the provider's own deadlines."""
    with playing(api) as game:
        yield game


@pytest.fixture
def hasty(hasty_api: ProviderApi) -> Iterator[Played]:
    """A game of a provider that gives up on a callback soon."""
    with playing(hasty_api) as game:
        yield game
