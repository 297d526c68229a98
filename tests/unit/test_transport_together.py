"""Requests sent at the same time, and what the network does to them, over real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from raw_servers import OK, Behaviour, answers, answers_in_two_writes, read_request, reset, serving, silent

from pytest_provider_contract.transport import Endpoint, Failure, Fault, Overlap, Pool, Request, Timed, overlap

DEADLINE = 2.0


@contextlib.contextmanager
def pooled(behave: Behaviour) -> Iterator[Pool]:
    with serving(behave) as port:
        pool = Pool(Endpoint.parse(f"http://127.0.0.1:{port}"))
        try:
            yield pool
        finally:
            pool.close()


def request(body: bytes = b'{"a": 1}', fault: Fault | None = None, deadline_s: float = DEADLINE) -> Request:
    return Request("/bet", ((b"X-Test", b"1"),), body, deadline_s, fault)


def reached(timed: list[Timed]) -> int:
    return overlap((t.started_s, t.ended_s) for t in timed).reached


def body_of(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[2]


def echo(sock: socket.socket, number: int) -> None:
    while raw := read_request(sock):
        body = body_of(raw)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


class Arrivals:
    """Notes when the first byte of each connection's request came, and its last."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.everyone = threading.Barrier(5, timeout=2)

    def meet(self, sock: socket.socket, number: int) -> None:
        """Answer only when five requests are complete."""
        while raw := read_request(sock):
            self.requests.append(raw)
            self.everyone.wait()
            sock.sendall(OK)


