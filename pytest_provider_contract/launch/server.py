"""The stand-in's sockets: HTTP by waitress, in a thread of this process."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from waitress import wasyncore  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser, ParsingError  # type: ignore[import-untyped]
from waitress.server import create_server  # type: ignore[import-untyped]

from pytest_provider_contract.launch.app import LARGEST_BODY, App
from pytest_provider_contract.launch.provider_api import ProviderApi

_THREADS = 8
_CONNECTIONS = 500
_LARGEST_HEADER = 1 << 15
_POLL_S = 1.0
_STOP_S = 30


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as problem:  # a Content-Length of thousands of digits
            raise ParsingError("the header is invalid") from problem


class _Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = _Parser


@contextmanager
def serving(api: ProviderApi, host: str = "127.0.0.1", port: int = 0) -> Iterator[ProviderApi]:
    """Serve a stand-in for the length of a ``with``; its `url` says where.

    Args:
        api: What to serve.
        host: Address to listen on.
        port: Port to listen on, 0 for a free one.

    Raises:
        OSError: The address can't be listened on.
    """
    # A request that waits for a free thread is worth no line in a log.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    sockets: dict[int, object] = {}
    server = create_server(
        App(api),
        map=sockets,
        sockets=[listener],
        threads=_THREADS,
        connection_limit=_CONNECTIONS,
        max_request_body_size=LARGEST_BODY,
        max_request_header_size=_LARGEST_HEADER,
        ident=None,
    )
    server.channel_class = _Channel
    shown_host = f"[{host}]" if ":" in host else host
    api.url = f"http://{shown_host}:{listener.getsockname()[1]}"
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            wasyncore.loop(_POLL_S, use_poll=True, map=sockets, count=1)

    thread = threading.Thread(target=serve, name="provider-api", daemon=True)
    thread.start()
    try:
        yield api
    finally:
        # Nothing is closed before the last thread is done with it: a descriptor that is closed
        # too early may be somebody else's by the time that it is written to.
        ending.set()
        server.pull_trigger()
        thread.join()
        server.task_dispatcher.shutdown(timeout=_STOP_S)
        wasyncore.close_all(sockets, ignore_all=True)
