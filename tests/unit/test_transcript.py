"""The transcript: what it holds, what it leaves out, and where a change is found."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_provider_contract.callbacks import Callback, new_id
from pytest_provider_contract.history import Defect, Exchange
from pytest_provider_contract.profile import Kind, load_profile
from pytest_provider_contract.transcript import Digest, Transcript, TranscriptError, check_transcript
from pytest_provider_contract.transport import Failure, Fault, Header, Reply

JSON: tuple[Header, ...] = ((b"content-type", b"application/json"),)
MARKER = "s3cr3t-marker"


def exchange(**told: object) -> Exchange:
    callback = Callback(
        Kind.BET,
        new_id(),
        "alice",
        f"session-{MARKER}",
        "2026-11-24T10:00:00.000Z",
        new_id(),
        None,
        new_id(),
        new_id(),
        1000,
        "EUR",
    )
    reply = {
        "status": "SUCCESS",
        "requestId": callback.request_id,
        "clientPlayerId": "alice",
        "currency": "EUR",
        "balance": 9000,
        **told,
    }
    headers = ((b"X-Marbles-Signature", MARKER.encode()), (b"Authorization", MARKER.encode()))
    body = json.dumps(callback.fields()).encode()
    return Exchange(callback, "/bet", headers, body, Reply(200, JSON, json.dumps(reply).encode()), 10.5, 10.6)


def written(path: Path, *exchanges: Exchange) -> Digest:
    transcript = Transcript(path, load_profile("155io"), {"target": "http://wallet.example"}, 10.0)
    for each in exchanges:
        transcript.add(each)
    return transcript.close()


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def rewritten(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content, mtime=0))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transcript.jsonl.gz"


def test_a_line_says_what_was_sent_and_answered(path: Path) -> None:
    sent = exchange()
    assert written(path, sent).callbacks == 1
    opening, line = lines(path)
    assert opening["format"] == "provider-contract-transcript/1"
    assert opening["target"] == "http://wallet.example"
    assert line["callback"] == "bet"
    assert line["at_ms"] == 500
    assert line["took_ms"] == 100
    assert line["request"]["transactionId"] == sent.callback.transaction_id  # type: ignore[index]
    assert line["request"]["amount"] == 1000  # type: ignore[index]
    assert line["reply"] == {"http": 200, "status": "SUCCESS", "balance": 9000, "currency": "EUR"}


def test_a_defect_and_a_lost_reply_are_said(path: Path) -> None:
    lost = replace(exchange(), reply=Reply(None, failure=Failure.TIMEOUT))
    idle = replace(exchange(), reply=Reply(None, failure=Failure.CLOSED, idle=True))
    wrong = replace(exchange(), defect=Defect("REPLY-03", "field", "amount", '"x"'))
    written(path, lost, idle, wrong)
    _, first, second, third = lines(path)
    assert first["reply"] == {"http": None, "failure": "no complete reply before the deadline", "breaks": "TIME-01"}
    assert second["reply"] == {"http": None, "failure": "the connection was closed without a reply"}
    assert third["defect"] == {"rule": "REPLY-03", "kind": "field", "field": "amount", "json": '"x"'}


def test_what_the_network_did_on_purpose_is_said_and_accuses_nobody(path: Path) -> None:
    gone = replace(exchange(), reply=Reply(None, failure=Failure.ABANDONED), fault=Fault.REPLY_LOST)
    twice = replace(exchange(), fault=Fault.TWICE, twin=exchange(balance=8000))
    written(path, gone, twice)
    _, first, second = lines(path)
    assert first["network"] == "reply-lost"
    assert first["reply"] == {"http": None, "failure": "the reply was not waited for, on purpose"}
    assert second["reply"]["balance"] == 9000  # type: ignore[index]
    assert second["other_reply"]["balance"] == 8000  # type: ignore[index]


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"token": MARKER},
        {"status": MARKER},
        {"currency": MARKER},
        {"balance": MARKER},
        {"requestId": MARKER},
        {"clientPlayerId": MARKER},
        {MARKER: MARKER},
    ],
)
def test_no_secret_gets_in(path: Path, told: dict[str, object]) -> None:
    plain = exchange(**told)
    page = replace(plain, reply=Reply(500, ((b"location", MARKER.encode()),), MARKER.encode()))
    late = replace(plain, reply=Reply(None, failure=Failure.TLS, detail=MARKER))
    written(path, plain, page, late)
    assert MARKER not in gzip.decompress(path.read_bytes()).decode()


def test_the_same_run_has_the_same_digest(tmp_path: Path) -> None:
    sent = [exchange(), exchange()]
    assert written(tmp_path / "one.gz", *sent) == written(tmp_path / "two.gz", *sent)


def test_an_untouched_transcript_holds(path: Path) -> None:
    digest = written(path, exchange(), exchange())
    check_transcript(path, digest)
    assert digest.callbacks == 2


def test_each_changed_line_is_named(path: Path) -> None:
    digest = written(path, *(exchange() for _ in range(5)))
    original = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    for number, line in enumerate(original):
        changed = line.replace(b'"bet"', b'"win"').replace(b"wallet", b"wallut")
        assert changed != line
        rewritten(path, b"".join([*original[:number], changed, *original[number + 1 :]]))
        last = number == len(original) - 1
        with pytest.raises(TranscriptError, match=f"line {number + (1 if last else 2)}\\b"):
            check_transcript(path, digest)


def test_lines_left_out_swapped_or_added(path: Path) -> None:
    digest = written(path, *(exchange() for _ in range(5)))
    original = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    for content, words in (
        (original[:3] + original[4:], "line 4 was changed"),
        ([*original[:2], original[3], original[2], *original[4:]], "line 3 was changed"),
        (original[:-1], "ends after 4 of 5 callbacks"),
        ([], "ends after 0 of 5 callbacks"),
        ([*original, original[-1]], "line 7 was changed"),
        ([*original, b"\n"], "line 7 was changed"),
    ):
        rewritten(path, b"".join(content))
        with pytest.raises(TranscriptError, match=words):
            check_transcript(path, digest)


def test_a_longer_chain_and_one_packed_anew(path: Path, tmp_path: Path) -> None:
    sent = [exchange() for _ in range(3)]
    digest = written(path, *sent)
    longer = tmp_path / "longer.gz"
    written(longer, *sent, exchange())
    with pytest.raises(TranscriptError, match="goes on after the 3 callbacks"):
        check_transcript(longer, digest)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1, mtime=0))
    with pytest.raises(TranscriptError, match="packed anew"):
        check_transcript(path, digest)


def test_every_byte_of_the_file_counts(path: Path) -> None:
    digest = written(path, exchange())
    content = path.read_bytes()
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(TranscriptError):
            check_transcript(path, digest)


@pytest.mark.parametrize(
    "data",
    [b"", b"no gzip", b"\x1f\x8b", gzip.compress(b"x" * 100)[:-4], gzip.compress(b"[" * 70_000)],
    ids=["empty", "text", "a head only", "cut", "no lines"],
)
def test_files_that_are_none(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(TranscriptError):
        check_transcript(path, Digest("0" * 64, "0" * 64, 5))


def test_a_file_that_unpacks_to_gigabytes_costs_no_memory(path: Path) -> None:
    with gzip.open(path, "wb") as file:
        for _ in range(64):
            file.write(b"\0" * (1 << 20))
    tracemalloc.start()
    with pytest.raises(TranscriptError):
        check_transcript(path, Digest("0" * 64, "0" * 64, 5))
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_memory_does_not_grow_with_the_run(path: Path) -> None:
    transcript = Transcript(path, load_profile("155io"), {}, 0.0)
    for _ in range(50):
        transcript.add(exchange())
    tracemalloc.start()
    for _ in range(1500):
        transcript.add(exchange())
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    transcript.close()
    assert grown < 200_000


def test_a_full_disk_is_noted_and_does_not_disturb() -> None:
    transcript = Transcript(Path("/dev/full"), load_profile("155io"), {}, 0.0)
    for _ in range(2000):
        transcript.add(exchange())
    assert transcript.failed == "No space left on device"
    with pytest.raises(OSError, match="No space left"):
        transcript.close()
