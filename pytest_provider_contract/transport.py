"""The wire: one HTTP/1.1 exchange over one socket, with a deadline for the whole reply.

Sockets and h11 rather than a client library, because the contract is about the bytes: the
deadline covers headers and body together, a reply may be anything, and races and lost
replies need to decide when which byte leaves. Nothing here knows about callbacks.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import h11

Header = tuple[bytes, bytes]

BODY_LIMIT = 1 << 20
_READ = 1 << 16
_INTERIM_REPLIES = 8


class Failure(StrEnum):
    """Why there is no complete reply."""

    REFUSED = "the connection was refused"
    UNREACHABLE = "the host can't be reached"
    TLS = "TLS failed"
    TIMEOUT = "no complete reply before the deadline"
    CLOSED = "the connection was closed without a reply"
    RESET = "the connection was reset"
    INCOMPLETE = "the connection was closed in the middle of the reply"
    NOT_HTTP = "the reply is not HTTP"
    TOO_LARGE = "the reply is larger than 1 MiB"
    ENCODING = "the reply's content encoding can't be undone"
    TRAILING = "bytes follow the end of the reply"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one request, or how far it got.

    Attributes:
        status: HTTP status, or None without a complete head.
        headers: Pairs of lower-case name and value.
        body: The decoded body; cut when `failure` says so.
        failure: Why the reply is not complete, or None.
        detail: More about the failure, in the words of the library that met it.
        idle: True when nothing came back on a connection that had served before: the
            operator closed it while it was idle, which is no fault, and the outcome is unknown.
    """

    status: int | None
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    failure: Failure | None = None
    detail: str = ""
    idle: bool = False

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key == wanted), None)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an operator's callbacks are: scheme, host, port and the path before ``/bet``."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Read a base URL.

        Raises:
            ValueError: It is not http(s), has no host or port, or carries what a base URL can't.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give an absolute URL such as https://wallet.example/provider")
        if parts.username or parts.password:
            raise ValueError("a user name or password in the URL is not supported")
        if parts.query or parts.fragment:
            raise ValueError("a base URL has neither query nor fragment")
        if any(c.isspace() or not c.isprintable() for c in url) or not url.isascii():
            raise ValueError("a URL has no white space and only ASCII characters")
        if parts.port == 0:
            raise ValueError("port 0 is nobody's")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))

    @property
    def url(self) -> str:
        """The base URL again, without a trailing slash."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


class Connection:
    """One connection to an endpoint, opened when needed and kept alive between exchanges.

    Not thread-safe: concurrent callbacks use a connection each.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._socket: socket.socket | None = None
        self._protocol = h11.Connection(h11.CLIENT)

    def close(self) -> None:
        """Close the socket, if any."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

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
        if self._socket is not None and _readable(self._socket):
            # The operator closed it (or sent something unasked) while it was idle.
            self.close()
        reused = self._socket is not None
        if not reused and (problem := self._open(deadline)) is not None:
            return problem
        reply = self._deliver(self._request_bytes(path, headers, body), deadline)
        silent = reply.failure in (Failure.CLOSED, Failure.RESET) and reply.status is None
        if reply.failure is not None or not self._reusable():
            self.close()
        return Reply(None, failure=reply.failure, detail=reply.detail, idle=True) if silent and reused else reply

    def _open(self, deadline: float) -> Reply | None:
        try:
            plain = socket.create_connection((self._endpoint.host, self._endpoint.port), timeout=_remaining(deadline))
        except ConnectionRefusedError:
            return Reply(None, failure=Failure.REFUSED, detail=self._endpoint.authority)
        except (OSError, UnicodeError) as error:
            return Reply(None, failure=Failure.UNREACHABLE, detail=f"{self._endpoint.authority}: {error}")
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = plain
        if self._endpoint.scheme == "https":
            try:
                plain.settimeout(_remaining(deadline))
                self._socket = _tls().wrap_socket(plain, server_hostname=self._endpoint.host)
            except (OSError, ValueError) as error:
                self.close()
                return Reply(None, failure=Failure.TLS, detail=str(error))
        self._protocol = h11.Connection(h11.CLIENT)
        return None

    def _request_bytes(self, path: str, headers: Sequence[Header], body: bytes) -> bytes:
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
        return b"".join(part for part in parts if part)

    def _deliver(self, request: bytes, deadline: float) -> Reply:
        assert self._socket is not None  # noqa: S101 - exchange() has opened it
        reset: str | None = None
        try:
            self._socket.settimeout(_remaining(deadline))
            self._socket.sendall(request)
        except TimeoutError:
            return Reply(None, failure=Failure.TIMEOUT, detail="while sending the request")
        except OSError as error:
            # The operator may have answered and closed before it read everything.
            reset = str(error)
        return self._read(deadline, reset)

    def _read(self, deadline: float, reset: str | None) -> Reply:
        head: h11.Response | None = None
        body = bytearray()
        while True:
            event, problem = self._next_event(deadline, reset, started=head is not None)
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_LIMIT:
                    problem = (Failure.TOO_LARGE, "")
            elif event is not None:
                # EndOfMessage, or the end of something that was no reply.
                if head is not None and not self._protocol.trailing_data[0]:
                    return _decoded(Reply(head.status_code, tuple(head.headers), bytes(body)))
                problem = (Failure.NOT_HTTP if head is None else Failure.TRAILING, "")
            if problem is not None:
                status, headers = (head.status_code, tuple(head.headers)) if head else (None, ())
                return Reply(status, headers, bytes(body), *problem)

    def _next_event(
        self, deadline: float, reset: str | None, *, started: bool
    ) -> tuple[object, tuple[Failure, str] | None]:
        """The next event that tells something of the reply, or the problem that ends it."""
        interim = 0
        while True:
            try:
                event = self._protocol.next_event()
            except h11.RemoteProtocolError as error:
                return None, (Failure.INCOMPLETE if started else Failure.NOT_HTTP, str(error))
            if isinstance(event, h11.InformationalResponse):
                interim += 1
                if interim > _INTERIM_REPLIES:
                    return None, (Failure.NOT_HTTP, "interim replies without end")
            elif event is h11.NEED_DATA:
                if problem := self._receive(deadline, reset, started=started or interim > 0):
                    return None, problem
            else:
                return event, None

    def _receive(self, deadline: float, reset: str | None, *, started: bool) -> tuple[Failure, str] | None:
        assert self._socket is not None  # noqa: S101 - exchange() has opened it
        if time.monotonic() >= deadline:
            return Failure.TIMEOUT, ""
        started = started or bool(self._protocol.trailing_data[0])
        try:
            self._socket.settimeout(_remaining(deadline))
            data = self._socket.recv(_READ)
        except TimeoutError:
            return Failure.TIMEOUT, ""
        except OSError as error:
            return Failure.INCOMPLETE if started else Failure.RESET, str(error)
        if not data and not started:
            return (Failure.RESET, reset) if reset else (Failure.CLOSED, "")
        self._protocol.receive_data(data)
        return None

    def _reusable(self) -> bool:
        if self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE:
            self._protocol.start_next_cycle()
            return True
        return False


def _remaining(deadline: float) -> float:
    # A timeout of 0 would mean non-blocking.
    return max(deadline - time.monotonic(), 0.001)


def _readable(sock: socket.socket) -> bool:
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


_context: ssl.SSLContext | None = None


def _tls() -> ssl.SSLContext:
    # Loading the system's authorities takes tens of milliseconds: once is enough.
    global _context  # noqa: PLW0603
    if _context is None:
        _context = ssl.create_default_context()
        _context.set_alpn_protocols(["http/1.1"])
    return _context


def _decoded(reply: Reply) -> Reply:
    coding = (reply.header("content-encoding") or "identity").strip().lower()
    if coding == "identity":
        return reply
    if coding not in ("gzip", "x-gzip", "deflate"):
        return Reply(reply.status, reply.headers, reply.body, Failure.ENCODING, coding[:40])
    try:
        decoder = zlib.decompressobj(wbits=47)  # 47: gzip or zlib, told apart by the header
        body = decoder.decompress(reply.body, BODY_LIMIT)
    except zlib.error as error:
        return Reply(reply.status, reply.headers, reply.body, Failure.ENCODING, str(error))
    if decoder.unconsumed_tail:
        return Reply(reply.status, reply.headers, body, Failure.TOO_LARGE)
    if not decoder.eof or decoder.unused_data:
        detail = "bytes follow the compressed body" if decoder.eof else "the compressed body ends too early"
        return Reply(reply.status, reply.headers, body, Failure.ENCODING, detail)
    return Reply(reply.status, reply.headers, body)
