"""One HTTP/1.1 connection, with a deadline for the whole reply."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import h11

from pytest_provider_contract.transport.endpoint import Endpoint
from pytest_provider_contract.transport.reading import ReplyReader
from pytest_provider_contract.transport.reply import Failure, Header, Reply

READ_SIZE = 1 << 16
_HEAD_LIMIT = 1 << 16
# Of Linux only.
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class Connection:
    """One connection to an endpoint, opened when needed and kept alive between exchanges.

    Not thread-safe: concurrent callbacks use a connection each.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._socket: socket.socket | None = None
        self._protocol = _protocol()
        self._rested = False

    @property
    def is_open(self) -> bool:
        """Whether there is a socket."""
        return self._socket is not None

    def is_alive(self) -> bool:
        """Whether it is open, and was not closed (or sent something unasked) while it was idle."""
        return self._socket is not None and not is_readable(self._socket)

    @property
    def socket(self) -> socket.socket:
        """The open socket."""
        assert self._socket is not None  # noqa: S101 - ready() comes first
        return self._socket

    def close(self) -> None:
        """Close the socket, if any."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def warm(self, deadline_s: float) -> Reply | None:
        """Open the connection ahead of time; the failure to do so, or None."""
        problem = self.ready(time.monotonic() + deadline_s)
        self._rested = True
        return problem

    def exchange(self, path: str, headers: Sequence[Header], body: bytes, deadline_s: float) -> Reply:
        """POST a body and read the whole reply.

        Args:
            path: Appended to the endpoint's path.
            headers: Further headers; Host and Content-Length are added.
            body: The exact body bytes.
            deadline_s: Seconds from now until the last byte of the reply must have come,
                connecting included.
        """
        deadline = time.monotonic() + deadline_s
        if (problem := self.ready(deadline)) is not None:
            return problem
        request, reader = self.begin(path, headers, body)
        return self.finish(self._deliver(request, reader, deadline))

    def ready(self, deadline: float) -> Reply | None:
        """Have an open socket, a new one if the old was closed while idle; the failure, or None."""
        if not self.is_alive():
            self.close()
        return self._open(deadline) if self._socket is None else None

    def begin(self, path: str, headers: Sequence[Header], body: bytes) -> tuple[bytes, ReplyReader]:
        """The bytes of a request, and what will read its reply."""
        request = h11.Request(
            method="POST",
            target=(self._endpoint.path + path).encode(),
            headers=[
                (b"Host", self._endpoint.authority.encode()),
                (b"Content-Length", str(len(body)).encode()),
                *headers,
            ],
        )
        parts = (self._protocol.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage()))
        return b"".join(part for part in parts if part), ReplyReader(self._protocol)

    def finish(self, reply: Reply) -> Reply:
        """Keep or close the socket after an exchange; the reply as it is to be judged."""
        idle = reply.is_silent and self._rested
        if reply.failure is not None or not self._reusable():
            self.close()
        self._rested = True
        return replace(reply, idle=True) if idle else reply

    def _open(self, deadline: float) -> Reply | None:
        self._rested = False
        opened = connect(self._endpoint, deadline)
        if not isinstance(opened, Reply) and self._endpoint.scheme == "https":
            opened = secure(opened, self._endpoint, deadline, ("http/1.1",))
        if isinstance(opened, Reply):
            return opened
        self._socket = opened
        self._protocol = _protocol()
        return None

    def _deliver(self, request: bytes, reader: ReplyReader, deadline: float) -> Reply:
        sock = self.socket
        reset: str | None = None
        try:
            sock.settimeout(remaining(deadline))
            sock.sendall(request)
        except TimeoutError:
            return reader.late("while sending the request")
        except OSError as error:
            # The operator may have answered and closed before it read everything.
            reset = str(error)
        acknowledge_at_once(sock)
        while True:
            if time.monotonic() >= deadline:
                return reader.late()
            try:
                sock.settimeout(remaining(deadline))
                data = sock.recv(READ_SIZE)
            except TimeoutError:
                return reader.late()
            except OSError as error:
                return reader.broken(str(error))
            reply = reader.broken(reset) if reset and not data and not reader.begun else reader.receive(data)
            if reply is not None:
                return reply

    def _reusable(self) -> bool:
        if self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE:
            self._protocol.start_next_cycle()
            return True
        return False


def _protocol() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)


def remaining(deadline: float) -> float:
    """Seconds until a deadline, for a socket's timeout."""
    # A timeout of 0 would mean non-blocking.
    return max(deadline - time.monotonic(), 0.001)


def acknowledge_at_once(sock: socket.socket) -> None:
    """Have our system confirm what comes next without its usual delay.

    A server that writes head and body of a reply apart, as the one of the JDK does, sends the body
    only when the head is confirmed (Nagle's algorithm): without this, 40 ms later, which would be
    held against the operator and take the time of most tests. The option lasts until the next send.
    """
    if _QUICKACK is not None:
        # On a connection that is broken already, reading tells why.
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


def is_readable(sock: socket.socket) -> bool:
    """Whether bytes or the end of the connection wait to be read."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def connect(endpoint: Endpoint, deadline: float) -> socket.socket | Reply:
    """A new connection to an endpoint, without TLS; or the failure to open one."""
    try:
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout=remaining(deadline))
    except ConnectionRefusedError:
        return Reply(None, failure=Failure.REFUSED, detail=endpoint.authority)
    except (OSError, UnicodeError) as error:
        return Reply(None, failure=Failure.UNREACHABLE, detail=f"{endpoint.authority}: {error}")
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plain


def secure(
    plain: socket.socket, endpoint: Endpoint, deadline: float, protocols: tuple[str, ...]
) -> ssl.SSLSocket | Reply:
    """TLS on a new connection, offering protocols (ALPN); or the failure, with the connection closed."""
    try:
        plain.settimeout(remaining(deadline))
        return _tls(endpoint.ca, protocols).wrap_socket(plain, server_hostname=endpoint.host)
    except (OSError, ValueError) as error:
        plain.close()
        return Reply(None, failure=Failure.TLS, detail=str(error))


@cache
def _tls(ca: Path | None, protocols: tuple[str, ...]) -> ssl.SSLContext:
    # Loading the system's authorities takes tens of milliseconds: once is enough.
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(protocols)
    return context
