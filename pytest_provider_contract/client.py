"""OperatorClient: mints, signs, sends and records callbacks as the provider does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_provider_contract import __version__
from pytest_provider_contract.callbacks import Callback, Literal, Spelling, encode
from pytest_provider_contract.history import Defect, Exchange
from pytest_provider_contract.latency import Histogram
from pytest_provider_contract.profile import Kind, Profile
from pytest_provider_contract.redaction import readable
from pytest_provider_contract.schemas import first_error
from pytest_provider_contract.signing import Forgery, SigningKey
from pytest_provider_contract.transport import Endpoint, Failure, Fault, Header, Overlap, Pool, Request, Timed, overlap

# How often a callback is sent whose connection turns out to have been closed while idle: no fault, and
# nobody knows whether it arrived. A fresh connection can't be idle, so an honest one never needs all.
TRIES_IF_IDLE = 3
# A certify run sends some 300,000 callbacks, too many to keep all exchanges in memory.
_KEPT = 200
_SILENT_LIMIT = 3


class OperatorGoneError(Exception):
    """The operator stopped answering; asking on would only waste time.

    Attributes:
        kind: The kind of callback that is asked no more, or None when nothing is.
    """

    def __init__(self, reason: str, kind: Kind | None = None) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(slots=True)
class Recorder:
    """Counts and latencies of every callback, and the latest exchanges.

    Attributes:
        latency: Per kind how long its callbacks took; those that the network disturbed on
            purpose are not among them.
        overlaps: For callbacks sent together, how often so many were asked for and so many
            were under way at one moment.
        spread: Milliseconds from the first to the last release of callbacks sent together.
        recent: The latest exchanges.
        disturbed: How many callbacks the network disturbed on purpose.
        latest_s: Per player's id the monotonic seconds when the latest callback ended.
    """

    latency: dict[Kind, Histogram] = field(default_factory=lambda: {kind: Histogram() for kind in Kind})
    overlaps: Counter[tuple[int, int]] = field(default_factory=Counter)
    spread: Histogram = field(default_factory=Histogram)
    recent: list[Exchange] = field(default_factory=list)
    disturbed: int = 0
    latest_s: dict[str, float] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        """How many callbacks were sent."""
        return sum(histogram.count for histogram in self.latency.values()) + self.disturbed

    def add(self, exchange: Exchange) -> None:
        """Record one exchange."""
        if exchange.fault is None:
            self.latency[exchange.kind].add(exchange.elapsed_ms)
        else:
            self.disturbed += 1
        self.recent.append(exchange)
        self.latest_s[exchange.callback.player_id] = exchange.ended_s
        if len(self.recent) > 2 * _KEPT:
            del self.recent[:-_KEPT]

    def add_overlap(self, measured: Overlap) -> None:
        """Record how much callbacks overlapped that were sent together."""
        self.overlaps[measured.asked, measured.reached] += 1
        self.spread.add(measured.spread_s * 1000)


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


@dataclass(frozen=True, slots=True)
class Letter:
    """A callback in its envelope, ready to be sent.

    Attributes:
        callback: What to send; its ids and timestamp are the caller's.
        envelope: How it is written and signed.
        defect: What is deliberately wrong with it, kept in the record.
        fault: What goes wrong on its way, or None.
    """

    callback: Callback
    envelope: Envelope = ORDINARY
    defect: Defect | None = None
    fault: Fault | None = None


class OperatorClient:
    """Sends callbacks to one operator over a warm connection.

    Args:
        endpoint: Where the operator's callbacks are.
        profile: The dialect they are written in.
        key: Signs the bodies; None sends no signature at all (``--operator-unsigned``).
        rate: At most so many callbacks a second, or None.
        patience_s: Seconds that may be spent on waiting for callbacks of one kind in vain.
        label: Said in the User-Agent, so that an operator finds a check in its logs.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        profile: Profile,
        key: SigningKey | None,
        *,
        rate: float | None = None,
        patience_s: float = 60.0,
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
        self._patience_s = patience_s
        self._hung_s = dict.fromkeys(Kind, 0.0)
        self._signed: str | None = None  # the latest good signature
        self._pool = Pool(endpoint)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

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

    def send(
        self,
        callback: Callback,
        envelope: Envelope = ORDINARY,
        defect: Defect | None = None,
        fault: Fault | None = None,
    ) -> Exchange:
        """Send one callback and wait for its reply.

        Args:
            callback: What to send; its ids and timestamp are the caller's.
            envelope: How it is written and signed.
            defect: What is deliberately wrong with it, kept in the record.
            fault: What goes wrong on its way, or None.

        Raises:
            OperatorGoneError: Several callbacks in a row got no reply, or too much time went by
                in waiting for those of one kind.
            ValueError: See `encode`.
        """
        self._refuse([callback])
        request = self._request(callback, envelope, fault)
        self._wait_for_turn(1)
        exchange = _exchange(callback, request, self._pool.exchange(request), defect)
        self._record([exchange])
        return exchange

    def send_together(self, letters: Sequence[Letter]) -> list[Exchange]:
        """Send callbacks at the same time, each on a connection of its own, and wait for all replies.

        Returns:
            The exchanges in the order of the letters. How much they overlapped is in their
            times and in the recorder.

        Raises:
            OperatorGoneError: Several callbacks in a row got no reply, or too much time went by
                in waiting for those of one kind.
            ValueError: See `encode`.
        """
        self._refuse([letter.callback for letter in letters])
        requests = [self._request(letter.callback, letter.envelope, letter.fault) for letter in letters]
        self._wait_for_turn(len(requests))
        sent = zip(letters, requests, self._pool.send_together(requests), strict=True)
        exchanges = [_exchange(letter.callback, request, timed, letter.defect) for letter, request, timed in sent]
        self.recorder.add_overlap(overlap((e.started_s, e.ended_s) for e in exchanges))
        self._record(exchanges)
        return exchanges

    def _request(self, callback: Callback, envelope: Envelope, fault: Fault | None) -> Request:
        body = self.encode(callback, envelope)
        terms = self.profile.callbacks[callback.kind]
        return Request(terms.path, self.headers(body, envelope), body, terms.deadline_s, fault)

    def _record(self, exchanges: Sequence[Exchange]) -> None:
        for exchange in exchanges:
            self.recorder.add(exchange)
            if self.observer is not None:
                self.observer(exchange)
        self._notice_silence(exchanges)

    def _wait_for_turn(self, callbacks: int) -> None:
        if self._interval_s:
            wait_s = self._next_s - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            self._next_s = max(time.monotonic(), self._next_s) + self._interval_s * callbacks

    def _refuse(self, callbacks: Sequence[Callback]) -> None:
        """Ask nothing of which it is known that the answer would only be waited for.

        Raises:
            OperatorGoneError: It is known.
        """
        for kind in {callback.kind for callback in callbacks}:
            if self._hung_s[kind] > self._patience_s:
                # Without balances nothing can be judged.
                only = None if kind is Kind.BALANCE else kind
                raise OperatorGoneError(f"/{kind} had no answer in {self._hung_s[kind]:.0f} s of waiting", only)

    def _notice_silence(self, exchanges: Sequence[Exchange]) -> None:
        # What was cut off on purpose, or closed while idle, tells nothing.
        telling = [e for e in exchanges if not e.reply.idle and e.reply.failure not in (Failure.CUT, Failure.ABANDONED)]
        if not telling:
            return
        hung = [e for e in telling if e.reply.failure is Failure.TIMEOUT]
        for kind in {e.kind for e in hung}:
            self._hung_s[kind] += max(e.elapsed_ms for e in hung if e.kind is kind) / 1000
        silent = all(e in hung or e.reply.status is None for e in telling)
        self._silent = self._silent + 1 if silent else 0
        if self._silent >= _SILENT_LIMIT:
            last = telling[-1].reply
            malformed = last.failure in (Failure.NOT_HTTP, Failure.INCOMPLETE)
            raise OperatorGoneError(
                f"{self._silent} callbacks in a row got no reply: {last.failure}"
                # A library's words about a malformed reply quote what the operator sent.
                + (f" ({readable(last.detail) if malformed else last.detail})" if last.detail else "")
            )


def _exchange(callback: Callback, request: Request, timed: Timed, defect: Defect | None) -> Exchange:
    twin = timed.twin
    return Exchange(
        callback,
        request.path,
        request.headers,
        request.body,
        timed.reply,
        timed.started_s,
        timed.ended_s,
        defect,
        request.fault,
        _exchange(callback, replace(request, fault=None), twin, defect) if twin is not None else None,
    )
