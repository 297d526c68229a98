"""A small honest wallet over HTTP or TLS, in which a test replaces what it wants to be wrong."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_provider_contract.signing import SigningKey

Headers = dict[str, str]
JSON: Headers = {"Content-Type": "application/json"}
HTML: Headers = {"Content-Type": "text/html"}


@dataclass(frozen=True)
class Request:
    """One callback as it arrived: the path's last part, the raw body and its object."""

    path: str
    raw: bytes
    headers: Any

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def fields(self) -> dict[str, Any]:
        try:
            value = json.loads(self.raw)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass
class Response:
    status: int = 200
    body: bytes = b""
    headers: Headers = field(default_factory=lambda: dict(JSON))


class Wallet:
    """Keeps the contract, for the players and the key it is given.

    Args:
        key: Whose signatures are accepted, or None to check none.
        balances: Player to minor units.
        currency: Of all players.
        base: The base path; anything else is a 404.
    """

    def __init__(
        self,
        key: SigningKey | None,
        balances: dict[str, int] | None = None,
        currency: str = "EUR",
        base: str = "",
    ) -> None:
        self.key = key
        self.balances = {"alice": 10_000, "bob": 10_000} if balances is None else balances
        self.currency = currency
        self.base = base
        self.bets: dict[str, dict[str, Any]] = {}
        self.calls: list[Request] = []
        self.lock = threading.Lock()

    # -- what tests replace -------------------------------------------------------------------------

    def handle(self, request: Request) -> Response | None:
        """Answer one request; None closes the connection without a word."""
        if request.path not in {f"{self.base}/{name}" for name in ("balance", "bet", "win", "rollback")}:
            return Response(404, b"404 page not found\n", {"Content-Type": "text/plain"})
        return self.answer(request)

    def answer(self, request: Request) -> Response:
        if not self.is_signed(request):
            return self.refuse(request, "signature")
        if request.fields.get("clientPlayerId") not in self.balances:
            return self.refuse(request, "player")
        with self.lock:
            return getattr(self, request.name)(request)

    def is_signed(self, request: Request) -> bool:
        signature = request.headers.get("X-Marbles-Signature") or ""
        return self.key is None or self.key.verifies(self.verified(request), signature)

    def verified(self, request: Request) -> bytes:
        """The bytes that the signature is verified over."""
        return request.raw

    def refuse(self, request: Request, why: str) -> Response:
        return self.reply(request, "UNKNOWN_ERROR")

    def declines(self, fields: dict[str, Any]) -> str | None:
        """Why a bet is declined, or None."""
        if fields["currency"] != self.currency:
            return "UNKNOWN_ERROR"
        return "INSUFFICIENT_BALANCE_ERROR" if fields["amount"] > self.balances[fields["clientPlayerId"]] else None

    # -- the honest part ----------------------------------------------------------------------------

    def balance(self, request: Request) -> Response:
        return self.reply(request)

    def bet(self, request: Request) -> Response:
        fields = request.fields
        if fields["transactionId"] not in self.bets:
            if status := self.declines(fields):
                return self.reply(request, status)
            self.bets[fields["transactionId"]] = {**fields, "open": True}
            self.balances[fields["clientPlayerId"]] -= fields["amount"]
        return self.reply(request)

    def win(self, request: Request) -> Response:
        fields = request.fields
        bet = self.bets.get(fields["referenceTransactionId"])
        if bet is None or not bet["open"]:
            return self.reply(request, "UNKNOWN_ERROR")
        bet["open"] = False
        self.balances[fields["clientPlayerId"]] += fields["amount"]
        return self.reply(request)

    def rollback(self, request: Request) -> Response:
        bet = self.bets.get(request.fields["referenceTransactionId"])
        if bet is not None and bet["open"]:
            bet["open"] = False
            self.balances[bet["clientPlayerId"]] += bet["amount"]
        return self.reply(request)

    def reply(self, request: Request, status: str = "SUCCESS", **more: Any) -> Response:
        fields = request.fields
        told = {
            "status": status,
            "requestId": fields.get("requestId"),
            "clientPlayerId": fields.get("clientPlayerId"),
            "currency": self.currency,
            "balance": self.balances.get(fields.get("clientPlayerId", ""), 0),
        }
        return Response(body=json.dumps({**told, **more}).encode())


@contextmanager
def serving(
    wallet: Wallet | Callable[[Request], Response | None],
    tls: ssl.SSLContext | None = None,
    date: Callable[[], str] | None = None,
) -> Iterator[int]:
    """Serve for the length of a ``with``; gives the port."""
    handle = wallet.handle if isinstance(wallet, Wallet) else wallet

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            request = Request(self.path, raw, self.headers)
            if isinstance(wallet, Wallet):
                wallet.calls.append(request)
            response = handle(request)
            if response is None:
                self.close_connection = True
                return
            self.send_response_only(response.status)
            own = {"Date": self.date_time_string(), "Content-Length": str(len(response.body))}
            for name, value in {**response.headers, **own}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return date() if date else super().date_time_string(timestamp)

        def log_message(self, *_args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: object) -> None:
            pass  # a client that breaks the handshake off is what is tested

        def get_request(self) -> Any:
            sock, address = super().get_request()
            sock.settimeout(5)
            return (tls.wrap_socket(sock, server_side=True) if tls else sock), address

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
