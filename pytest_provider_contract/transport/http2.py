"""Requests that share one HTTP/2 connection and are released by a single packet.

What the network does to packets can't pull apart what arrives in one, so requests sent like
this overlap however far away the operator is. Everything but each request's last byte is sent
ahead, as over HTTP/1.1; then the last frames of all go into one write.

Until that write nothing has reached the operator as a whole request, so trouble before it is
no finding: the requests are sent over HTTP/1.1 instead.
"""

from __future__ import annotations

import contextlib
import math
import select
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from pytest_provider_contract.transport.connection import READ_SIZE, connect, secure
from pytest_provider_contract.transport.endpoint import Endpoint
from pytest_provider_contract.transport.reply import BODY_LIMIT, Failure, Header, Reply, decoded
from pytest_provider_contract.transport.request import Request, Timed

# Both for the handshake and for all that is sent ahead.
_OPENING_S = 3.0
# For the operator to take in what was sent ahead, so that it waits for the last frames.
_SETTLE_S = 0.003
_HEAD_LIMIT = 1 << 16
_INTERIM_REPLIES = 8
# Frames of one reply's body, and frames that are no part of a reply.
_PIECES = 20_000
_OUTBOX_LIMIT = 1 << 17
# RFC 9113, 4.1, 4.2 and 6.8.
_FRAME_HEAD = 9
_FRAME_LIMIT = 1 << 14
_GOAWAY = 7
# Servers end a connection after so many requests, nginx after 1000; we go before they do.
_STREAMS_PER_CONNECTION = 500
_FORGIVEN = 3
_BAD_BYTES = (h2.exceptions.H2Error, ValueError)


class _BrokenError(Exception):
    """The connection is of no further use."""

    def __init__(self, failure: Failure, detail: str = "") -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail


class _Stream:
    """One request on the connection and the reply as it comes in."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.reply: Reply | None = None
        self.started_s = time.monotonic()
        self.ended_s = 0.0
        self.is_early = False
        self._status: int | None = None
        self._headers: tuple[Header, ...] = ()
        self._body = bytearray()
        self._interim = 0
        self._pieces = 0

    @property
    def deadline_s(self) -> float:
        return self.started_s + self.request.deadline_s

    def take(self, event: h2.events.Event, arrived: float) -> None:
        """Read on; sets `reply` when it is complete or can't become so."""
        if self.reply is not None:
            return
        if isinstance(event, h2.events.InformationalResponseReceived):
            self._interim += 1
            if self._interim > _INTERIM_REPLIES:
                self.fail(Failure.NOT_HTTP, arrived, "interim replies without end")
        elif isinstance(event, h2.events.ResponseReceived):
            self._take_head(event.headers, arrived)
        elif isinstance(event, h2.events.DataReceived):
            self._body += event.data
            self._pieces += 1
            if self._pieces > _PIECES:
                self.fail(Failure.TOO_LARGE, arrived, "or in very many pieces")
            elif len(self._body) > BODY_LIMIT:
                self.fail(Failure.TOO_LARGE, arrived)
        elif isinstance(event, h2.events.StreamEnded):
            self._complete(decoded(self._so_far()), arrived)
        elif isinstance(event, h2.events.StreamReset):
            # By RFC 9113, 8.7, a refused stream was not dealt with.
            is_refused = event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM
            self.broken(Failure.RESET, f"RST_STREAM, code {event.error_code}", arrived, is_idle=is_refused)

    def _take_head(self, headers: Sequence[tuple[bytes, bytes]], arrived: float) -> None:
        status = dict(headers).get(b":status", b"")
        self._headers = tuple((bytes(k), bytes(v)) for k, v in headers if not k.startswith(b":"))
        if len(status) == 3 and status.isdigit():  # noqa: PLR2004 - RFC 9110, 15: three digits
            self._status = int(status)
        else:
            self.fail(Failure.NOT_HTTP, arrived, f"status {status[:20]!r}")

    def broken(self, failure: Failure, detail: str, ended_s: float, *, is_idle: bool = False) -> None:
        """The connection or the stream ended too early."""
        if failure in (Failure.CLOSED, Failure.RESET) and self._status is not None:
            failure = Failure.INCOMPLETE
        self.fail(failure, ended_s, detail)
        if is_idle and self.reply is not None and self.reply.is_silent:
            self.reply = replace(self.reply, idle=True)

    def fail(self, failure: Failure, ended_s: float, detail: str = "") -> None:
        """Give up."""
        self._complete(replace(self._so_far(), failure=failure, detail=detail), ended_s)

    def _so_far(self) -> Reply:
        return Reply(self._status, self._headers, bytes(self._body), version="HTTP/2")

    def _complete(self, reply: Reply, ended_s: float) -> None:
        if self.reply is None:
            self.reply, self.ended_s = reply, ended_s

    def timed(self) -> Timed:
        """The outcome."""
        assert self.reply is not None  # noqa: S101 - all have ended
        return Timed(self.reply, self.started_s, self.ended_s)


