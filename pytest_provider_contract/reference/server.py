"""The sockets: HTTP by waitress, a thread for each callback that is under way."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import ClassVar

from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser, ParsingError  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]
from waitress.task import ErrorTask  # type: ignore[import-untyped]

from pytest_provider_contract.reference.gateway import CALLBACKS, Gateway

_THREADS = 16
_CONNECTIONS = 900  # with the files that SQLite opens, below the usual limit of 1024
_LARGEST_BODY = 1 << 20
_LARGEST_HEADER = 1 << 18


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Reads a request."""

    def parse_header(self, header_plus: bytes) -> None:
        """Reads the request line and the header fields."""
        try:
            super().parse_header(header_plus)
        except ValueError as problem:  # a Content-Length of thousands of digits
            raise ParsingError("the header is invalid") from problem


class _Unreadable(ErrorTask):  # type: ignore[misc]
    """What waitress would answer with 400, 413 or 501: to the provider that too is a 200."""

    def execute(self) -> None:
        name = _callback_name(getattr(self.request, "first_line", b""))
        if name is None:
            super().execute()
            return
        gateway: Gateway = self.channel.server.application
        response = gateway.unreadable(name)
        self.complete = True
        self.status = response.line
        self.response_headers.extend(response.headers)
        self.content_length = len(response.body)
        self.set_close_on_finish()  # where the next request would begin is anyone's guess
        self.write(response.body)


def _callback_name(request_line: bytes) -> str | None:
    words = request_line.decode("latin-1").split()
    name = words[1].removeprefix("/") if len(words) > 1 else ""
    return name if name in CALLBACKS else None


class Channel(HTTPChannel):  # type: ignore[misc]
    """Serves one connection."""

    parser_class = Parser
    error_task_class = _Unreadable


class Server:
    """Serves a gateway on a socket that listens already.

    Attributes:
        channel_class: What serves one connection.
        gateway_class: The kind of gateway that the server needs.
        scheme: What its URL begins with.
    """

    channel_class: ClassVar[type[Channel]] = Channel
    gateway_class: ClassVar[type[Gateway]] = Gateway
    scheme: ClassVar[str] = "http"

    def __init__(self, gateway: Gateway, listener: socket.socket, certificate: Path | None = None) -> None:
        self._gateway = gateway
        self._listener = listener
        self._certificate = certificate

    def run(self) -> None:
        """Serves for ever."""
        # A callback that waits for a free thread is worth no line in a log.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        server = create_server(
            self._gateway,
            sockets=[self._listener],
            threads=_THREADS,
            connection_limit=_CONNECTIONS,
            max_request_body_size=_LARGEST_BODY,
            max_request_header_size=_LARGEST_HEADER,
            clear_untrusted_proxy_headers=False,
            asyncore_use_poll=True,
            ident=None,
        )
        server.channel_class = self.channel_class
        self._adjust(server.adj)
        server.run()

    def _adjust(self, adjustments: Adjustments) -> None:
        """Where a variant changes waitress' settings."""
