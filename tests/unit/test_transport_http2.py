"""Requests sent together over one HTTP/2 connection, to conforming and to hostile servers over real TLS."""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import resource
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest
import trustme
from raw_servers import Behaviour, answers, read_request, serving

from pytest_provider_contract.transport import BODY_LIMIT, Endpoint, Failure, Fault, Pool, Request, Timed, overlap
from pytest_provider_contract.transport.connection import _tls

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh1"
GOAWAY, PING, CONTINUATION, SETTINGS = 7, 6, 9, 4


@pytest.fixture(scope="module")
def server_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ssl.SSLContext]]:
    """Makes contexts of servers that this machine trusts."""
    authority = trustme.CA()
    known = tmp_path_factory.mktemp("tls") / "authority.pem"
    authority.cert_pem.write_to_path(str(known))
    certificate = authority.issue_cert("localhost")

    def make(*protocols: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(known))
        _tls.cache_clear()
        yield make
    _tls.cache_clear()


Pooled = Callable[..., contextlib.AbstractContextManager[Pool]]


@pytest.fixture
def pooled(server_tls: Callable[..., ssl.SSLContext]) -> Pooled:
    @contextlib.contextmanager
    def make(behave: Behaviour, *protocols: str) -> Iterator[Pool]:
        with serving(behave, server_tls(*(protocols or ("h2", "http/1.1")))) as port:
            pool = Pool(Endpoint.parse(f"https://localhost:{port}/wallet"))
            try:
                yield pool
            finally:
                pool.close()

    return make


def request(body: bytes = b'{"a": 1}', fault: Fault | None = None, deadline_s: float = 2.0) -> Request:
    return Request("/bet", ((b"X-Test", b"1"),), body, deadline_s, fault)


def bodies(timed: list[Timed]) -> list[bytes]:
    return [t.reply.body for t in timed]


def failures(timed: list[Timed]) -> list[Failure | None]:
    return [t.reply.failure for t in timed]


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def hang_up(sock: socket.socket) -> NoReturn:
    sock.close()
    raise ConnectionAbortedError


