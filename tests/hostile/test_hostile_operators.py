"""Whatever an operator answers, a run ends in time, names a rule or refuses to go on, and stays small."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hostile_operators as hostile
import pytest
from hostile_operators import Proxy, body, every_third_is_reset, hangs_on, honest, http_reply, raw, spliced, trickles_on
from raw_servers import Behaviour, endless, serving, silent

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.process import running

# The effort's 15 seconds, two callbacks that hang, starting Python, and a busy machine.
BUDGET_S = 60.0
MEMORY_KB = 200 << 10
OUTPUT = 200_000
GOOD_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


# A process begins with the peak of the one that forked it: a small one in between keeps that of
# the tests out.
MEASURE = """
import pathlib, resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
pathlib.Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


@dataclass(frozen=True)
class Outcome:
    """How a run of the plugin ended."""

    status: int
    output: str
    elapsed_s: float
    peak_kb: int


def play(behave: Behaviour, folder: Path, *options: str) -> Outcome:
    """Run the plugin against an operator, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    log = folder / "output"
    with serving(behave) as port, log.open("wb") as out:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "pytest_provider_contract"]
        command += [f"--operator-url=http://127.0.0.1:{port}", "--operator-effort=quick", *options]
        if not any("player" in option for option in options):
            command += ["--operator-player=p:s:EUR", "--operator-unsigned"]
        started = time.monotonic()
        measured = [sys.executable, "-c", MEASURE, str(folder / "peak_kb"), *command]
        done = subprocess.run(measured, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT, check=False)
        elapsed_s = time.monotonic() - started
    peak_kb = int((folder / "peak_kb").read_text())
    return Outcome(done.returncode, log.read_text(encoding="utf-8", errors="replace"), elapsed_s, peak_kb)


def withstood(outcome: Outcome) -> None:
    """No crash, no hang, no flood, no growth; and not green."""
    assert outcome.status == 1, outcome.output
    assert "Traceback" not in outcome.output
    assert "INTERNALERROR" not in outcome.output
    assert len(outcome.output) < OUTPUT
    assert outcome.output.isprintable() or not re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", outcome.output)
    assert outcome.peak_kb < MEMORY_KB, f"{outcome.peak_kb >> 10} MB"
    assert outcome.elapsed_s < BUDGET_S


OPERATORS: dict[str, tuple[Behaviour, str]] = {
    # -- no reply, or none in time
    "never answers": (silent, "/balance had no answer in 10 s"),
    "closes early": (lambda _sock, _number: None, "closed without a reply|was reset"),
    "drips one byte a second": (hostile.dripping, "/balance had no answer in 10 s"),
    "drips the body": (hostile.trickling_body, "/balance had no answer in 10 s"),
    # -- no HTTP
    "a mail server": (raw(b"220 mail.example ESMTP\r\n"), "REPLY-04 .*|the reply is not HTTP"),
    "random bytes": (raw(bytes(range(256)) * 40), "the reply is not HTTP"),
    "TLS on a plain port": (raw(b"\x15\x03\x01\x00\x02\x02\x46"), "the reply is not HTTP"),
    "HTTP/2 on a plain port": (raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)), "the reply is not HTTP"),
    "headers without end": (endless(GOOD_JSON, b"X-More: x\r\n" * 500), "the reply is not HTTP"),
    "one header without end": (endless(GOOD_JSON + b"X-More: ", b"x" * 5000), "the reply is not HTTP"),
    "interim replies without end": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "interim replies without end"),
    "early hints without end": (endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), "interim replies"),
    "a NUL in a header": (raw(GOOD_JSON + b"X: \x00\r\nContent-Length: 2\r\n\r\n{}"), "the reply is not HTTP"),
    "a header without colon": (raw(GOOD_JSON + b"no colon\r\n\r\n"), "the reply is not HTTP"),
    "two lengths": (raw(GOOD_JSON + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), "the reply is not HTTP"),
    "a length of a thousand digits": (raw(GOOD_JSON + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}"), "REPLY-04"),
    "an unknown transfer coding": (raw(GOOD_JSON + b"Transfer-Encoding: rot13\r\n\r\n{}"), "the reply is not HTTP"),
    # -- a wrong end
    "a length too large": (raw(http_reply(b"{}", length=400)), "closed in the middle of the reply"),
    "a length too small": (hostile.answering(lambda a: http_reply(honest(a), length=9)), "bytes follow the end"),
    "more than one reply": (hostile.answering(lambda a: http_reply(honest(a)) * 2), "bytes follow the end"),
    "a chunk that is cut": (raw(GOOD_JSON + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), "closed in the middle"),
    "chunk extensions without end": (
        endless(GOOD_JSON + b"Transfer-Encoding: chunked\r\n\r\n2;", b"x" * 5000),
        "REPLY-04",
    ),
    "chunks of one byte without end": (
        endless(GOOD_JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 2000),
        "larger than 1 MiB",
    ),
    # -- too much
    "200 MB of body": (endless(GOOD_JSON + b"Content-Length: 200000000\r\n\r\n", bytes(1 << 16)), "larger than 1 MiB"),
    "a body without end": (endless(GOOD_JSON + b"\r\n", b" " * (1 << 16)), "larger than 1 MiB"),
    "a gzip bomb": (body(lambda _: hostile.BOMB, b"Content-Encoding: gzip"), "larger than 1 MiB"),
    "a gzip bomb in a gzip bomb": (
        body(lambda _: gzip.compress(hostile.BOMB), b"Content-Encoding: gzip, gzip"),
        "content encoding can't be undone",
    ),
    "two thousand cookies": (
        hostile.answering(lambda a: http_reply(honest(a), *[b"Set-Cookie: a=" + b"x" * 99] * 2000)),
        "the reply is not HTTP",
    ),
    # -- no success
    "a redirect": (hostile.redirecting("/elsewhere"), "HTTP 307, a redirect to '/elsewhere'"),
    "HTTP 500 in HTML": (raw(http_reply(b"<h1>Oops</h1>", b"Content-Type: text/html", status=b"500 X")), "HTTP 500"),
    "HTTP 204": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), "HTTP 204"),
    "HTTP 204 with a body": (raw(b"HTTP/1.1 204 No Content\r\n\r\n{}"), "bytes follow the end of the reply"),
    "HTTP 304": (raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"), "HTTP 304"),
    "another protocol": (raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "the reply is not HTTP"),
    "HTTP 999": (raw(http_reply(b"{}", status=b"999 Odd")), "HTTP 999|not HTTP"),
    # -- no JSON
    "an empty body": (body(lambda _: b""), "an empty body"),
    "a byte order mark": (body(lambda a: b"\xef\xbb\xbf" + honest(a)), "REPLY-04"),
    "UTF-16": (body(lambda a: honest(a).decode().encode("utf-16")), "bytes that are not UTF-8"),
    "UTF-16 without a mark": (body(lambda a: honest(a).decode().encode("utf-16-le")), "REPLY-04"),
    "another charset": (body(honest, b"Content-Type: application/json; charset=iso-8859-1"), "in UTF-8"),
    "Latin-1 bytes": (body(lambda a: spliced(a, b'"name":"' + hostile.LATIN + b'"')), "bytes that are not UTF-8"),
    "brotli": (body(honest, b"Content-Encoding: br"), "content encoding can't be undone"),
    "gzip that is none": (body(honest, b"Content-Encoding: gzip"), "content encoding can't be undone"),
    "half a gzip": (body(lambda a: gzip.compress(honest(a))[:-9], b"Content-Encoding: gzip"), "ends too early"),
    "lists in lists": (body(lambda a: spliced(a, b'"x":' + b"[" * 100_000 + b"]" * 100_000)), "nested too deeply"),
    "objects in objects": (body(lambda _: b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "nested too deeply"),
    "the same name twice": (body(lambda a: spliced(a, b'"status":"UNKNOWN_ERROR"')), "the same name twice"),
    "NaN": (body(lambda a: honest(a, balance=float("nan"))), "NaN, which is no JSON"),
    "minus infinity": (body(lambda a: spliced(a, b'"x":-Infinity')), "-Infinity, which is no JSON"),
    "a list": (body(lambda a: b"[" + honest(a) + b"]"), "JSON that is no object"),
    "trailing bytes": (body(lambda a: honest(a) + b"\x00"), "REPLY-04"),
    "JSON in a script": (body(lambda a: b")]}',\n" + honest(a)), "REPLY-04"),
    # -- JSON, but not the contract's
    "a balance of a million digits": (body(lambda a: spliced(a, b'"balance":' + b"9" * 1_000_000)), "REPLY-0[45]"),
    "a balance of a thousand digits": (body(lambda a: honest(a, balance=10**999)), "REPLY-05"),
    "a balance of 1e400": (body(lambda a: honest(a).replace(b"100000", b"1e400")), "REPLY-05"),
    "a fraction": (body(lambda a: honest(a, balance=0.1)), "REPLY-05"),
    "a status of a lone surrogate": (body(lambda a: honest(a, status="\ud800")), "REPLY-07"),
    "an echo of a lone surrogate": (body(lambda a: honest(a, requestId="\udfff")), "REPLY-06"),
    "a currency of a lone surrogate": (body(lambda a: honest(a, currency="\ud83d")), "BALANCE-0|REPLY-0"),
    "terminal escapes": (body(lambda a: honest(a, status="\x1b[2J\x1b]0;x\x07\r\n")), "REPLY-07"),
    "a status of 100 kB": (body(lambda a: honest(a, status="x" * 100_000)), "REPLY-07"),
    "ten thousand names": (body(lambda a: honest(a, status=1, **{f"x{n}": n for n in range(10_000)})), "REPLY-05"),
}


# Every run takes seconds. What is told apart by the reader of replies alone is tested there too, in
# tests/unit; of each kind some are run every time.
TESTED_IN_THE_READER = {
    "random bytes",
    "TLS on a plain port",
    "HTTP/2 on a plain port",
    "one header without end",
    "early hints without end",
    "a NUL in a header",
    "a header without colon",
    "two lengths",
    "a length of a thousand digits",
    "a length too small",
    "chunk extensions without end",
    "a gzip bomb in a gzip bomb",
    "HTTP 204",
    "HTTP 304",
    "HTTP 999",
    "a byte order mark",
    "UTF-16 without a mark",
    "Latin-1 bytes",
    "brotli",
    "gzip that is none",
    "objects in objects",
    "minus infinity",
    "a list",
    "JSON in a script",
    "a balance of a thousand digits",
    "a balance of 1e400",
    "an echo of a lone surrogate",
    "a currency of a lone surrogate",
    "a status of 100 kB",
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long) if name in TESTED_IN_THE_READER else name for name in OPERATORS],
)
def test_an_operator_that_is_broken_from_the_start(name: str, tmp_path: Path) -> None:
    behave, told = OPERATORS[name]
    outcome = play(behave, tmp_path, "--operator-rules=REPLY-04,BALANCE-01,BET-01")
    withstood(outcome)
    # The first look may already see that this is no wallet.
    assert re.search(f"{told}|PREFLIGHT-0[4-7] MUST", outcome.output), outcome.output


@pytest.fixture(scope="module")
def good() -> Iterator[str]:
    """A correct operator to stand in front of."""
    with running(variant=None, public_key=None, players=[Account("p", "s", "EUR", 10**9)], rewards=[]) as operator:
        yield operator.url


@pytest.mark.parametrize("kind", ["bet", "win", "rollback"])
def test_a_callback_that_is_never_answered_is_given_up(kind: str, good: str, tmp_path: Path) -> None:
    outcome = play(Proxy(good, hangs_on(kind)), tmp_path)
    withstood(outcome)
    assert ("TIME-01 MUST" if kind == "bet" else "REPLY-01 MUST") in outcome.output
    assert "BET-0" not in outcome.output.partition("provider contract ==")[0]  # nobody else is accused
    assert f"/{kind} can't be asked any more" in outcome.output
    # The others are still asked.
    assert re.search(r"^/balance +[1-9]", outcome.output, re.MULTILINE)


def test_the_bets_deadline_covers_a_body_that_trickles(good: str, tmp_path: Path) -> None:
    outcome = play(Proxy(good, trickles_on("bet")), tmp_path, "--operator-rules=BET-01,BALANCE-01")
    withstood(outcome)
    assert "TIME-01 MUST" in outcome.output
    assert "a reply within 8 s" in outcome.output


def test_every_third_connection_is_reset(good: str, tmp_path: Path) -> None:
    outcome = play(Proxy(good, every_third_is_reset, closes=True), tmp_path)
    withstood(outcome)
    assert "REPLY-01 MUST" in outcome.output
    assert "the connection was reset" in outcome.output


@pytest.mark.parametrize("status", [b"302 X", b"308 X"])
def test_a_redirect_to_another_host_is_never_followed(status: bytes, tmp_path: Path) -> None:
    followed = []
    with serving(lambda _sock, number: followed.append(number)) as elsewhere:
        behave = hostile.redirecting(f"http://127.0.0.1:{elsewhere}/bet", status)
        outcome = play(behave, tmp_path, "--operator-rules=BALANCE-01")
    withstood(outcome)
    assert f"HTTP {status[:3].decode()}, a redirect" in outcome.output
    assert f"http://127.0.0.1:{elsewhere}/bet" in outcome.output
    assert followed == []


@pytest.mark.parametrize("form", ["HTTP/1.0", "HTTP/1.1 to the end of the connection", "chunked and closing"])
def test_an_old_or_closing_operator_is_no_broken_one(form: str, good: str, tmp_path: Path) -> None:
    outcome = play(
        Proxy(good, lambda *_: False, form=form), tmp_path, "--operator-rules=REPLY,BALANCE,BET,WIN,ROLLBACK"
    )
    assert outcome.status == 0, outcome.output
