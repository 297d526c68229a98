"""A planted secret is in no shareable file and in no output, whether a run passes, fails or crashes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

Run = Callable[..., pytest.RunResult]

MARKER = "s3cr3tM4rk3r"
SESSION = f"session-{MARKER}"
PLAYERS = ("--operator-player", f"alice:{SESSION}-1:EUR", "--operator-player", f"bob:{SESSION}-2:EUR")
SHAREABLE = {"report.html", "report.json", "junit.xml"}


@pytest.fixture
def shows_nothing(pytester: pytest.Pytester) -> Callable[..., None]:
    """Checks output and every file that may be shared; gives the names of the files it read."""

    def check(result: pytest.RunResult, *secrets: str, files: set[str] = SHAREABLE) -> None:
        texts = {"stdout": result.stdout.str(), "stderr": result.stderr.str()}
        for path in (pytester.path / "out").rglob("*"):
            if path.is_file():
                texts[str(path.relative_to(pytester.path))] = path.read_text(encoding="utf-8")
        assert {Path(name).name for name in texts} >= files
        key = (pytester.path / ".provider-contract" / "signing-key.pem").read_text(encoding="ascii").splitlines()
        for secret in (MARKER, *secrets, *key[1:-1]):
            assert [name for name, text in texts.items() if secret in text] == []

    return check


class _Wallet(BaseHTTPRequestHandler):
    """A wallet that tells secrets wherever it can, and goes wrong as its server says."""

    protocol_version = "HTTP/1.1"
    balance = 1_000_000

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            fields: Any = json.loads(raw)
        except ValueError:
            fields = {}
        name = self.path.rpartition("/")[2]
        status, headers, body = self.server.answer(name, fields)  # type: ignore[attr-defined]
        self.send_response(status)
        for header in ("Set-Cookie", "X-Session", "Server"):
            self.send_header(header, f"{MARKER}={MARKER}")
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


Answer = Callable[[str, dict[str, Any]], tuple[int, dict[str, str], bytes]]


@pytest.fixture
def telling_wallet() -> Iterator[Callable[[Answer], str]]:
    servers = []

    def start(answer: Answer) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Wallet)
        server.answer = answer  # type: ignore[attr-defined]
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _reply(fields: Any, **more: Any) -> bytes:
    told = {"status": "SUCCESS", "requestId": fields.get("requestId"), "clientPlayerId": fields.get("clientPlayerId")}
    return json.dumps({**told, "currency": "EUR", "balance": 1_000_000, "token": MARKER, **more}).encode()


JSON = {"Content-Type": "application/json"}

BROKEN: dict[str, Answer] = {
    "page": lambda _n, _f: (500, {"Content-Type": f"text/html; x={MARKER}"}, f"<p>token {MARKER}</p>".encode()),
    "redirect": lambda _n, _f: (302, {"Location": f"https://h.example/{MARKER}?otl={MARKER}#{MARKER}"}, b""),
    "no json": lambda _n, _f: (200, JSON, f'{{"session": "{MARKER}'.encode()),
    "field": lambda _n, f: (200, JSON, _reply(f, balance=MARKER, currency=MARKER)),
    "status": lambda _n, f: (200, JSON, _reply(f, status=MARKER)),
    "echo": lambda _n, f: (200, JSON, _reply(f, requestId=MARKER)),
    "money": lambda n, f: (200, JSON, _reply(f, message=f"no {MARKER}", data={"a": [MARKER]}, balance=len(n))),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_failing_run_shows_no_secret(
    fault: str, contract_run: Run, telling_wallet: Callable[[Answer], str], shows_nothing: Callable[..., None]
) -> None:
    url = telling_wallet(BROKEN[fault])
    result = contract_run(*PLAYERS, "--operator-rules=BET-01", "--operator-report=out", "-vv", "--showlocals", url=url)
    assert result.ret == 1
    shows_nothing(result)


def test_a_passing_run_shows_no_secret(
    contract_run: Run, pytester: pytest.Pytester, shows_nothing: Callable[..., None]
) -> None:
    result = contract_run(*PLAYERS, "--operator-rules=WIN", "--operator-report=out", "-vv")
    assert result.ret == 0
    shows_nothing(result)
    assert not list((pytester.path / "out").rglob("*.sh"))


def test_a_failing_run_in_workers_shows_no_secret(contract_run: Run, shows_nothing: Callable[..., None]) -> None:
    url = "reference:rollback-deduped-on-transaction-id"
    rules = "--operator-rules=ROLLBACK-03,ROLLBACK-08"
    result = contract_run(*PLAYERS, rules, "--operator-report=out", "-vv", "-n2", url=url)
    assert result.ret == 1
    shows_nothing(result, files=SHAREABLE | {"ROLLBACK-03.json", "ROLLBACK-03.har"})


def test_a_crashing_run_shows_no_secret(
    contract_run: Run, pytester: pytest.Pytester, shows_nothing: Callable[..., None]
) -> None:
    pytester.makepyfile(
        test_crash="""
        def test_it(operator, player, signing_key, sign_callback):
            body, headers = sign_callback({"clientSessionId": player.session_id})
            exchange = operator.bet(5)
            sent = dict(exchange.headers)
            print(exchange.headers, exchange.body, player.session_id)
            raise RuntimeError(f"{exchange} {player} {sent} {exchange.callback} {exchange.body}")
        """
    )
    result = contract_run(*PLAYERS, "test_crash.py", "-vv", "--showlocals", "--tb=long")
    assert result.ret == 1
    assert "RuntimeError" in result.stdout.str()
    shows_nothing(result, files=set())


@pytest.mark.parametrize(
    "option",
    [
        f"--operator-url=https://wallet.example/a?token={MARKER}",
        f"--operator-url=https://u:{MARKER}@wallet.example/a",
        f"--operator-url=ftp://wallet.example/a?token={MARKER}",
        f"--operator-player=alice:{MARKER}:eur",
        f"--operator-player=:{MARKER}",
    ],
)
def test_wrong_use_shows_no_secret(option: str, refused: Callable[..., str]) -> None:
    options = {"--operator-url": "http://127.0.0.1:1", "--operator-player": "alice"}
    options.pop(option.partition("=")[0])
    assert MARKER not in refused(option, *(f"{name}={value}" for name, value in options.items()))
