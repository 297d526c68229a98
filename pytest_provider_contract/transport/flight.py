"""Requests under way at the same time, each on a connection of its own, in one thread.

Last-byte synchronisation: everything but a request's last byte is sent ahead, so that what
the network and the operator's server need to take a request in is behind them when the last
bytes leave back to back. No thread of ours reads replies, so the recorded intervals are as
narrow as one loop can make them.
"""

from __future__ import annotations

import fcntl
import math
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable, Sequence

from pytest_provider_contract.transport.connection import (
    READ_SIZE,
    Connection,
    acknowledge_at_once,
    is_readable,
    remaining,
)
from pytest_provider_contract.transport.reading import ReplyReader
from pytest_provider_contract.transport.reply import Failure, Reply
from pytest_provider_contract.transport.request import Fault, Request, Timed

# A slow writer or reader takes about this long.
_SLOW_S = 1.0
_SLOW_PIECES = 20
_SLOW_READ_SIZE = 16
_STARVED_S = 0.25
_FLUSH_TRIES = 100
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Flight:
    """One delivery of a request: prepared, released, and read until its reply is there.

    Args:
        connection: Used by nothing else meanwhile.
        request: What to send.

    Attributes:
        problem: Why it can't be released, or None.
        reply: The reply, once it is complete or given up.
        started_s: Monotonic seconds just before the last byte left.
        ended_s: Monotonic seconds when the reply was complete or given up.
    """

    def __init__(self, connection: Connection, request: Request) -> None:
        self.connection = connection
        self.request = request
        self.problem: Reply | None = None
        self.reply: Reply | None = None
        self.started_s = self.ended_s = 0.0
        self._pieces: list[bytes] = []
        self._next_piece_s = 0.0
        self._next_read_s = 0.0
        self._slow_until_s = 0.0
        self._early = False
        self._broken: str | None = None
        self._is_blocked = False
        self._reader: ReplyReader
        self._socket: socket.socket

    # -- before the release ---------------------------------------------------------------------

    def prepare(self, opening_s: float) -> None:
        """Open the connection if need be and send all that is not held back.

        Args:
            opening_s: Seconds that this may take.
        """
        request = self.request
        self.started_s = time.monotonic()
        deadline = self.started_s + opening_s
        self.problem = self.connection.ready(deadline)
        self.ended_s = time.monotonic()
        if self.problem is not None:
            return
        self._socket = self.connection.socket
        data, self._reader = self.connection.begin(request.path, request.headers, request.body)
        ahead = self._ahead(data)
        try:
            self._socket.settimeout(remaining(deadline))
            self.started_s = time.monotonic()
            self._socket.sendall(ahead)
            self._socket.setblocking(False)
        except TimeoutError:
            self.problem = self._reader.late("while sending the request")
        except OSError as error:
            self.problem = Reply(None, failure=Failure.CLOSED, detail=f"before the request was sent: {error}")
        if self.problem is not None:
            self.ended_s = time.monotonic()
            self.connection.close()

    def _ahead(self, data: bytes) -> bytes:
        """What is sent before the release; the rest is kept in pieces."""
        size = len(data)
        if self.request.fault is Fault.CUT:
            held = size - len(self.request.body) + len(self.request.body) // 2 - 1
            self._pieces = [data[held : held + 1]]
        elif self.request.fault is Fault.SLOW_WRITE:
            held = 0
            step = -(-size // _SLOW_PIECES)
            self._pieces = [data[at : at + step] for at in range(0, size, step)]
        else:
            held = size - 1
            self._pieces = [data[held:]]
        return data[:held]

    @property
    def fileno(self) -> int:
        """The socket's number, for polling."""
        return self._socket.fileno()

    def is_alive(self) -> bool:
        """Whether the prepared connection still takes the last byte.

        An operator that answers before it has the whole request is listened to.
        """
        if self.problem is not None or self.reply is not None or not is_readable(self._socket):
            return True
        data = self._read()
        if data is None:
            # TLS had something to say to itself, such as the tickets of a new session.
            return True
        if not data and not self._reader.begun:
            self.connection.close()
            self.problem = Reply(None, failure=Failure.CLOSED, detail="before the request was sent")
            return False
        self._early = True
        self._take(data, time.monotonic())
        return True

    # -- under way --------------------------------------------------------------------------------

    def release(self) -> None:
        """Send the last byte, or the first piece of a slow request."""
        if self.reply is None:
            self._write()

    def expect(self) -> None:
        """Have the reply come without delays of our own system, once everything was released."""
        if self.reply is None:
            acknowledge_at_once(self._socket)

    def _write(self) -> None:
        piece = self._pieces.pop(0)
        if not self._early:
            self.started_s = time.monotonic()
        rest = b""
        try:
            rest = piece[self._socket.send(piece) :]
        except _NOT_NOW:
            rest = piece
        except OSError as error:
            # The operator may have answered and closed before it read everything.
            self._broken = str(error)
            self._pieces.clear()
        self._is_blocked = bool(rest)
        if rest:
            self._pieces.insert(0, rest)
        self._next_piece_s = self.started_s + _SLOW_S / _SLOW_PIECES
        if self.request.fault is Fault.SLOW_READ:
            self._slow_until_s = self.started_s + _SLOW_S

    @property
    def _deadline_s(self) -> float:
        return self.started_s + self.request.deadline_s

    @property
    def next_s(self) -> float:
        """Monotonic seconds when `tick` has something to do again, or reading goes on."""
        if self._pieces and not self._is_blocked:
            return self._next_piece_s
        if self._hides_reply and not self._pieces:
            return 0.0
        return min(self._next_read_s, self._deadline_s) if self._slow_until_s else self._deadline_s

    @property
    def _hides_reply(self) -> bool:
        return self.request.fault is not None and self.request.fault.hides_reply

    def events(self) -> int:
        """What to poll the socket for."""
        return (select.POLLOUT if self._is_blocked else 0) | (0 if self._slow_until_s else select.POLLIN)

    def tick(self, now: float) -> None:
        """Do what is due by itself: write on, cut off what is to be cut off, give up."""
        if self._pieces and not self._is_blocked and now >= self._next_piece_s:
            self._write()
        if self._slow_until_s and now >= self._next_read_s:
            self._read_slowly(now)
        if self._hides_reply and not self._pieces:
            self._cut_off()
        elif self.reply is None and now >= self._deadline_s:
            self._complete(self._reader.late(), now)

    def move(self, events: int) -> None:
        """Write or read on, as far as the socket allows."""
        if events & select.POLLOUT and self._is_blocked:
            self._write()
        if events & ~select.POLLOUT:
            self._read_on()

    def _read_on(self) -> None:
        data = self._read()
        while data is not None:
            self._take(data, time.monotonic())
            # What TLS holds back no poll tells of.
            more = self.reply is None and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
            data = self._read() if more else None

    def _read_slowly(self, now: float) -> None:
        self._next_read_s = now + _SLOW_S / _SLOW_PIECES
        data = self._read(_SLOW_READ_SIZE)
        if data is not None:
            self._take(data, time.monotonic())
        if self.reply is None and now >= self._slow_until_s:
            self._slow_until_s = 0.0
            self._read_on()

    def _read(self, size: int = READ_SIZE) -> bytes | None:
        """What has come; b"" at the end of the connection, None if nothing has."""
        try:
            return self._socket.recv(size)
        except _NOT_NOW:
            return None
        except OSError as error:
            self._broken = self._broken or str(error)
            return b""

    def _take(self, data: bytes, arrived: float) -> None:
        broken = self._broken is not None and not data
        reply = self._reader.broken(self._broken or "") if broken else self._reader.receive(data)
        if reply is not None:
            self._complete(reply, arrived)

    def _complete(self, reply: Reply, ended_s: float) -> None:
        self.ended_s = ended_s
        self.reply = self.connection.finish(reply)
        if self._pieces:
            # The rest of the request must not be missing from the next one.
            self.connection.close()

    def _cut_off(self) -> None:
        fault = self.request.fault
        if fault is Fault.RESET:
            _flush(self._socket)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.ended_s = time.monotonic()
        self.reply = Reply(None, failure=Failure.CUT if fault is Fault.CUT else Failure.ABANDONED)

    def timed(self) -> Timed:
        """The outcome."""
        if self.problem is not None:
            return Timed(self.problem, self.started_s, self.ended_s)
        assert self.reply is not None  # noqa: S101 - fly() has ended
        return Timed(self.reply, self.started_s, self.ended_s)


def fly(flights: Sequence[Flight], starved: Callable[[], None], landed: Callable[[Flight], None]) -> None:
    """Release prepared flights together and read until each has its reply.

    Args:
        flights: Prepared and alive.
        starved: Called when nothing has come for a while.
        landed: Called with each flight as it ends.
    """
    for flight in flights:
        flight.release()
    for flight in flights:
        flight.expect()
    under_way = list(flights)
    progress_s = time.monotonic()
    while under_way:
        now = time.monotonic()
        for flight in under_way:
            if flight.reply is None:
                flight.tick(now)
        ended = [flight for flight in under_way if flight.reply is not None]
        if ended:
            progress_s = now
            under_way = [flight for flight in under_way if flight.reply is None]
            for flight in ended:
                landed(flight)
            continue
        if now - progress_s >= _STARVED_S:
            progress_s = now
            starved()
        for flight, events in _polled(under_way, now, progress_s + _STARVED_S):
            progress_s = now
            flight.move(events)


def _polled(flights: Sequence[Flight], now: float, until: float) -> list[tuple[Flight, int]]:
    poll = select.poll()
    by_number = {}
    for flight in flights:
        if events := flight.events():
            number = flight.fileno
            by_number[number] = flight
            poll.register(number, events)
    wait_s = min(until, *(flight.next_s for flight in flights)) - now
    # A poll of 0 ms would turn until the next whole millisecond has come.
    found = poll.poll(max(0, math.ceil(wait_s * 1000)))
    return [(by_number[number], events) for number, events in found]


def _flush(sock: socket.socket) -> None:
    """Wait until the peer's system has all that was sent: a reset throws away what it has not."""
    for _ in range(_FLUSH_TRIES):
        if not struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]:
            return
        time.sleep(0.001)
