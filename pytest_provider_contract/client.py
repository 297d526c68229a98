"""OperatorClient: mints, signs, sends and records callbacks as the provider does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pytest_provider_contract import __version__
from pytest_provider_contract.callbacks import Callback, Literal, Spelling, encode
from pytest_provider_contract.history import Defect, Exchange
from pytest_provider_contract.latency import Histogram
from pytest_provider_contract.profile import Kind, Profile
from pytest_provider_contract.schemas import first_error
from pytest_provider_contract.signing import Forgery, SigningKey
from pytest_provider_contract.transport import Connection, Endpoint, Header, Reply

# A full-size response would keep 300,000 exchanges of a certify run in memory.
_KEPT = 200
_SILENT_LIMIT = 3


class OperatorGoneError(Exception):
    """The operator stopped answering; asking on would only waste time."""


@dataclass(slots=True)
class Recorder:
    """Counts and latencies of every callback, the latest exchanges, and when each player had one."""

    latency: dict[Kind, Histogram] = field(default_factory=lambda: {kind: Histogram() for kind in Kind})
    recent: list[Exchange] = field(default_factory=list)
    latest_s: dict[str, float] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        """How many callbacks were sent."""
        return sum(histogram.count for histogram in self.latency.values())

    def add(self, exchange: Exchange) -> None:
        """Record one exchange."""
        self.latency[exchange.kind].add(exchange.elapsed_ms)
        self.recent.append(exchange)
        self.latest_s[exchange.callback.player_id] = exchange.ended_s
        if len(self.recent) > 2 * _KEPT:
            del self.recent[:-_KEPT]


@dataclass(frozen=True, slots=True)
class Envelope:
    """How a callback is written and signed; the default is the provider's ordinary way.

    Attributes:
        spelling: Which of the JSON spellings of the same object is sent.
        forgery: A signature that must be refused, or None for the right one.
        header_case: ``as-is``, ``lower`` or ``upper``: the letter case of the signature header.
        changes: Contract fields to replace before signing: JSON text, or None to leave one out.
        raw: A whole other body, or None.
    """

    spelling: Spelling = Spelling.COMPACT
    forgery: Forgery | None = None
    header_case: str = "as-is"
    changes: Mapping[str, str | None] = field(default_factory=dict)
    raw: bytes | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the body is the callback's own."""
        return not self.changes and self.raw is None


ORDINARY = Envelope()


class OperatorClient:
    """Sends callbacks to one operator over a warm connection.

    Args:
        endpoint: Where the operator's callbacks are.
        profile: The dialect they are written in.
        key: Signs the bodies; None sends no signature at all (``--operator-unsigned``).
        rate: At most so many callbacks a second, or None.
        label: Said in the User-Agent, so that an operator finds a check in its logs.
    """

    def __init__(
        self, endpoint: Endpoint, profile: Profile, key: SigningKey | None, *, rate: float | None = None
    ) -> None:
        self.endpoint = endpoint
        self.profile = profile
        self.recorder = Recorder()
        self.label = ""
        self.observer: Callable[[Exchange], None] | None = None
        self._key = key
        self._interval_s = 1 / rate if rate else 0.0
        self._next_s = 0.0
        self._silent = 0
        self._signed: str | None = None  # the latest good signature
        self._connection = Connection(endpoint)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def encode(self, callback: Callback, envelope: Envelope = ORDINARY) -> bytes:
        """The exact body bytes of a callback in an envelope.

        Raises:
            ValueError: An ordinary callback does not fit its own schema.
        """
        if envelope.raw is not None:
            return envelope.raw
        fields = callback.fields()
        if envelope.is_plain and (error := first_error(f"{callback.kind}.request", fields)):
            raise ValueError(f"this {callback.kind} callback is not one the provider would send: {error}")
        literals = {name: Literal(text) for name, text in envelope.changes.items() if text is not None}
        kept = {name: value for name, value in fields.items() if name not in envelope.changes}
        return encode(self.profile.to_wire(kept | literals), envelope.spelling)

    def headers(self, body: bytes, envelope: Envelope = ORDINARY) -> tuple[Header, ...]:
        """The headers that go with a body, its signature among them."""
        agent = f"pytest-provider-contract/{__version__}" + (f" ({self.label})" if self.label else "")
        headers = [
            (b"Content-Type", b"application/json"),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"gzip, deflate"),
            (b"User-Agent", agent.encode()),
        ]
        if self._key is not None:
            if envelope.forgery:
                signature = self._key.forge(body, envelope.forgery, self._signed)
            else:
                signature = self._signed = self._key.sign(body)
            if signature is not None:
                name = self.profile.signature_header
                cased = {"lower": name.lower(), "upper": name.upper()}.get(envelope.header_case, name)
                headers.append((cased.encode(), signature.encode()))
        return tuple(headers)

    def send(self, callback: Callback, envelope: Envelope = ORDINARY, defect: Defect | None = None) -> Exchange:
        """Send one callback and wait for its reply.

        Args:
            callback: What to send; its ids and timestamp are the caller's.
            envelope: How it is written and signed.
            defect: What is deliberately wrong with it, kept in the record.

        Raises:
            OperatorGoneError: Several callbacks in a row got no reply at all.
            ValueError: See `encode`.
        """
        body = self.encode(callback, envelope)
        headers = self.headers(body, envelope)
        terms = self.profile.callbacks[callback.kind]
        self._wait_for_turn()
        started_s = time.monotonic()
        reply = self._connection.exchange(terms.path, headers, body, terms.deadline_s)
        exchange = Exchange(callback, terms.path, headers, body, reply, started_s, time.monotonic(), defect)
        self.recorder.add(exchange)
        if self.observer is not None:
            self.observer(exchange)
        self._notice_silence(reply)
        return exchange

    def _wait_for_turn(self) -> None:
        if self._interval_s:
            wait_s = self._next_s - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            self._next_s = max(time.monotonic(), self._next_s) + self._interval_s

    def _notice_silence(self, reply: Reply) -> None:
        self._silent = self._silent + 1 if reply.status is None and not reply.idle else 0
        if self._silent >= _SILENT_LIMIT:
            raise OperatorGoneError(
                f"{self._silent} callbacks in a row got no reply: {reply.failure}"
                + (f" ({reply.detail})" if reply.detail else "")
            )
