"""Operators that answer with whatever a broken or hostile system might send."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import time
from collections.abc import Callable
from typing import Any

from raw_servers import Behaviour, read_request, reset, silent

Respond = Callable[[dict[str, Any]], bytes]


def http_reply(body: bytes, *headers: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    """A reply with Content-Type application/json unless a header says otherwise."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % (len(body) if length is None else length), *headers]
    if not any(line.lower().startswith(b"content-type:") for line in headers):
        lines.append(b"Content-Type: application/json")
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def honest(asked: dict[str, Any], **more: Any) -> bytes:
    """The JSON of a success; the balance never moves."""
    echo = {"requestId": asked.get("requestId"), "clientPlayerId": asked.get("clientPlayerId")}
    return json.dumps({"status": "SUCCESS", **echo, "currency": "EUR", "balance": 100_000, **more}).encode()


def spliced(asked: dict[str, Any], extra: bytes) -> bytes:
    """A success with some raw JSON put in as its first field."""
    return b"{" + extra + b"," + honest(asked)[1:]


def answering(respond: Respond) -> Behaviour:
    """Answer every request on a connection with the bytes that a function makes of its fields."""

    def behave(sock: socket.socket, number: int) -> None:
        while raw := read_request(sock):
            try:
                asked = json.loads(raw.partition(b"\r\n\r\n")[2])
            except ValueError:
                asked = {}
            sock.sendall(respond(asked if isinstance(asked, dict) else {}))

    return behave


def raw(data: bytes) -> Behaviour:
    """Send the same bytes after each request, and close."""

    def behave(sock: socket.socket, number: int) -> None:
        read_request(sock)
        sock.sendall(data)

    return behave


def body(make: Callable[[dict[str, Any]], bytes], *headers: bytes) -> Behaviour:
    """Answer with HTTP 200 and a body made of the request's fields."""
    return answering(lambda asked: http_reply(make(asked), *headers))


def dripping(sock: socket.socket, number: int) -> None:
    """Send a good reply, one byte a second."""
    while raw_request := read_request(sock):
        asked = json.loads(raw_request.partition(b"\r\n\r\n")[2])
        for byte in http_reply(honest(asked)):
            sock.sendall(bytes([byte]))
            time.sleep(1)


def trickling_body(sock: socket.socket, number: int) -> None:
    """Send the head at once and the body for ever."""
    read_request(sock)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n")
    for _ in range(400):
        sock.sendall(b" ")
        time.sleep(0.5)


def redirecting(location: str, status: bytes = b"307 Temporary Redirect") -> Behaviour:
    """Send every request elsewhere."""
    return answering(lambda _: http_reply(b"", b"Location: " + location.encode(), status=status))


class Proxy:
    """Passes callbacks on to a good operator, except where it misbehaves.

    Args:
        url: The good operator.
        misbehaves: Gets the connection, its number and the path; True when it dealt with the
            request in its own way, after which the connection is closed.
        form: How replies are framed.
        closes: Whether each connection serves one callback only.
    """

    def __init__(
        self,
        url: str,
        misbehaves: Callable[[socket.socket, int, str], bool],
        *,
        form: str = "HTTP/1.1",
        closes: bool = False,
    ) -> None:
        self._host = url.removeprefix("http://")
        self._misbehaves = misbehaves
        self._form = form
        self._closes = closes or form != "HTTP/1.1"

    def __call__(self, sock: socket.socket, number: int) -> None:
        with contextlib.closing(http.client.HTTPConnection(self._host, timeout=30)) as upstream:
            while request := read_request(sock):
                head, _, content = request.partition(b"\r\n\r\n")
                first, *lines = head.decode("latin-1").split("\r\n")
                path = first.split(" ")[1]
                if self._misbehaves(sock, number, path):
                    return
                upstream.request("POST", path, content, dict(line.split(": ", 1) for line in lines))
                sock.sendall(self._framed(upstream.getresponse().read()))
                if self._closes:
                    return

    def _framed(self, body: bytes) -> bytes:
        json_type = b"Content-Type: application/json\r\n"
        match self._form:
            case "HTTP/1.0":
                return b"HTTP/1.0 200 OK\r\n" + json_type + b"\r\n" + body
            case "HTTP/1.1 to the end of the connection":
                return b"HTTP/1.1 200 OK\r\n" + json_type + b"Connection: close\r\n\r\n" + body
            case "chunked and closing":
                chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
                coding = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                return b"HTTP/1.1 200 OK\r\n" + json_type + coding + chunks
            case _:
                return http_reply(body, *([b"Connection: close"] if self._closes else []))


def every_third_is_reset(sock: socket.socket, number: int, path: str) -> bool:
    """Reset every third connection, and let the others serve a few callbacks."""
    if number % 3 == 2:
        reset(sock)
        return True
    return False


def hangs_on(name: str) -> Callable[[socket.socket, int, str], bool]:
    """Never answer one kind of callback."""

    def misbehaves(sock: socket.socket, number: int, path: str) -> bool:
        if path == f"/{name}":
            silent(sock, number)
            return True
        return False

    return misbehaves


def trickles_on(name: str) -> Callable[[socket.socket, int, str], bool]:
    """Send the head of one kind's reply at once and its body, a good one, far too slowly."""

    def misbehaves(sock: socket.socket, number: int, path: str) -> bool:
        if path != f"/{name}":
            return False
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 300\r\n\r\n{")
        with contextlib.suppress(OSError):
            for _ in range(298):
                sock.sendall(b" ")
                time.sleep(0.1)
        return True

    return misbehaves


BOMB = gzip.compress(bytes(300_000_000))
LATIN = "é".encode("latin-1")
