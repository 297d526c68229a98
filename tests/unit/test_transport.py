"""The wire, against a server that answers whatever bytes a test wants."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from raw_servers import OK, Behaviour, answers, answers_in_two_writes, endless, read_request, reset, serving, silent

from pytest_provider_contract.reference.certificate import have_certificate
from pytest_provider_contract.transport import BODY_LIMIT, Connection, Endpoint, Failure, Reply
from pytest_provider_contract.transport.connection import _tls

DEADLINE = 0.4
# These servers never end a reply: that one ends at all shows the deadline, however busy the machine is.
PATIENCE = 10


@contextlib.contextmanager
def connected(
    behave: Behaviour, scheme: str = "http", context: ssl.SSLContext | None = None, ca: Path | None = None
) -> Iterator[Connection]:
    with serving(behave, context) as port:
        connection = Connection(Endpoint.parse(f"{scheme}://127.0.0.1:{port}/api", ca))
        try:
            yield connection
        finally:
            connection.close()


def ask(connection: Connection, deadline_s: float = DEADLINE) -> Reply:
    return connection.exchange("/bet", [(b"X-Test", b"1")], b'{"a": 1}', deadline_s)


def reply_to(raw: bytes, deadline_s: float = DEADLINE) -> Reply:
    with connected(answers(raw)) as connection:
        return ask(connection, deadline_s)


def body_with(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), lines, body)


class TestOrdinary:
    def test_a_reply_is_read_whole_and_the_request_is_exact(self) -> None:
        seen: list[bytes] = []

        def behave(sock: socket.socket, number: int) -> None:
            seen.append(read_request(sock))
            sock.sendall(OK)

        with connected(behave) as connection:
            reply = ask(connection)
        assert (reply.status, reply.body, reply.failure) == (200, b"{}", None)
        assert reply.header("CONTENT-type") == "application/json"
        assert reply.header("x-missing") is None
        head, _, body = seen[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /api/bet HTTP/1.1\r\nHost: 127.0.0.1:")
        assert b"X-Test: 1" in head
        assert body == b'{"a": 1}'

    def test_one_connection_serves_many_callbacks(self) -> None:
        numbers: list[int] = []

        def behave(sock: socket.socket, number: int) -> None:
            while read_request(sock):
                numbers.append(number)
                sock.sendall(OK)

        with connected(behave) as connection:
            assert all(ask(connection).body == b"{}" for _ in range(5))
        assert numbers == [0] * 5

    @pytest.mark.parametrize(
        "raw",
        [
            b"HTTP/1.0 200 OK\r\n\r\n{}",
            b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nTrailer: 1\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK,
            b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
            body_with(gzip.compress(b"{}"), b"Content-Encoding: gzip"),
            body_with(gzip.compress(b"{}"), b"Content-Encoding:  X-GZip "),
            body_with(zlib.compress(b"{}"), b"Content-Encoding: deflate"),
            body_with(b"{}", b"Content-Encoding: identity"),
        ],
        ids=itertools.count(),
    )
    def test_every_ordinary_kind_of_reply_is_read(self, raw: bytes) -> None:
        reply = reply_to(raw)
        assert (reply.status, reply.body, reply.failure, reply.idle) == (200, b"{}", None, False)

    @pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="of Linux only")
    def test_a_body_sent_when_its_head_is_confirmed_does_not_wait_for_our_system(self) -> None:
        with connected(answers_in_two_writes) as connection:
            took_ms = []
            for _ in range(30):
                started = time.monotonic()
                assert ask(connection, PATIENCE).body == b"{}"
                took_ms.append((time.monotonic() - started) * 1000)
        # The first replies on a connection never wait; a delayed confirmation takes 40 ms or more.
        assert min(took_ms[20:]) < 30

    @pytest.mark.parametrize("version", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"])
    def test_a_connection_that_the_reply_closes_is_not_used_again(self, version: bytes) -> None:
        with connected(answers(version + b"Content-Length: 2\r\n\r\n{}")) as connection:
            replies = [ask(connection) for _ in range(3)]
        assert [(r.status, r.failure, r.idle) for r in replies] == [(200, None, False)] * 3

    def test_a_redirect_is_a_reply_like_any_other(self) -> None:
        reply = reply_to(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
        assert (reply.status, reply.header("location"), reply.failure) == (302, "http://127.0.0.1:1/", None)


class TestDeadline:
    @pytest.mark.parametrize(
        "behave",
        [
            pytest.param(silent, id="never answers"),
            pytest.param(endless(b"", b"H", 0.05), id="drips a head that is none"),
            pytest.param(endless(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05), id="drips the head"),
            pytest.param(endless(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b"x", 0.05), id="drips the body"),
            pytest.param(
                endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05),
                id="drips chunks",
            ),
            pytest.param(endless(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"", 0.05), id="stops in the body"),
            pytest.param(endless(b"HTTP/1.0 200 OK\r\n\r\n{}", b"", 0.05), id="never ends a body of no length"),
        ],
    )
    def test_it_covers_the_whole_reply(self, behave: Behaviour) -> None:
        with connected(behave) as connection:
            started = time.monotonic()
            reply = ask(connection)
            took = time.monotonic() - started
        assert reply.failure in (Failure.TIMEOUT, Failure.NOT_HTTP)
        assert took < PATIENCE
        if reply.failure is Failure.TIMEOUT:
            assert took >= DEADLINE
        assert not reply.idle

    def test_it_covers_sending_too(self) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stop.wait(2 * PATIENCE)

        stop = threading.Event()
        with connected(behave) as connection:
            started = time.monotonic()
            reply = connection.exchange("/bet", [], b"x" * 50_000_000, DEADLINE)
            took = time.monotonic() - started
            stop.set()
        assert reply.failure is Failure.TIMEOUT
        assert took < PATIENCE

    def test_after_a_timeout_a_fresh_connection_is_used(self) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            (silent if number == 0 else answers(OK))(sock, number)

        with connected(behave) as connection:
            assert ask(connection).failure is Failure.TIMEOUT
            assert ask(connection).body == b"{}"


class TestBroken:
    @pytest.mark.parametrize(
        ("raw", "failure", "status"),
        [
            (b"", Failure.CLOSED, None),
            (b"220 mail.example ESMTP\r\n", Failure.NOT_HTTP, None),
            (b"\x15\x03\x01\x00\x02\x02\x46", Failure.NOT_HTTP, None),
            (b"{}", Failure.NOT_HTTP, None),
            (b"HTTP/1.1 200 OK\r\n", Failure.NOT_HTTP, None),
            (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Failure.NOT_HTTP, None),
            (b"HTTP/1.1 99999 OK\r\n\r\n", Failure.NOT_HTTP, None),
            (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Failure.NOT_HTTP, None),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", Failure.NOT_HTTP, None),
            (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", Failure.NOT_HTTP, None),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", Failure.INCOMPLETE, 200),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", Failure.INCOMPLETE, 200),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n", Failure.INCOMPLETE, 200),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}", Failure.TRAILING, 200),
            (OK + OK, Failure.TRAILING, 200),
            (b"HTTP/1.1 204 No Content\r\n\r\n{}", Failure.TRAILING, 204),
            (body_with(b"{}", b"Content-Encoding: br"), Failure.ENCODING, 200),
            (body_with(b"{}", b"Content-Encoding: gzip"), Failure.ENCODING, 200),
            (body_with(gzip.compress(b"{}")[:-6], b"Content-Encoding: gzip"), Failure.ENCODING, 200),
            (body_with(gzip.compress(b"{}") + b"more", b"Content-Encoding: gzip"), Failure.ENCODING, 200),
            (body_with(b"", b"Content-Encoding: gzip"), Failure.ENCODING, 200),
            (body_with(b"{}", b"Content-Encoding: gzip, br"), Failure.ENCODING, 200),
            (body_with(gzip.compress(bytes(300_000_000)), b"Content-Encoding: gzip"), Failure.TOO_LARGE, 200),
            (body_with(gzip.compress(bytes(BODY_LIMIT + 1)), b"Content-Encoding: gzip"), Failure.TOO_LARGE, 200),
        ],
        ids=itertools.count(),
    )
    def test_a_reply_that_is_none_names_its_failure(self, raw: bytes, failure: Failure, status: int | None) -> None:
        tracemalloc.start()
        try:
            reply = reply_to(raw, 2.0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (reply.failure, reply.status, reply.idle) == (failure, status, False)
        assert peak < 12 << 20

    def test_a_body_of_exactly_the_limit_is_read(self) -> None:
        assert len(reply_to(body_with(bytes(BODY_LIMIT)), 2.0).body) == BODY_LIMIT
        reply = reply_to(body_with(gzip.compress(bytes(BODY_LIMIT)), b"Content-Encoding: gzip"), 2.0)
        assert (len(reply.body), reply.failure) == (BODY_LIMIT, None)

    @pytest.mark.parametrize(
        ("behave", "failure"),
        [
            (endless(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n", bytes(1 << 16)), Failure.TOO_LARGE),
            (endless(b"HTTP/1.1 200 OK\r\n\r\n", bytes(1 << 16)), Failure.TOO_LARGE),
            (endless(b"HTTP/1.1 200 OK\r\n", b"X-More: x\r\n" * 500), Failure.NOT_HTTP),
            (endless(b"HTTP/1.1 200 OK\r\nX-More: ", b"x" * 5000), Failure.NOT_HTTP),
            (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), Failure.NOT_HTTP),
            (
                endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;", b"x" * 5000),
                Failure.INCOMPLETE,
            ),
        ],
    )
    def test_a_reply_without_end_ends_early_and_costs_little_memory(self, behave: Behaviour, failure: Failure) -> None:
        tracemalloc.start()
        try:
            with connected(behave) as connection:
                reply = ask(connection, 10.0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert reply.failure is failure
        assert len(reply.body) <= BODY_LIMIT + (1 << 17)
        assert peak < 16 << 20

    def test_a_reset_is_told_from_a_close(self) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            read_request(sock)
            reset(sock)

        with connected(behave) as connection:
            reply = ask(connection)
        assert (reply.failure, reply.status, reply.idle) == (Failure.RESET, None, False)

    def test_a_reset_in_the_middle_of_a_body_keeps_the_status(self) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            read_request(sock)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
            time.sleep(0.1)
            reset(sock)

        with connected(behave) as connection:
            reply = ask(connection)
        assert (reply.failure, reply.status) == (Failure.INCOMPLETE, 200)

    def test_an_early_answer_to_a_body_never_read_is_still_an_answer(self) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            sock.recv(100)
            sock.sendall(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            sock.shutdown(socket.SHUT_WR)
            time.sleep(0.2)

        with connected(behave) as connection:
            reply = connection.exchange("/bet", [], b"x" * 20_000_000, 2.0)
        assert reply.status == 413 or reply.failure is Failure.RESET

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        reply = ask(Connection(Endpoint.parse(f"http://127.0.0.1:{port}")))
        assert (reply.failure, reply.detail) == (Failure.REFUSED, f"127.0.0.1:{port}")

    @pytest.mark.parametrize("host", ["wallet.invalid", "0.0.0.0.0", "a" * 70 + ".example", "x..example"])
    def test_a_host_that_is_none(self, host: str) -> None:
        reply = ask(Connection(Endpoint.parse(f"http://{host}/")), 5.0)
        assert reply.failure is Failure.UNREACHABLE
        assert host in reply.detail


class TestIdle:
    def test_a_connection_closed_while_idle_is_opened_again_unnoticed(self) -> None:
        with connected(answers(OK)) as connection:
            assert ask(connection).body == b"{}"
            time.sleep(0.1)
            assert ask(connection).body == b"{}"

    @pytest.mark.parametrize("end", [socket.socket.close, reset])
    def test_one_closed_as_the_next_callback_comes_is_no_fault(self, end: Callable[[socket.socket], None]) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            read_request(sock)
            sock.sendall(OK)
            read_request(sock)
            if number == 0:
                end(sock)
            else:
                sock.sendall(OK)

        with connected(behave) as connection:
            replies = [ask(connection) for _ in range(3)]
        assert [(r.status, r.idle) for r in replies] == [(200, False), (None, True), (200, False)]
        assert replies[1].failure in (Failure.CLOSED, Failure.RESET)

    def test_a_first_callback_without_reply_is_never_idle(self) -> None:
        with connected(answers(b"")) as connection:
            assert [ask(connection).idle for _ in range(3)] == [False] * 3

    @pytest.mark.parametrize("part", [b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nX: 1"])
    @pytest.mark.parametrize("end", [socket.socket.close, reset])
    def test_half_a_head_is_no_idle_connection(self, part: bytes, end: Callable[[socket.socket], None]) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            read_request(sock)
            sock.sendall(OK)
            read_request(sock)
            sock.sendall(part)
            time.sleep(0.1)
            end(sock)

        with connected(behave) as connection:
            assert ask(connection).status == 200
            reply = ask(connection)
        assert not reply.idle
        assert reply.failure in (Failure.NOT_HTTP, Failure.RESET, Failure.INCOMPLETE)

    def test_bytes_nobody_asked_for_are_not_taken_for_the_next_reply(self) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            read_request(sock)
            sock.sendall(OK)
            time.sleep(0.05)
            if number == 0:
                with contextlib.suppress(OSError):
                    sock.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
                    silent(sock, number)

        with connected(behave) as connection:
            assert ask(connection).status == 200
            time.sleep(0.2)
            assert ask(connection).status == 200


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    have_certificate(file, "127.0.0.1")
    return file


class TestTls:
    def context(self, file: Path) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def test_a_certificate_nobody_vouches_for_is_refused(self, self_signed: Path) -> None:
        with connected(answers(OK), "https", self.context(self_signed)) as connection:
            reply = ask(connection, 2.0)
        assert reply.failure is Failure.TLS
        assert "CERTIFICATE_VERIFY_FAILED" in reply.detail

    def test_certificates_that_are_named_are_trusted_and_no_others(self, self_signed: Path, tmp_path: Path) -> None:
        have_certificate(tmp_path / "other.pem", "127.0.0.1")
        with connected(answers(OK), "https", self.context(self_signed), tmp_path / "other.pem") as connection:
            assert ask(connection, 2.0).failure is Failure.TLS
        assert _tls(tmp_path / "other.pem", ()).cert_store_stats()["x509"] == 1

    def test_a_certificate_that_is_trusted_is_used_and_the_connection_kept(self, self_signed: Path) -> None:
        numbers: list[int] = []

        def behave(sock: socket.socket, number: int) -> None:
            while read_request(sock):
                numbers.append(number)
                sock.sendall(OK)

        with connected(behave, "https", self.context(self_signed), self_signed) as connection:
            assert [ask(connection, 2.0).body for _ in range(3)] == [b"{}"] * 3
        assert len(numbers) == 3

    def test_a_server_without_tls_is_told(self) -> None:
        with connected(endless(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", 0.05), "https") as connection:
            started = time.monotonic()
            reply = ask(connection)
        assert reply.failure is Failure.TLS
        assert time.monotonic() - started < DEADLINE + 1

    def test_a_handshake_that_stalls_meets_the_deadline(self) -> None:
        with connected(silent, "https") as connection:
            started = time.monotonic()
            reply = ask(connection)
            took = time.monotonic() - started
        assert reply.failure is Failure.TLS
        assert DEADLINE <= took < DEADLINE + 0.3


class TestEndpoint:
    @pytest.mark.parametrize(
        ("url", "again", "authority"),
        [
            ("http://wallet.example", "http://wallet.example", "wallet.example"),
            ("https://wallet.example:443/a/b/", "https://wallet.example/a/b", "wallet.example"),
            ("http://wallet.example:8080/", "http://wallet.example:8080", "wallet.example:8080"),
            ("http://[::1]:9/x", "http://[::1]:9/x", "[::1]:9"),
        ],
    )
    def test_a_base_url_is_read(self, url: str, again: str, authority: str) -> None:
        endpoint = Endpoint.parse(url)
        assert (endpoint.url, endpoint.authority) == (again, authority)
        assert endpoint.is_loopback == ("::1" in url)

    @pytest.mark.parametrize(
        "url",
        [
            "wallet.example",
            "ftp://wallet.example",
            "http://",
            "http:///bet",
            "http://u:p@wallet.example",
            "http://wallet.example?x=1",
            "http://wallet.example/#x",
            "http://wallet.example/a b",
            "http://wällét.example",
            "http://wallet.example:99999",
            "http://wallet.example:port",
            "http://wallet.example/\n",
            "http://[::1",
            "",
        ],
    )
    def test_anything_else_is_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match=r".+"):
            Endpoint.parse(url)

    def test_port_0_is_nobodys(self) -> None:
        with pytest.raises(ValueError, match="port"):
            Endpoint.parse("http://wallet.example:0")
