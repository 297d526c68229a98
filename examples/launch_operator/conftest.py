"""The casino under test, next to the stand-in for its provider."""

from contextlib import contextmanager

import pytest
from casino.app import Casino
from casino.launcher import Launcher
from casino.local_server import serving
from casino.wallet import Wallet

from pytest_provider_contract.launch.terms import Terms

OPERATOR_ID = "op-7421"


@pytest.fixture
def provider_api_terms():
    return Terms(operator_id=OPERATOR_ID, first_delay_s=0.05)


class Front:
    """A proxy in front of the casino that can be told to answer 502 on some paths."""

    def __init__(self, app) -> None:
        self.app = app
        self.broken: tuple[str, ...] = ()

    @contextmanager
    def outage(self, *paths: str):
        self.broken = paths
        yield
        self.broken = ()

    def __call__(self, environ, start_response):
        if self.broken and environ["PATH_INFO"].startswith(self.broken):
            start_response("502 Bad Gateway", [("Content-Type", "text/html")])
            return [b"<h1>502 Bad Gateway</h1>"]
        return self.app(environ, start_response)


@pytest.fixture
def casino(provider_api):
    """The casino, served behind its front; the stand-in sends its callbacks there."""
    wallet = Wallet(provider_api.public_pem)
    wallet.register("alice", "EUR", 100_000)
    wallet.register("bob", "EUR", 100_000)
    casino = Casino(wallet, Launcher(provider_api.url, OPERATOR_ID, "casino-example"))
    casino.front = Front(casino)
    with serving(casino.front) as url:
        provider_api.use_wallet(url + "/wallet")
        yield casino
    wallet.close()


@pytest.fixture
def game(casino):
    """The first game of the list."""
    return casino.launcher.games()[0]["id"]