class Multiplex:
    """One connection for requests that are sent together, if the operator speaks HTTP/2.

    Opened, and the operator asked, when it is first needed; not thread-safe.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._is_given_up = endpoint.scheme != "https"
        self._forgiven = 0
        self._socket: ssl.SSLSocket | None = None
        self._reset()

    def _reset(self) -> None:
        self._protocol = _protocol()
        self._inbox = bytearray()
        self._outbox = b""
        self._streams: dict[int, _Stream] = {}
        self._opened = 0
        self._rested = False
        self._is_leaving = False
        self._has_settings = False
        self._other_frames = 0

    def close(self) -> None:
        """Close the connection, if any."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._reset()

    def send_together(self, requests: Sequence[Request]) -> list[Timed]:
        """Send requests without faults at the same time, as many at once as the operator allows.

        Returns:
            The outcomes of the first of them, all if nothing came in between. The others were
            not sent: HTTP/1.1 is for them, and from then on for everything.
        """
        landed: list[Timed] = []
        while len(landed) < len(requests) and not self._is_given_up:
            streams = self._prepared(requests[len(landed) :])
            if streams is None:
                self._is_given_up = True
                break
            self._fly(streams)
            self._forgive(streams)
            landed += [stream.timed() for stream in streams]
        return landed

    # -- before the release ---------------------------------------------------------------------

    def _prepared(self, requests: Sequence[Request]) -> list[_Stream] | None:
        """The first requests, sent but for their last byte; None if that can't be done."""
        deadline = time.monotonic() + min(_OPENING_S, *(request.deadline_s for request in requests))
        while True:
            # A connection that has served may have ended meanwhile: that is worth a new one.
            was_new = self._socket is None
            try:
                self._ready(deadline)
                was_new = was_new or not self._rested
                return self._send_ahead(requests, deadline)
            except (_BrokenError, *_BAD_BYTES):
                self.close()
                if was_new:
                    return None

    def _ready(self, deadline: float) -> None:
        if self._socket is not None:
            with contextlib.suppress(_BrokenError, *_BAD_BYTES):
                self._move(0.0, is_patient=True)
                if not self._is_leaving and self._opened < _STREAMS_PER_CONNECTION:
                    return
            self.close()
        self._open(deadline)

    def _open(self, deadline: float) -> None:
        plain = connect(self._endpoint, deadline)
        if isinstance(plain, Reply):
            raise _BrokenError(Failure.UNREACHABLE, plain.detail)
        secured = secure(plain, self._endpoint, deadline, ("h2", "http/1.1"))
        if isinstance(secured, Reply):
            raise _BrokenError(Failure.TLS, secured.detail)
        self._socket = secured
        if secured.selected_alpn_protocol() != "h2":
            raise _BrokenError(Failure.NOT_HTTP, "the operator does not speak HTTP/2")
        secured.setblocking(False)
        self._protocol.initiate_connection()
        while not self._has_settings:
            self._move(deadline)

    def _send_ahead(self, requests: Sequence[Request], deadline: float) -> list[_Stream]:
        limit = self._protocol.remote_settings.max_concurrent_streams
        if limit < min(2, len(requests)):
            raise _BrokenError(Failure.NOT_HTTP, "one request at a time is no race")
        self._streams = {}
        self._other_frames = 0
        for request in requests[:limit]:
            number = self._protocol.get_next_available_stream_id()
            self._streams[number] = _Stream(request)
            self._opened += 1
            self._protocol.send_headers(number, self._head(request))
            self._send_data(number, memoryview(request.body)[:-1], deadline)
        while self._outbox or not self._has_room_for_last_bytes():
            self._move(deadline)
        settled = time.monotonic() + _SETTLE_S
        while time.monotonic() < settled:
            self._move(settled, is_patient=True)
        if self._is_leaving or any(s.reply is not None and s.reply.failure for s in self._streams.values()):
            raise _BrokenError(Failure.RESET, "before the requests were sent")
        return list(self._streams.values())

    def _head(self, request: Request) -> list[Header]:
        return [
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":authority", self._endpoint.authority.encode()),
            (b":path", (self._endpoint.path + request.path).encode()),
            (b"content-length", str(len(request.body)).encode()),
            *((name.lower(), value) for name, value in request.headers),
        ]

    def _send_data(self, number: int, data: memoryview, deadline: float) -> None:
        while data:
            room = self._protocol.local_flow_control_window(number)
            size = min(len(data), room, self._protocol.max_outbound_frame_size)
            if size <= 0 or self._outbox:
                self._move(deadline)
                continue
            self._protocol.send_data(number, bytes(data[:size]))
            data = data[size:]
            self._write()

    def _has_room_for_last_bytes(self) -> bool:
        windows = [self._protocol.local_flow_control_window(number) for number in self._streams]
        return min(windows) >= 1 and self._protocol.outbound_flow_control_window >= len(windows)

    # -- under way --------------------------------------------------------------------------------

    def _fly(self, streams: Sequence[_Stream]) -> None:
        try:
            self._release()
            while waiting := [stream for stream in streams if stream.reply is None]:
                self._move(min(stream.deadline_s for stream in waiting), is_patient=True)
                now = time.monotonic()
                for stream in waiting:
                    if now >= stream.deadline_s:
                        stream.fail(Failure.TIMEOUT, now)
        except _BrokenError as error:
            for stream in streams:
                stream.broken(error.failure, error.detail, time.monotonic(), is_idle=self._rested)
        except _BAD_BYTES as error:
            for stream in streams:
                stream.broken(Failure.NOT_HTTP, str(error), time.monotonic())
        self._rested = True
        if self._is_leaving or any(stream.reply is None or stream.reply.failure for stream in streams):
            self.close()

    def _release(self) -> None:
        for number, stream in self._streams.items():
            if stream.reply is None:
                self._protocol.send_data(number, stream.request.body[-1:], end_stream=True)
            else:
                # Answered before it was sent: half of the stream stays open.
                self._is_leaving = True
        self._outbox += self._protocol.data_to_send()
        now = time.monotonic()
        for stream in self._streams.values():
            # One that was answered too early may have been dealt with since its first byte.
            if not stream.is_early:
                stream.started_s = now
        self._write()

    def _forgive(self, streams: Sequence[_Stream]) -> None:
        """Give up on an operator that goes on refusing streams or closing the connection."""
        if any(stream.reply is not None and stream.reply.idle for stream in streams):
            self._forgiven += 1
            self._is_given_up = self._forgiven >= _FORGIVEN
        if self._is_given_up:
            self.close()

    # -- the socket -------------------------------------------------------------------------------

    def _write(self) -> None:
        """Write as much as the socket takes."""
        assert self._socket is not None  # noqa: S101 - _open() comes first
        self._outbox += self._protocol.data_to_send()
        while self._outbox:
            try:
                self._outbox = self._outbox[self._socket.send(self._outbox) :]
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except OSError as error:
                raise _BrokenError(Failure.RESET, str(error)) from error
        if len(self._outbox) > _OUTBOX_LIMIT:
            raise _BrokenError(Failure.NOT_HTTP, "frames that ask for an answer, and nobody reads it")

    def _move(self, until: float, *, is_patient: bool = False) -> None:
        """Write what is to be written and read what comes next, if anything does in time.

        Raises:
            _BrokenError: The connection ended; or, unless patient, it is too late already.
        """
        assert self._socket is not None  # noqa: S101 - _open() comes first
        self._write()
        wait_s = max(0.0, until - time.monotonic())
        if not wait_s and not is_patient:
            raise _BrokenError(Failure.TIMEOUT)
        if not self._socket.pending():
            poll = select.poll()
            poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._outbox else 0))
            # A poll of 0 ms would turn until the next whole millisecond has come.
            poll.poll(math.ceil(wait_s * 1000))
        try:
            data = self._socket.recv(READ_SIZE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            raise _BrokenError(Failure.RESET, str(error)) from error
        arrived = time.monotonic()
        if not data:
            raise _BrokenError(Failure.CLOSED)
        self._inbox += data
        for frame in self._frames():
            if frame[3] == _GOAWAY:
                self._leave(frame[9:], arrived)
                continue
            for event in self._protocol.receive_data(frame):
                self._take(event, arrived)
        self._write()

    def _frames(self) -> Iterator[bytes]:
        """The complete frames that have come, taken out of the inbox.

        One by one, so that what follows a reply can't spoil it; and h2 must not see a GOAWAY:
        it would refuse the replies that an operator still sends after one.
        """
        while len(self._inbox) >= _FRAME_HEAD:
            size = _FRAME_HEAD + int.from_bytes(self._inbox[:3])
            if size > _FRAME_HEAD + _FRAME_LIMIT:
                raise _BrokenError(Failure.NOT_HTTP, "a frame larger than allowed")
            if len(self._inbox) < size:
                return
            frame = bytes(self._inbox[:size])
            del self._inbox[:size]
            yield frame

    def _take(self, event: h2.events.Event, arrived: float) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self._has_settings = True
        if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
            self._protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self._streams.get(getattr(event, "stream_id", None) or 0)
        if stream is not None and isinstance(event, _OF_A_REPLY):
            stream.is_early = True
            was_open = stream.reply is None
            stream.take(event, arrived)
            if was_open and stream.reply is not None and stream.reply.failure:
                with contextlib.suppress(h2.exceptions.H2Error):
                    self._protocol.reset_stream(event.stream_id, h2.errors.ErrorCodes.CANCEL)
            return
        self._other_frames += 1
        if self._other_frames > _PIECES:
            raise _BrokenError(Failure.NOT_HTTP, "frames without end that are no reply")

    def _leave(self, goaway: bytes, arrived: float) -> None:
        """The operator takes no more requests; what it has begun it may still answer."""
        self._is_leaving = True
        last, code = int.from_bytes(goaway[:4]) & 0x7FFFFFFF, int.from_bytes(goaway[4:8])
        for number, stream in self._streams.items():
            if number > last:
                # By RFC 9113, 6.8, these were not dealt with.
                stream.broken(Failure.CLOSED, f"GOAWAY, code {code}", arrived, is_idle=True)


_OF_A_REPLY = (
    h2.events.InformationalResponseReceived,
    h2.events.ResponseReceived,
    h2.events.DataReceived,
    h2.events.StreamEnded,
    h2.events.StreamReset,
)


def _protocol() -> h2.connection.H2Connection:
    protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
    protocol.local_settings = h2.settings.Settings(
        client=True,
        initial_values={
            h2.settings.SettingCodes.ENABLE_PUSH: 0,
            h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: _HEAD_LIMIT,
        },
    )
    return protocol
