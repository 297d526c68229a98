"""A pytest run of its own for every test, in an empty folder, and small operators to run it against."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

# Loaded before pytester takes its snapshot of modules: compiled ones can't be loaded twice.
import pytest_provider_contract.session  # noqa: F401

STRICT_INI = """
[pytest]
addopts = --strict-markers --strict-config -p no:cacheprovider
filterwarnings = error
xfail_strict = true
"""

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def contract_run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Runs pytest in a strict project, in a process of its own."""
    for name in ("CI", "PYTEST_ADDOPTS", "COVERAGE_PROCESS_START", "PYTEST_XDIST_WORKER", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    if not (pytester.path / "pytest.ini").exists():
        (pytester.path / "pytest.ini").write_text(STRICT_INI, encoding="utf-8")

    def run(*args: str, url: str | None = "reference", effort: str | None = "quick") -> pytest.RunResult:
        options = [f"--operator-url={url}"] if url else []
        if url and effort and not any("--operator-effort" in a for a in args):
            options.append(f"--operator-effort={effort}")
        return pytester.runpytest_subprocess(*options, *args, timeout=120)

    return run


@pytest.fixture
def refused(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs pytest with wrong options in this process; gives the one sentence that it says."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(*args: str) -> str:
        result = pytester.runpytest_inprocess(*args)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "Traceback" not in result.stdout.str() + result.stderr.str()
        said = [line for line in result.stderr.lines if line.strip()]
        assert len(said) == 1, said
        assert said[0].startswith("ERROR: "), said
        return said[0]

    return run


class Wallet:
    """A wallet over HTTP that records what it is sent and answers as a function tells."""

    def __init__(self, answer: Answer, base: str = "") -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        wallet = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                there, _, name = self.path.rpartition("/")
                if there != base:
                    self.send_error(404)
                    return
                try:
                    fields = json.loads(raw)
                except ValueError:
                    fields = {}
                wallet.calls.append((name, fields))
                echo = {"requestId": fields.get("requestId"), "clientPlayerId": fields.get("clientPlayerId")}
                body = json.dumps({**echo, **answer(name, fields)}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        Handler.wbufsize = 1 << 16
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def _wallet(answer: Answer, base: str = "") -> Iterator[Wallet]:
    wallet = Wallet(answer, base)
    thread = threading.Thread(target=wallet.serve, daemon=True)
    thread.start()
    try:
        yield wallet
    finally:
        wallet.close()
        thread.join()


@pytest.fixture
def wallet() -> Callable[[Answer], Any]:
    """Starts a wallet for the length of a ``with``."""
    return _wallet
