"""Servers that answer whatever bytes a test wants."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator

Behaviour = Callable[[socket.socket, int], None]
"""Gets a connection and its number, starting with 0; the server closes it afterwards."""

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def read_request(sock: socket.socket) -> bytes:
    """One request, or b'' when the client has closed before its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(4096)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    length = next(int(value) for name, _, value in lines if name.lower() == b"content-length")
    while len(body) < length:
        more = sock.recv(4096)
        if not more:
            return b""
        body += more
    return head + b"\r\n\r\n" + body


def answers(*replies: bytes) -> Behaviour:
    """Read a request and send some bytes, as often as there are replies, then close."""

    def behave(sock: socket.socket, number: int) -> None:
        for reply in replies:
            if not read_request(sock):
                return
            sock.sendall(reply)

    return behave


def answers_in_two_writes(sock: socket.socket, number: int) -> None:
    """Send head and body apart: by Nagle's algorithm, the body leaves when the head is confirmed."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    while read_request(sock):
        sock.sendall(OK[:-2])
        sock.sendall(OK[-2:])


def silent(sock: socket.socket, number: int) -> None:
    while sock.recv(4096):
        pass


def endless(first: bytes, again: bytes, pause_s: float = 0.0) -> Behaviour:
    def behave(sock: socket.socket, number: int) -> None:
        read_request(sock)
        sock.sendall(first)
        while True:
            sock.sendall(again)
            time.sleep(pause_s)

    return behave


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@contextlib.contextmanager
def serving(behave: Behaviour, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on a free port until the block ends."""
    threads: list[threading.Thread] = []
    open_sockets: list[socket.socket] = []

    def handle(sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), sock:
            if context is None:
                behave(sock, number)
            else:
                with context.wrap_socket(sock, server_side=True) as secure:
                    behave(secure, number)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                open_sockets.append(sock)
                threads.append(threading.Thread(target=handle, args=(sock, len(threads))))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(5)
            for sock in open_sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(5)
                assert not thread.is_alive()
