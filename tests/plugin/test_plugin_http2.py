"""The chapter of races over HTTP/2: the bundled operator's wallet on server software that speaks it."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from hypercorn.asyncio import serve
from hypercorn.config import Config

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.variants import Parts, variant

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Run = Callable[..., pytest.RunResult]

PLAYERS = ("alice:session-a:EUR", "bob:session-b:EUR")


class Versions:
    """A WSGI application that notes the versions of HTTP in which another is asked."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.seen: dict[str, int] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        version = environ["SERVER_PROTOCOL"]
        self.seen[version] = self.seen.get(version, 0) + 1
        return self.application(environ, start_response)


@contextmanager
def _wallet(folder: Path, parts: Parts) -> Iterator[tuple[str, Versions]]:
    store = parts.wallet.store_class(folder / "wallet.sqlite")
    for player in PLAYERS:
        store.open_account(Account.parse(f"{player}:{10**10}"))
    application = Versions(parts.gateway(parts.wallet(store, frozenset()), None, parts.reader()))
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.certfile, config.keyfile = str(folder / "wallet.pem"), str(folder / "wallet.pem")
    config.accesslog = config.errorlog = None
    sockets = config.create_sockets()
    port = sockets.secure_sockets[0].getsockname()[1]
    config.create_sockets = lambda: sockets  # type: ignore[method-assign]
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()
    serving = serve(application, config, shutdown_trigger=stopped.wait, mode="wsgi")
    thread = threading.Thread(target=loop.run_until_complete, args=(serving,))
    thread.start()
    try:
        yield f"https://localhost:{port}", application
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(20)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        assert not thread.is_alive()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the wallet's certificate, by an authority that this machine knows."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "wallet.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    assert ssl.get_default_verify_paths().cafile == str(tmp_path / "authority.pem")
    return tmp_path


def _races(run: Run, url: str, *options: str) -> pytest.RunResult:
    players = [f"--operator-player={player}" for player in PLAYERS]
    return run(*players, "--operator-unsigned", "--operator-rules=RACE", *options, url=url)


def test_races_at_a_conforming_wallet(contract_run: Run, folder: Path) -> None:
    with _wallet(folder, Parts()) as (url, versions):
        result = _races(contract_run, url)
    assert result.ret == 0, result.stdout.str()
    # Callbacks in turn stay on HTTP/1.1.
    assert min(versions.seen[version] for version in ("HTTP/2", "HTTP/1.1")) > 50, versions.seen


def test_races_at_a_wallet_that_checks_and_then_acts(
    contract_run: Run, folder: Path, pytester: pytest.Pytester
) -> None:
    with _wallet(folder, variant("lost-update-race-5ms").parts()) as (url, versions):
        result = _races(contract_run, url, "--operator-report=report")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*RACE-0*"])
    assert versions.seen["HTTP/2"] > 0
    entries = [
        entry
        for recorded in pytester.path.rglob("report/**/*.har")
        for entry in json.loads(recorded.read_text())["log"]["entries"]
    ]
    told = {entry["response"]["httpVersion"] for entry in entries}
    assert "HTTP/2" in told <= {"HTTP/1.1", "HTTP/2"}
