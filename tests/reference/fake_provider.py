"""A tiny provider: it signs and sends, and knows nothing of what a wallet should answer."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from pytest_provider_contract.reference.accounts import Account

ALICE = Account("alice", "session-a", "EUR", 100_000)
BOB = Account("bob", "session-b", "USD", 50_000)
REWARD = "7d0c0f5e-5bd1-4f0c-9a37-0d6f6c1c7a11"

Reply = dict[str, Any]


def new_id() -> str:
    return str(uuid.uuid4())


class Provider:
    """Sends callbacks over one connection for each thread."""

    def __init__(self, url: str, key: rsa.RSAPrivateKey, certificate: Path | None = None) -> None:
        self.address = url.rpartition("/")[2]
        self._tls = ssl.create_default_context(cafile=certificate) if certificate else None
        self.key = key
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def sign(self, body: bytes) -> str:
        return base64.b64encode(self.key.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()

    def post(self, name: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._new_connection()
            self._connections.append(connection)
        reused = connection.sock is not None
        try:
            connection.request("POST", f"/{name}", body, headers)
            response = connection.getresponse()
            return response.status, response.headers.get("Content-Type", ""), response.read()
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
            # An operator may close a connection that has served; a retry does no harm.
            connection.close()
            if not reused:
                raise
            return self.post(name, body, headers)
        except (OSError, http.client.HTTPException):
            connection.close()
            raise

    def _new_connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self.address, timeout=20)
        return http.client.HTTPSConnection(self.address, timeout=20, context=self._tls)

    def send(self, name: str, body: bytes) -> Reply:
        """Sends signed bytes and expects what every callback gets: 200 and a JSON object with a status."""
        headers = {"Content-Type": "application/json", "X-Marbles-Signature": self.sign(body)}
        status, content_type, answer = self.post(name, body, headers)
        assert status == 200
        assert content_type in ("application/json", "application/json; charset=utf-8")
        reply: Reply = json.loads(answer)
        assert isinstance(reply["status"], str)
        return reply

    def call(self, name: str, **fields: Any) -> Reply:
        request_id = new_id()
        body = json.dumps(
            {
                "requestId": request_id,
                "clientPlayerId": "alice",
                "clientSessionId": "session-a",
                "timestamp": "2026-11-23T09:00:00.000Z",
                **fields,
            }
        )
        reply = self.send(name, body.encode())
        assert reply["requestId"] == fields.get("requestId", request_id)
        return reply

    def balance(self, player: str = "alice") -> int:
        reply = self.call("balance", clientPlayerId=player)
        assert reply["status"] == "SUCCESS"
        return int(reply["balance"])


def a_bet(amount: int = 1_000, **fields: Any) -> dict[str, Any]:
    return {
        "transactionId": new_id(),
        "roundId": new_id(),
        "gameId": "game",
        "amount": amount,
        "currency": "EUR",
        **fields,
    }


def a_win(bet: dict[str, Any], amount: int = 2_000, **fields: Any) -> dict[str, Any]:
    return {
        "transactionId": new_id(),
        "referenceTransactionId": bet["transactionId"],
        "roundId": bet["roundId"],
        "gameId": bet["gameId"],
        "amount": amount,
        "currency": bet["currency"],
        "roundClosed": True,
        **fields,
    }


def a_rollback(bet: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "transactionId": new_id(),
        "referenceTransactionId": bet["transactionId"],
        "roundId": bet["roundId"],
        "gameId": bet["gameId"],
        "roundClosed": True,
        **fields,
    }


def together(count: int, action: Callable[[int], Any]) -> list[Any]:
    """Runs the action at the same time in that many threads."""
    ready = threading.Barrier(count)
    results: list[Any] = [None] * count

    def work(number: int) -> None:
        ready.wait()
        results[number] = action(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
