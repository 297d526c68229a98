"""The transcript of a run: every callback in one line, each line chained to the one before.

A gzip file of JSON lines. A line holds its number, the SHA-256 of the line before it and one
exchange; the first line says what the transcript is of. So the digest of the last line stands
for all of them, and a change can be pinned to a line. What would let a stranger act as the
player or the provider is left out: session ids are masked, signatures are not written, and of
a reply only what the contract knows.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pytest_provider_contract.checks import Violation, read_answer
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.profile import Profile
from pytest_provider_contract.redaction import masked
from pytest_provider_contract.transport import Failure

FORMAT = "provider-contract-transcript/1"
_BEGINNING = "0" * 64
_LINE_LIMIT = 1 << 16
_ON_PURPOSE = (Failure.CUT, Failure.ABANDONED)
_CURRENCY = re.compile("[A-Z]{3}")


class TranscriptError(ValueError):
    """A transcript is not the one that was attested; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What identifies a transcript.

    Attributes:
        sha256: Of the file, in hexadecimal.
        head: SHA-256 of the last line, in hexadecimal.
        callbacks: How many exchanges it holds.
    """

    sha256: str
    head: str
    callbacks: int


class Transcript:
    """Writes a transcript as the run goes; memory does not grow with its length.

    Args:
        path: The file, replaced if it is there.
        profile: The dialect that replies are read in.
        opening: What the transcript is of: target, suite, seed.
        started_s: Monotonic seconds that times count from.

    Attributes:
        failed: Why the file could not be written to its end, or None.

    Raises:
        OSError: The file can't be written.
    """

    def __init__(self, path: Path, profile: Profile, opening: Mapping[str, Any], started_s: float) -> None:
        self.path = path
        self.failed: str | None = None
        self._profile = profile
        self._started_s = started_s
        self._previous = _BEGINNING
        self._lines = 0
        self._raw = path.open("wb")
        # No name and no time of day in the file: its digest depends on its content alone.
        self._file = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0)
        self._write({"format": FORMAT, **opening})

    def add(self, exchange: Exchange) -> None:
        """Write one exchange; a full disk is noted in `failed` and does not disturb the run."""
        if self.failed is None:
            try:
                self._write(_entry(exchange, self._profile, self._started_s))
            except OSError as error:
                self.failed = error.strerror or str(error)

    def _write(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps({"n": self._lines, "previous": self._previous, **entry}, separators=(",", ":")).encode()
        self._file.write(line + b"\n")
        self._previous = hashlib.sha256(line).hexdigest()
        self._lines += 1

    def close(self) -> Digest:
        """End the file; it takes no more exchanges.

        Raises:
            OSError: The file can't be written or read.
        """
        try:
            self._file.close()
        finally:
            self._raw.close()
        return Digest(file_sha256(self.path), self._previous, self._lines - 1)

    def discard(self) -> None:
        """Remove the file of a run that is not certified."""
        with suppress(OSError):
            self.close()
        self.path.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal.

    Raises:
        OSError: It can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_transcript(path: Path, attested: Digest) -> None:
    """Make sure that a file is the transcript that was attested, byte for byte.

    Args:
        path: The file; it may be anything.
        attested: What the certificate says of it.

    Raises:
        TranscriptError: It is not; the message names the first line that differs.
        OSError: It can't be read.
    """
    found = file_sha256(path)
    if found == attested.sha256:
        return
    previous, lines = _BEGINNING, -1
    with path.open("rb") as file:
        for lines, line in enumerate(_lines(file)):
            if not _follows(line, lines, previous):
                raise TranscriptError(f"its line {lines + 1} was changed, or the line before it")
            previous = hashlib.sha256(line).hexdigest()
            if lines > attested.callbacks:
                raise TranscriptError(f"it goes on after the {attested.callbacks} callbacks that were attested")
    if lines < attested.callbacks:
        raise TranscriptError(f"it ends after {max(lines, 0)} of {attested.callbacks} callbacks")
    if previous != attested.head:
        raise TranscriptError(f"its line {lines + 1}, the last one, was changed")
    raise TranscriptError(f"its lines hold but the file was packed anew: its SHA-256 is {found}")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    # Line by line and each bounded: the file may unpack to anything.
    packed = gzip.GzipFile(fileobj=file)
    while True:
        try:
            line = packed.readline(_LINE_LIMIT)
        except (OSError, EOFError, zlib.error):
            raise TranscriptError("it is no gzip file, or it is cut or damaged") from None
        if not line:
            return
        yield line.removesuffix(b"\n")


def _follows(line: bytes, number: int, previous: str) -> bool:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(entry, dict) and entry.get("n") == number and entry.get("previous") == previous


def _entry(exchange: Exchange, profile: Profile, started_s: float) -> dict[str, Any]:
    fields = exchange.callback.fields()
    fields["clientSessionId"] = masked(exchange.callback.session_id)
    entry: dict[str, Any] = {
        "at_ms": round((exchange.started_s - started_s) * 1000, 1),
        "took_ms": round(exchange.elapsed_ms, 1),
        "callback": str(exchange.kind),
        "request": fields,
    }
    if exchange.defect is not None:
        entry["defect"] = {name: value for name, value in asdict(exchange.defect).items() if value is not None}
    if exchange.fault is not None:
        entry["network"] = str(exchange.fault)
    entry["reply"] = _reply(exchange, profile)
    if exchange.twin is not None:
        entry["other_reply"] = _reply(exchange.twin, profile)
    return entry


def _reply(exchange: Exchange, profile: Profile) -> dict[str, Any]:
    reply: dict[str, Any] = {"http": exchange.reply.status}
    failure = exchange.reply.failure
    if failure is not None:
        reply["failure"] = str(failure)
    if exchange.reply.idle or failure in _ON_PURPOSE:
        # Whether the operator did anything is unknown, and no fault of its own.
        return reply
    answer = read_answer(exchange, profile)
    if isinstance(answer, Violation):
        # Not its words: they quote the operator's reply, which may hold anything.
        return reply | {"breaks": answer.rule}
    reply |= {"status": str(answer.status), "balance": answer.balance}
    # The one other word of the operator's own; anything but a code stays out.
    if answer.currency is not None and _CURRENCY.fullmatch(answer.currency):
        reply["currency"] = answer.currency
    return reply