class Server:
    """A server of HTTP/2 that calls `reply` for complete requests, in groups of `group` of them.

    On a connection without HTTP/2 it answers `h1` as a body, always.
    """

    group = 4
    limit = 100
    window = 65_535

    def __init__(self) -> None:
        self.connections: list[str | None] = []
        self.heads: list[dict[bytes, bytes]] = []
        self.chunks: list[list[h2.events.Event]] = []

    def __call__(self, sock: socket.socket, number: int) -> None:
        assert isinstance(sock, ssl.SSLSocket)
        self.connections.append(sock.selected_alpn_protocol())
        if sock.selected_alpn_protocol() != "h2":
            while read_request(sock):
                sock.sendall(OK)
            return
        wire = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None, validate_outbound_headers=False)
        )
        wire.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.limit,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: self.window,
            },
        )
        wire.initiate_connection()
        sock.sendall(wire.data_to_send())
        self.opened(sock, wire)
        got: dict[int, bytes] = {}
        complete: list[int] = []
        while data := sock.recv(65_536):
            events = wire.receive_data(data)
            self.chunks.append(events)
            for event in events:
                if isinstance(event, h2.events.RequestReceived):
                    self.heads.append(dict(event.headers))
                    got[event.stream_id] = b""
                elif isinstance(event, h2.events.DataReceived):
                    got[event.stream_id] += event.data
                    wire.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    complete.append(event.stream_id)
                elif isinstance(event, h2.events.WindowUpdated):
                    self.more(sock, wire)
            if len(complete) >= self.group:
                self.reply(sock, wire, {n: got.pop(n) for n in complete})
                complete = []
            sock.sendall(wire.data_to_send())

    def opened(self, sock: socket.socket, wire: h2.connection.H2Connection) -> None:
        pass

    def more(self, sock: socket.socket, wire: h2.connection.H2Connection) -> None:
        pass

    def reply(self, sock: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
        """Echo, in the opposite order."""
        for number in reversed(got):
            self.send(wire, number, got[number])

    def send(self, wire: h2.connection.H2Connection, number: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
        wire.send_headers(number, [(b":status", b"200"), (b"content-type", b"application/json"), *more])
        wire.send_data(number, body, end_stream=True)


class TestTogether:
    def test_one_connection_and_the_final_frames_in_one_write(self, pooled: Pooled) -> None:
        server = Server()
        sent = [b"%d00" % n for n in range(4)]
        with pooled(server) as pool:
            for _ in range(3):
                timed = pool.send_together([request(body) for body in sent])
                assert bodies(timed) == sent
                assert [t.reply.header("content-type") for t in timed] == ["application/json"] * 4
                assert overlap((t.started_s, t.ended_s) for t in timed).reached == 4
                assert all(t.started_s < t.ended_s for t in timed)
        assert server.connections == ["h2"]
        assert server.heads[0] == {
            b":method": b"POST",
            b":scheme": b"https",
            b":authority": server.heads[0][b":authority"],
            b":path": b"/wallet/bet",
            b"content-length": b"3",
            b"x-test": b"1",
        }
        with_ends = [chunk for chunk in server.chunks if any(isinstance(e, h2.events.StreamEnded) for e in chunk)]
        last = [[e.data for e in chunk if isinstance(e, h2.events.DataReceived)] for chunk in with_ends]
        assert last == [[b"0"] * 4] * 3

    def test_single_callbacks_and_faults_stay_on_http_1(self, pooled: Pooled) -> None:
        server = Server()
        with pooled(server) as pool:
            assert pool.exchange(request()).reply.body == b"h1"
            assert bodies(pool.send_together([request()] * 4)) == [b'{"a": 1}'] * 4
            assert bodies(pool.send_together([request(), request(fault=Fault.TWICE)])) == [b"h1"] * 2
            assert bodies(pool.send_together([request()])) == [b"h1"]
        assert sorted(map(str, server.connections)) == ["h2", *["http/1.1"] * 3]

    @pytest.mark.parametrize("protocols", [("http/1.1",), ()], ids=["http/1.1", "no-alpn"])
    def test_one_that_does_not_speak_it_is_asked_once(self, pooled: Pooled, protocols: tuple[str, ...]) -> None:
        server = Server()
        with pooled(server, *(protocols or ("other",))) as pool:
            for _ in range(3):
                assert bodies(pool.send_together([request()] * 3)) == [b"h1"] * 3
        assert len(server.connections) == 4

    def test_fewer_streams_than_requests_make_waves(self, pooled: Pooled) -> None:
        class Narrow(Server):
            limit = group = 2

        with pooled(server := Narrow()) as pool:
            timed = pool.send_together([request(b"%d" % n) for n in range(6)])
        assert bodies(timed) == [b"%d" % n for n in range(6)]
        assert overlap((t.started_s, t.ended_s) for t in timed).reached == 2
        assert server.connections == ["h2"]

    @pytest.mark.parametrize(("limit", "window"), [(0, 65_535), (1, 65_535), (100, 0)])
    def test_one_that_lets_nothing_through_is_asked_over_http_1(self, pooled: Pooled, limit: int, window: int) -> None:
        server = Server()
        server.limit, server.window = limit, window
        with pooled(server) as pool:
            assert bodies(pool.send_together([request(deadline_s=0.5)] * 3)) == [b"h1"] * 3
        assert server.connections == ["h2", *["http/1.1"] * 3]

    def test_flow_control_both_ways(self, pooled: Pooled) -> None:
        class Tight(Server):
            window = 700

            def __init__(self) -> None:
                super().__init__()
                self.left: dict[int, bytes] = {}

            def reply(self, sock: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
                for number in got:
                    wire.send_headers(number, [(b":status", b"200")])
                self.left = dict(got)
                self.more(sock, wire)

            def more(self, sock: socket.socket, wire: h2.connection.H2Connection) -> None:
                for number, body in list(self.left.items()):
                    while body and (room := min(wire.local_flow_control_window(number), 16_384)):
                        wire.send_data(number, body[:room], end_stream=len(body) <= room)
                        body = body[room:]  # noqa: PLW2901
                    self.left[number] = body
                    if not body:
                        del self.left[number]

        sent = [os.urandom(300_000 + n) for n in range(4)]
        with pooled(server := Tight()) as pool:
            assert bodies(pool.send_together([request(body, deadline_s=10.0) for body in sent])) == sent
        assert server.connections == ["h2"]

    def test_an_encoded_reply(self, pooled: Pooled) -> None:
        class Gzip(Server):
            def reply(self, sock: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
                for number in got:
                    self.send(wire, number, gzip.compress(b"{}"), (b"content-encoding", b"gzip"))

        with pooled(Gzip()) as pool:
            assert bodies(pool.send_together([request()] * 4)) == [b"{}"] * 4

    def test_one_that_says_goodbye_and_still_answers(self, pooled: Pooled) -> None:
        class Polite(Server):
            def reply(self, sock: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
                sock.sendall(frame(GOAWAY, payload=struct.pack(">II", max(got), 0)))
                super().reply(sock, wire, got)

        with pooled(server := Polite()) as pool:
            for _ in range(3):
                timed = pool.send_together([request()] * 4)
                assert [t.reply.status for t in timed] == [200] * 4
        assert server.connections == ["h2"] * 3

    def test_one_that_closes_while_idle(self, pooled: Pooled) -> None:
        class Brief(Server):
            def reply(self, sock: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
                super().reply(sock, wire, got)
                sock.sendall(wire.data_to_send())
                hang_up(sock)

        with pooled(server := Brief()) as pool:
            for _ in range(3):
                assert failures(pool.send_together([request()] * 4)) == [None] * 4
                time.sleep(0.05)
        assert server.connections == ["h2"] * 3

    def test_a_stream_that_was_not_dealt_with_has_an_unknown_outcome(self, pooled: Pooled) -> None:
        class Refusing(Server):
            def reply(self, sock: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
                last = max(got)
                wire.reset_stream(last, h2.errors.ErrorCodes.REFUSED_STREAM)
                super().reply(sock, wire, {n: body for n, body in got.items() if n != last})

        with pooled(server := Refusing()) as pool:
            rounds = [pool.send_together([request()] * 4) for _ in range(4)]
        assert [[t.reply.idle for t in timed] for timed in rounds] == [*[[False, False, False, True]] * 3, [False] * 4]
        # One that goes on like that is not asked this way any more.
        assert server.connections.count("h2") == 3
        assert bodies(rounds[3]) == [b"h1"] * 4


Play = Callable[[Server, socket.socket, h2.connection.H2Connection, dict[int, bytes]], None]


def resets(_s: Server, _k: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
    for number in got:
        wire.reset_stream(number, h2.errors.ErrorCodes.INTERNAL_ERROR)


def resets_in_the_middle(
    _s: Server, _k: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]
) -> None:
    for number in got:
        wire.send_headers(number, [(b":status", b"200")])
        wire.reset_stream(number, h2.errors.ErrorCodes.INTERNAL_ERROR)


def closes(_s: Server, sock: socket.socket, _w: h2.connection.H2Connection, _g: dict[int, bytes]) -> None:
    hang_up(sock)


def goes_away(_s: Server, sock: socket.socket, _w: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
    sock.sendall(frame(GOAWAY, payload=struct.pack(">II", max(got), 2)))
    hang_up(sock)


def never(_s: Server, _k: socket.socket, _w: h2.connection.H2Connection, _g: dict[int, bytes]) -> None:
    pass


def flood(*frames: bytes) -> Play:
    def play(_s: Server, sock: socket.socket, _w: h2.connection.H2Connection, _g: dict[int, bytes]) -> None:
        sock.settimeout(5)
        while True:
            sock.sendall(b"".join(frames) * 100)

    return play


def continues(_s: Server, sock: socket.socket, _w: h2.connection.H2Connection, _g: dict[int, bytes]) -> None:
    sock.sendall(frame(1, 0, 1, b"\x00\x01a\x01b"))
    while True:
        sock.sendall(frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b" * 200))


def pushes(_s: Server, sock: socket.socket, _w: h2.connection.H2Connection, _g: dict[int, bytes]) -> None:
    sock.sendall(frame(5, 4, 1, (2).to_bytes(4) + b"\x82\x84\x87"))


def answers_no_http(_s: Server, sock: socket.socket, _w: h2.connection.H2Connection, _g: dict[int, bytes]) -> None:
    sock.sendall(OK * 10)


def bad_status(_s: Server, _k: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
    for number in got:
        wire.send_headers(number, [(b":status", b"abc")])
        wire.send_data(number, b"{}", end_stream=True)


def no_status(_s: Server, sock: socket.socket, _w: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
    sock.sendall(frame(1, 5, min(got), b"\x00\x01a\x01b"))


def interim(_s: Server, _k: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
    for number in got:
        for _ in range(20):
            wire.send_headers(number, [(b":status", b"103")])


def bomb(server: Server, _k: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
    for number in got:
        server.send(wire, number, gzip.compress(bytes(BODY_LIMIT * 2)), (b"content-encoding", b"gzip"))


def endless_body(_s: Server, sock: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
    for number in got:
        wire.send_headers(number, [(b":status", b"200")])
    sock.sendall(wire.data_to_send())
    while True:
        # It does not care for windows.
        sock.sendall(b"".join(frame(0, 0, number, bytes(1000)) for number in got))


def short_body(_s: Server, _k: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
    for number in got:
        wire.send_headers(number, [(b":status", b"200"), (b"content-length", b"7")])
        wire.send_data(number, b"{}", end_stream=True)


def drips(_s: Server, sock: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
    for number in got:
        wire.send_headers(number, [(b":status", b"200")])
    while True:
        for number in got:
            wire.send_data(number, b" ")
        sock.sendall(wire.data_to_send())
        time.sleep(0.1)


PING_FRAME = frame(PING, payload=bytes(8))


@pytest.mark.parametrize(
    ("play", "expected"),
    [
        (resets, {Failure.RESET}),
        (resets_in_the_middle, {Failure.INCOMPLETE}),
        (closes, {Failure.CLOSED, Failure.RESET}),
        (goes_away, {Failure.CLOSED, Failure.RESET}),
        (never, {Failure.TIMEOUT}),
        (drips, {Failure.TIMEOUT}),
        (flood(PING_FRAME), {Failure.NOT_HTTP, Failure.TIMEOUT}),
        (flood(frame(SETTINGS)), {Failure.NOT_HTTP, Failure.TIMEOUT}),
        (flood(frame(SETTINGS, payload=b"\x00\x01\x00\x00\xff\xff")), {Failure.NOT_HTTP, Failure.TIMEOUT}),
        (flood(frame(99, payload=bytes(16))), {Failure.NOT_HTTP, Failure.TIMEOUT}),
        (flood(frame(GOAWAY, payload=b"\x7f\xff\xff\xff" + bytes(4))), {Failure.NOT_HTTP, Failure.TIMEOUT}),
        (flood(frame(0, 0, 1)), {Failure.NOT_HTTP}),
        (continues, {Failure.NOT_HTTP}),
        (pushes, {Failure.NOT_HTTP}),
        (answers_no_http, {Failure.NOT_HTTP}),
        (bad_status, {Failure.NOT_HTTP}),
        (no_status, {Failure.NOT_HTTP}),
        (interim, {Failure.NOT_HTTP}),
        (bomb, {Failure.TOO_LARGE}),
        (endless_body, {Failure.TOO_LARGE, Failure.NOT_HTTP}),
        (short_body, {Failure.NOT_HTTP}),
    ],
    ids=[
        *[
            "resets",
            "resets-in-the-middle",
            "closes",
            "goes-away",
            "never",
            "drips",
            "pings",
            "settings",
            "table-sizes",
        ],
        *["unknown-frames", "goaways", "empty-data", "continues", "pushes", "no-http", "bad-status", "no-status"],
        *["interim", "bomb", "endless-body", "short-body"],
    ],
)
def test_a_hostile_server_fails_in_time_and_in_bounded_memory(
    pooled: Pooled, play: Play, expected: set[Failure]
) -> None:
    class Hostile(Server):
        def reply(self, sock: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
            play(self, sock, wire, got)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pooled(Hostile()) as pool:
        # What is refused for what it is must not be saved by the deadline, however busy the machine.
        deadline_s = 1.0 if Failure.TIMEOUT in expected else 20.0
        started_s = time.monotonic()
        timed = pool.send_together([request(deadline_s=deadline_s)] * 4)
        assert time.monotonic() - started_s < deadline_s + 4
    assert set(failures(timed)) <= expected, [(t.reply.failure, t.reply.detail) for t in timed]
    assert not any(t.reply.idle for t in timed)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


@pytest.mark.parametrize(
    "greeting",
    [frame(GOAWAY, payload=bytes(8)), b"HTTP/1.1 400 Bad Request\r\n\r\n", frame(CONTINUATION, 0, 1), PING_FRAME[:-1]],
    ids=["goaway", "http/1.1", "continuation", "half-a-frame"],
)
def test_trouble_before_the_release_is_no_finding(pooled: Pooled, greeting: bytes) -> None:
    class Troubled(Server):
        def opened(self, sock: socket.socket, wire: h2.connection.H2Connection) -> None:
            sock.sendall(greeting)
            hang_up(sock)

    with pooled(server := Troubled()) as pool:
        for _ in range(2):
            assert bodies(pool.send_together([request()] * 3)) == [b"h1"] * 3
    assert server.connections == ["h2", *["http/1.1"] * 3]


def test_whatever_bytes_come_nothing_is_raised(pooled: Pooled) -> None:
    drawn = random.Random(1)

    def noise() -> bytes:
        size = drawn.randrange(40)
        return frame(
            drawn.randrange(12), drawn.randrange(256), drawn.choice([0, 1, 2, 3, 5, 99]), drawn.randbytes(size)
        )

    class Noisy(Server):
        def reply(self, sock: socket.socket, wire: h2.connection.H2Connection, got: dict[int, bytes]) -> None:
            sock.sendall(b"".join(noise() for _ in range(20)))
            hang_up(sock)

    for _ in range(60):
        with pooled(Noisy()) as pool:
            timed = pool.send_together([request(deadline_s=0.5)] * 4)
            assert [t.reply.failure is None and t.reply.status is None for t in timed] == [False] * 4


def test_https_over_http_1_sends_together_on_new_connections(pooled: Pooled) -> None:
    # What TLS 1.3 sends after the handshake is no reply and no end.
    server = Server()
    with pooled(server, "http/1.1") as pool:
        timed = pool.send_together([request()] * 4)
    assert failures(timed) == [None] * 4
    assert server.connections == ["http/1.1"] * 5


def test_plain_http_never_tries_it() -> None:
    with serving(answers(OK)) as port:
        pool = Pool(Endpoint.parse(f"http://127.0.0.1:{port}"))
        assert bodies(pool.send_together([request()] * 3)) == [b"h1"] * 3
        pool.close()