class TestTogether:
    def test_replies_come_in_the_order_of_the_requests(self) -> None:
        with pooled(echo) as pool:
            for _ in range(3):
                timed = pool.send_together([request(b"%d" % n) for n in range(10)])
                assert [t.reply.body for t in timed] == [b"%d" % n for n in range(10)]

    def test_all_are_under_way_before_one_is_answered(self) -> None:
        with pooled(Arrivals().meet) as pool:
            for _ in range(2):
                timed = pool.send_together([request() for _ in range(5)])
                assert [t.reply.status for t in timed] == [200] * 5
                assert reached(timed) == 5

    def test_nothing_but_the_last_byte_is_left_at_the_release(self) -> None:
        complete: list[float] = []
        parts: list[int] = []

        def behave(sock: socket.socket, number: int) -> None:
            sizes, data = [], b""
            while not data.endswith(b'{"a": 1}'):
                more = sock.recv(4096)
                sizes.append(len(more))
                data += more
            complete.append(time.monotonic())
            parts.append(sizes[-1])
            sock.sendall(OK)

        with pooled(behave) as pool:
            timed = pool.send_together([request() for _ in range(4)])
        assert parts == [1] * 4
        assert min(complete) >= min(t.started_s for t in timed)
        assert all(t.started_s < t.ended_s for t in timed)

    def test_connections_stay_warm(self) -> None:
        numbers: set[int] = set()

        def behave(sock: socket.socket, number: int) -> None:
            while read_request(sock):
                numbers.add(number)
                sock.sendall(OK)

        with pooled(behave) as pool:
            for _ in range(5):
                pool.send_together([request() for _ in range(3)])
                pool.exchange(request())
        assert numbers == {0, 1, 2}

    def test_one_that_closes_after_each_reply_gives_no_false_alarm(self) -> None:
        with pooled(answers(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")) as pool:
            for _ in range(5):
                assert [t.reply.body for t in pool.send_together([request() for _ in range(4)])] == [b"{}"] * 4

    def test_one_that_closes_without_saying_so_gives_no_false_alarm(self) -> None:
        with pooled(answers(OK)) as pool:
            for _ in range(5):
                replies = [t.reply for t in pool.send_together([request() for _ in range(4)])]
                # A close that crosses the request on the way is an idle one: its outcome is unknown.
                assert all(r.body == b"{}" or r.idle for r in replies)

    @pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="of Linux only")
    def test_bodies_sent_when_their_heads_are_confirmed_do_not_wait_for_our_system(self) -> None:
        with pooled(answers_in_two_writes) as pool:
            took_ms = []
            for _ in range(30):
                timed = pool.send_together([request()] * 2)
                assert [t.reply.body for t in timed] == [b"{}"] * 2
                took_ms.append(max(t.ended_s - t.started_s for t in timed) * 1000)
        assert min(took_ms[20:]) < 30

    def test_connections_closed_while_idle_are_opened_again(self) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            read_request(sock)
            sock.sendall(OK)
            if number >= 4:
                echo(sock, number)

        with pooled(behave) as pool:
            pool.send_together([request() for _ in range(4)])
            time.sleep(0.1)
            replies = [t.reply for t in pool.send_together([request() for _ in range(4)])]
        assert [(r.body, r.failure, r.idle) for r in replies] == [(b"{}", None, False)] * 4

    def test_deadlines_are_each_requests_own(self) -> None:
        with pooled(silent) as pool:
            short, long = pool.send_together([request(deadline_s=0.2), request(deadline_s=0.6)])
        assert (short.reply.failure, long.reply.failure) == (Failure.TIMEOUT, Failure.TIMEOUT)
        assert short.ended_s - short.started_s >= 0.2
        assert long.ended_s - long.started_s >= 0.6
        assert short.ended_s < long.ended_s

    def test_one_without_reply_does_not_hold_up_the_others(self) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            while raw := read_request(sock):
                if body_of(raw) == b"mute":
                    silent(sock, 0)
                    return
                sock.sendall(OK)

        with pooled(behave) as pool:
            timed = pool.send_together([request(), request(b"mute", deadline_s=0.5), request()])
        assert [t.reply.failure for t in timed] == [None, Failure.TIMEOUT, None]
        assert timed[2].ended_s < timed[1].ended_s

    def test_an_answer_before_the_last_byte_is_taken_and_its_interval_starts_earlier(self) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            sock.recv(10)
            sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            silent(sock, 0)

        with pooled(behave) as pool:
            timed = pool.send_together([request(), request()])
        assert [t.reply.status for t in timed] == [413, 413]
        assert all(t.started_s < t.ended_s for t in timed)

    @pytest.mark.parametrize(
        ("end", "failure"), [(socket.socket.close, Failure.CLOSED), (reset, Failure.RESET)], ids=["closed", "reset"]
    )
    def test_a_request_dropped_on_a_fresh_connection_is_told(self, end: Behaviour, failure: Failure) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            raw = read_request(sock)
            if body_of(raw) == b"drop":
                end(sock)  # type: ignore[call-arg]
            else:
                sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")

        with pooled(behave) as pool:
            rounds = [[t.reply for t in pool.send_together([request(), request(b"drop")])] for _ in range(5)]
        assert all([r.failure for r in replies] == [None, failure] for replies in rounds)
        # It might be a limit of connections; one at a time is within every limit.
        assert [replies[1].idle for replies in rounds] == [True, False, False, False, False]

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        pool = Pool(Endpoint.parse(f"http://127.0.0.1:{port}"))
        assert [t.reply.failure for t in pool.send_together([request()] * 3)] == [Failure.REFUSED] * 3

    def test_one_that_closes_every_connection_at_once(self) -> None:
        with pooled(lambda _sock, _number: None) as pool:
            replies = [t.reply for t in pool.send_together([request()] * 3)]
        assert {r.failure for r in replies} <= {Failure.CLOSED, Failure.RESET}
        assert not any(r.idle for r in replies)


class TestFewConnections:
    """Operators that take callbacks one by one must be asked all the same."""

    @pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
    @pytest.mark.parametrize("backlog", [0, 5])
    def test_one_thread_and_a_short_queue(self, version: str, backlog: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = version

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_args: object) -> None:
                pass

        class Server(HTTPServer):
            request_queue_size = backlog

            def handle_error(self, *_args: object) -> None:
                pass

        with Server(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            pool = Pool(Endpoint.parse(f"http://127.0.0.1:{server.server_address[1]}"))
            try:
                for _ in range(2):
                    replies = [t.reply for t in pool.send_together([request(deadline_s=8.0) for _ in range(6)])]
                    assert [(r.body, r.failure) for r in replies] == [(b"{}", None)] * 6
                    assert pool.exchange(request(deadline_s=8.0)).reply.body == b"{}"
            finally:
                pool.close()
                server.shutdown()
                thread.join()

    def test_further_connections_are_closed_at_once(self) -> None:
        busy = threading.Lock()

        def behave(sock: socket.socket, number: int) -> None:
            if busy.acquire(blocking=False):
                try:
                    echo(sock, number)
                finally:
                    busy.release()

        with pooled(behave) as pool:
            for _ in range(5):
                replies = [t.reply for t in pool.send_together([request(b"%d" % n) for n in range(4)])]
                assert all(r.idle or r.body == b"%d" % n for n, r in enumerate(replies))
        assert not any(r.idle for r in replies)


class TestFaults:
    @pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.RESET])
    def test_the_operator_has_the_whole_request_and_nobody_reads_the_reply(self, fault: Fault) -> None:
        seen: list[bytes] = []
        ends: list[str] = []

        def behave(sock: socket.socket, number: int) -> None:
            seen.append(read_request(sock))
            try:
                ends.append("closed" if not sock.recv(1) else "more")
            except ConnectionResetError:
                ends.append("reset")

        with pooled(behave) as pool:
            timed = pool.exchange(request(fault=fault))
            time.sleep(0.1)
        assert (timed.reply.failure, timed.reply.status) == (Failure.ABANDONED, None)
        assert body_of(seen[0]) == b'{"a": 1}'
        assert ends == ["reset" if fault is Fault.RESET else "closed"]

    @pytest.mark.parametrize("size", [0, 1, 8, 100_000])
    def test_half_a_body_is_cut(self, size: int) -> None:
        seen: list[bytes] = []

        def behave(sock: socket.socket, number: int) -> None:
            data = b""
            while more := sock.recv(4096):
                data += more
            seen.append(data)

        with pooled(behave) as pool:
            reply = pool.exchange(request(b"x" * size, fault=Fault.CUT)).reply
            time.sleep(0.1)
        assert reply.failure is Failure.CUT
        head, _, body = seen[0].partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % size in head
        assert len(body) == size // 2

    def test_the_same_bytes_are_delivered_twice(self) -> None:
        seen: list[bytes] = []
        numbers: list[int] = []
        both = threading.Barrier(2, timeout=2)

        def behave(sock: socket.socket, number: int) -> None:
            while raw := read_request(sock):
                seen.append(raw)
                numbers.append(number)
                both.wait()
                sock.sendall(OK)

        with pooled(behave) as pool:
            timed = pool.exchange(request(fault=Fault.TWICE))
        assert seen[0] == seen[1]
        assert numbers[0] != numbers[1]
        assert timed.twin is not None
        assert (timed.reply.body, timed.twin.reply.body) == (b"{}", b"{}")
        assert timed.ended_s <= timed.twin.ended_s

    def test_the_first_complete_reply_of_two_counts(self) -> None:
        first = threading.Semaphore(1)

        def behave(sock: socket.socket, number: int) -> None:
            read_request(sock)
            if first.acquire(blocking=False):
                time.sleep(0.3)
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
            else:
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")

        with pooled(behave) as pool:
            timed = pool.exchange(request(fault=Fault.TWICE))
        assert timed.twin is not None
        assert (timed.reply.body, timed.twin.reply.body) == (b"early", b"late")

    def test_a_slow_writer_takes_its_time_and_gets_its_reply(self) -> None:
        arrivals: list[float] = []

        def behave(sock: socket.socket, number: int) -> None:
            data = b""
            while not data.endswith(b'{"a": 1}'):
                data += sock.recv(4096)
                arrivals.append(time.monotonic())
            sock.sendall(OK)

        with pooled(behave) as pool:
            timed = pool.exchange(request(fault=Fault.SLOW_WRITE, deadline_s=0.5))
        assert timed.reply.body == b"{}"
        assert len(arrivals) > 10
        assert arrivals[-1] - arrivals[0] > 0.7
        # The deadline runs from the last byte on.
        assert timed.started_s <= arrivals[-1]
        assert timed.started_s > arrivals[-2] - 0.05

    def test_a_slow_reader_gets_its_reply_however_long(self) -> None:
        body = b"x" * 300_000

        def behave(sock: socket.socket, number: int) -> None:
            read_request(sock)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

        with pooled(behave) as pool:
            timed = pool.exchange(request(fault=Fault.SLOW_READ, deadline_s=4.0))
        assert timed.reply.body == body
        assert timed.ended_s - timed.started_s > 0.9

    @pytest.mark.parametrize("fault", list(Fault))
    def test_a_fault_leaves_the_next_exchange_alone(self, fault: Fault) -> None:
        def behave(sock: socket.socket, number: int) -> None:
            with contextlib.suppress(ValueError):  # half a request
                echo(sock, number)

        with pooled(behave) as pool:
            for _ in range(2):
                pool.exchange(request(fault=fault))
                assert pool.exchange(request(b"plain")).reply.body == b"plain"

    def test_faults_do_not_disturb_those_they_are_sent_together_with(self) -> None:
        faults = [*Fault, None]
        with pooled(echo) as pool:
            timed = pool.send_together([request(b"%d" % n, fault) for n, fault in enumerate(faults)])
        told = {fault: t.reply.body or t.reply.failure for fault, t in zip(faults, timed, strict=True)}
        assert told == {
            Fault.REPLY_LOST: Failure.ABANDONED,
            Fault.CUT: Failure.CUT,
            Fault.RESET: Failure.ABANDONED,
            Fault.TWICE: b"3",
            Fault.SLOW_WRITE: b"4",
            Fault.SLOW_READ: b"5",
            None: b"6",
        }

    @pytest.mark.parametrize("fault", [Fault.TWICE, Fault.SLOW_WRITE, Fault.SLOW_READ])
    def test_an_operator_that_never_answers_meets_the_deadline(self, fault: Fault) -> None:
        with pooled(silent) as pool:
            reply = pool.exchange(request(fault=fault, deadline_s=0.3)).reply
        assert reply.failure is Failure.TIMEOUT


class TestOverlap:
    @pytest.mark.parametrize(
        ("intervals", "measured"),
        [
            ([], Overlap(0, 0, 0.0)),
            ([(1.0, 2.0)], Overlap(1, 1, 0.0)),
            ([(1.0, 2.0), (2.0, 3.0)], Overlap(2, 1, 1.0)),
            ([(1.0, 4.0), (2.0, 3.0), (2.5, 5.0), (4.5, 6.0)], Overlap(4, 3, 3.5)),
        ],
    )
    def test_it_is_the_most_at_one_moment(self, intervals: list[tuple[float, float]], measured: Overlap) -> None:
        assert overlap(intervals) == measured
