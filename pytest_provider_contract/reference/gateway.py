"""From the bytes of a request to the bytes of the answer.

The provider retries whatever is not HTTP 200, for ever if need be. So there is one way out:
200 and a JSON object with a status, whatever came in and whatever went wrong.
"""

# ruff: noqa: ARG002 - each step is handed all that a variant of it may want to know

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pytest_provider_contract.reference.messages import (
    UNKNOWN,
    Callback,
    MalformedError,
    Reader,
    Reply,
    decode,
    echo,
)

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from pytest_provider_contract.reference.signature import Verifier
    from pytest_provider_contract.reference.wallet import Wallet

CALLBACKS = frozenset({"balance", "bet", "win", "rollback"})

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request for one of the four callbacks.

    Attributes:
        name: The callback's name.
        body: The bytes, as they came.
        headers: By lower-case name.
    """

    name: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response.

    Attributes:
        status: The HTTP status.
        headers: Names and values.
        body: The bytes.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def line(self) -> str:
        """The HTTP status with its phrase."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"


class Gateway:
    """Verifies, reads, carries out, answers. It is a WSGI application."""

    def __init__(self, wallet: Wallet, verifier: Verifier | None, reader: Reader) -> None:
        self._wallet = wallet
        self._verifier = verifier
        self._reader = reader

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serves one HTTP request."""
        response = self.serve(
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")},
            environ["wsgi.input"].read(),
        )
        start_response(response.line, response.headers)
        return [response.body]

    def serve(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Serves one HTTP request, whatever the server software."""
        name = path.removeprefix("/")
        if name not in CALLBACKS:
            return _plain(HTTPStatus.NOT_FOUND)
        if method != "POST":
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "POST"))
        return self.respond(Request(name, body, headers))

    def respond(self, request: Request) -> Response:
        """Answers one callback."""
        try:
            reply = self._answer(request)
        except Exception:
            _logger.exception("/%s failed", request.name)
            reply = self._failed(request)
        return self._response(request, reply)

    def unreadable(self, name: str) -> Response:
        """The answer to a request for a callback that is not even HTTP."""
        return self.respond(Request(name, b"", {}))

    # -- from the request to the reply ----------------------------------------------------------

    def _answer(self, request: Request) -> Reply:
        if not self._is_authentic(request):
            return self._unauthentic(request)
        try:
            callback = self._read(request)
        except MalformedError:
            return self._malformed(request)
        return self._wallet.answer(callback)

    def _is_authentic(self, request: Request) -> bool:
        return self._verifier is None or self._verifier.accepts(request.body, self._signature(request))

    def _signature(self, request: Request) -> str | None:
        return request.headers.get("x-marbles-signature")

    def _read(self, request: Request) -> Callback:
        return self._reader.read(request.name, decode(request.body))

    def _unauthentic(self, request: Request) -> Reply:
        """Without a balance: whoever it is that asks has no right to it."""
        return Reply(UNKNOWN, *_echo(request))

    def _malformed(self, request: Request) -> Reply:
        return self._wallet.refuse(*_echo(request))

    def _failed(self, request: Request) -> Reply:
        """An accident of our own. The transaction was rolled back, so an error is the truth."""
        return Reply(UNKNOWN, *_echo(request))

    # -- from the reply to the response ---------------------------------------------------------

    def _response(self, request: Request, reply: Reply) -> Response:
        body = self._encode(self._document(request, reply))
        headers = [("Content-Type", self._content_type()), ("Content-Length", str(len(body)))]
        return Response(self._status(request, reply), headers, body)

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        return reply.document()

    def _encode(self, document: dict[str, Any]) -> bytes:
        return json.dumps(document).encode()

    def _content_type(self) -> str:
        return "application/json"

    def _status(self, request: Request, reply: Reply) -> int:
        """The HTTP status; what became of the callback stands in the body."""
        return HTTPStatus.OK


def _echo(request: Request) -> tuple[str, str]:
    try:
        return echo(decode(request.body))
    except MalformedError:
        return "", ""


def _plain(status: HTTPStatus, *headers: tuple[str, str]) -> Response:
    """For what is none of the four callbacks: a JSON object too, but an honest HTTP status."""
    body = json.dumps({"error": status.phrase}).encode()
    return Response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers], body)
