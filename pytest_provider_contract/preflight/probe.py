"""Single callbacks of a first look, and what they are answered, read as leniently as can be.

The suite judges replies by the letter. Here a reply is only asked who wrote it and whether it
says yes or no, so that a wallet with a fault of its own still gets the suite's precise verdict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from pytest_provider_contract.callbacks import Callback, new_id, now
from pytest_provider_contract.client import ORDINARY, Envelope, OperatorClient, OperatorGoneError
from pytest_provider_contract.history import Exchange, Player
from pytest_provider_contract.pages import HTTP_OK, Page, PageKind, kind_by_status, one_line, printable, recognise
from pytest_provider_contract.profile import Kind, Profile, Status
from pytest_provider_contract.redaction import status_text
from pytest_provider_contract.signing import SigningKey
from pytest_provider_contract.transport import Endpoint, Failure, Reply

_OF_THE_CONTRACT = frozenset({"status", "requestId", "clientPlayerId", "balance"})
_REFUSALS = frozenset({PageKind.BLOCKED, PageKind.CREDENTIALS, PageKind.VALIDATION})
_LONGEST_VALUE = 400
_MOST_VALUES = 50
_IMPATIENT_S = 2.0
_YES = frozenset({"success", "ok"})
_VARIES = re.compile(r"\d{4}-\d\d-\d\d[T ]|[0-9a-f]{8}-[0-9a-f]{4}-|^[0-9a-f]{16,}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one callback was answered.

    Attributes:
        exchange: The callback and its reply.
        page: What answered instead of the wallet, or None.
        document: The wallet's own reply under contract names, or None.
        status: The contract's status that it tells, or None.
        word: The status as it came, or empty.
        skew_s: Seconds that the wallet's clock is ahead of this machine's, or None.
    """

    exchange: Exchange
    page: Page | None
    document: Mapping[str, object] | None
    status: Status | None
    word: str
    skew_s: float | None

    @property
    def is_silent(self) -> bool:
        """Whether nothing came back that could be read."""
        return self.exchange.reply.status is None

    @property
    def is_answer(self) -> bool:
        """Whether the wallet itself answered."""
        return self.document is not None

    @property
    def succeeds(self) -> bool:
        """Whether the wallet said yes, however it spells it."""
        if self.document is None or self.status is not None:
            return self.status is Status.SUCCESS
        # A status of its own: an answer with money in it is taken for a yes, and left to the suite.
        return self.word.lower() in _YES or self.document.get("balance") is not None

    @property
    def refuses(self) -> bool:
        """Whether the wallet said no."""
        return self.is_answer and not self.succeeds

    @property
    def balance(self) -> int | None:
        """The balance it tells, in minor units, or None."""
        value = (self.document or {}).get("balance")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def currency(self) -> str | None:
        """The currency it tells, or None."""
        value = (self.document or {}).get("currency")
        return printable(value) if isinstance(value, str) else None

    @property
    def words(self) -> str:
        """What the wallet says in its reply, one value a line, but for what it echoes.

        As it came, to be searched; never to be shown.
        """
        sent = set(self.exchange.callback.fields().values())
        said: list[str] = []
        left: list[object] = [self.document]
        while left and len(said) < _MOST_VALUES:
            value = left.pop(0)
            if isinstance(value, str):
                said += [value[:_LONGEST_VALUE]] if value not in sent else []
            elif isinstance(value, dict | list):
                left += value.values() if isinstance(value, dict) else value
        return "\n".join(said)

    def __str__(self) -> str:
        reply = self.exchange.reply
        said = f"/{self.exchange.kind} "
        if reply.status is None:
            return said + f"no reply: {reply.failure}" + (f" ({_detail(reply)})" if reply.detail else "")
        said += f"HTTP {reply.status}" if reply.status != HTTP_OK or self.page else ""
        if self.page is not None:
            return f"{said}, {self.page}"
        words = [said.strip(), one_line(status_text(self.word)) or "a reply without a status"]
        message = next((m for k in ("message", "error", "description") if (m := (self.document or {}).get(k))), None)
        return " ".join(words) + (f" ({printable(str(message))})" if message is not None else "")

    def alike(self, other: Heard) -> bool:
        """Whether two replies say the same, but for what belongs to each request."""
        return self._gist() == other._gist()

    def _gist(self) -> object:
        own = {self.exchange.callback.request_id: "request", self.exchange.callback.player_id: "player"}
        fields = {
            name: own.get(value, value) if isinstance(value, str) else value
            for name, value in (self.document or {}).items()
            if not (isinstance(value, str) and value not in own and _VARIES.search(value))
        }
        return (
            self.exchange.reply.status,
            self.page and self.page.kind,
            json.dumps(fields, sort_keys=True, default=str),
        )


class Prober:
    """Sends the callbacks of a first look, one at a time.

    Args:
        endpoint: Where the wallet should be.
        profile: The dialect of the callbacks.
        key: Signs them; None sends no signature.
        rate: At most so many a second, or None.
        game: The game that bets name, or None for new ones.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        profile: Profile,
        key: SigningKey | None,
        rate: float | None = None,
        game: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.sent = 0
        self._game = game
        self._profile = profile
        self._key = key
        self._rate = rate
        self._client = self._new_client(endpoint)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def balance(self, player: Player, envelope: Envelope = ORDINARY, *, ahead_s: float = 0.0) -> Heard:
        """Ask for a balance; `ahead_s` moves the timestamp."""
        callback = self._callback(Kind.BALANCE, player)
        if ahead_s:
            shifted = datetime.now(UTC) + timedelta(seconds=ahead_s)
            stamp = shifted.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            callback = replace(callback, timestamp=stamp)
        return self.send(callback, envelope)

    def spelled(self, player: Player, *, spaced: bool, ordered: bool) -> Heard:
        """Ask for a balance with a body as other serialisers write it.

        Args:
            player: Whose balance.
            spaced: With a space after commas and colons, as Python's ``json.dumps`` does.
            ordered: With the names in alphabetical order, as Go writes a map.
        """
        callback = self._callback(Kind.BALANCE, player)
        separators = (", ", ": ") if spaced else (",", ":")
        wire = self._profile.to_wire(callback.fields())
        raw = json.dumps(wire, separators=separators, sort_keys=ordered).encode()
        return self.send(callback, Envelope(raw=raw))

    def bet(self, player: Player, amount: int, currency: str) -> Heard:
        """Place a bet; whoever does rolls it back."""
        return self.send(
            replace(
                self._callback(Kind.BET, player),
                transaction_id=new_id(),
                round_id=new_id(),
                game_id=self._game or new_id(),
                amount=amount,
                currency=currency,
            )
        )

    def rollback(self, player: Player, bet: Callback | None = None) -> Heard:
        """Roll a bet back, or one that no wallet knows."""
        return self.send(
            replace(
                self._callback(Kind.ROLLBACK, player),
                transaction_id=new_id(),
                reference_id=bet.transaction_id if bet else new_id(),
                round_id=bet.round_id if bet else new_id(),
                game_id=bet.game_id if bet else self._game or new_id(),
                round_closed=True,
            )
        )

    def win(self, player: Player, bet: Callback, amount: int) -> Heard:
        """Settle a bet."""
        return self.send(
            replace(
                bet,
                kind=Kind.WIN,
                request_id=new_id(),
                player_id=player.player_id,
                timestamp=now(),
                transaction_id=new_id(),
                reference_id=bet.transaction_id,
                amount=amount,
                round_closed=True,
            )
        )

    def win_of_nothing(self, player: Player, currency: str, envelope: Envelope = ORDINARY) -> Heard:
        """Settle a bet that no wallet knows with a win of 0, which moves nothing either way."""
        return self.send(
            replace(
                self._callback(Kind.WIN, player),
                transaction_id=new_id(),
                reference_id=new_id(),
                round_id=new_id(),
                game_id=self._game or new_id(),
                amount=0,
                currency=currency,
                round_closed=True,
            ),
            envelope,
        )

    def elsewhere(self, path: str, player: Player, *, slash: bool = False) -> Heard:
        """Ask for a balance under another base path of the same host.

        Args:
            path: The base path.
            player: Whose balance.
            slash: Whether the callback's own path gets a slash at its end.
        """
        client = self._new_client(replace(self.endpoint, path=path))
        if slash:
            terms = self._profile.callbacks[Kind.BALANCE]
            paths = {**self._profile.callbacks, Kind.BALANCE: replace(terms, path=terms.path + "/")}
            client.profile = replace(self._profile, callbacks=paths)
        try:
            self.sent += 1
            return hear(client, self._callback(Kind.BALANCE, player))
        finally:
            client.close()

    def send(self, callback: Callback, envelope: Envelope = ORDINARY) -> Heard:
        """Send one callback; once more with a new requestId where an idle connection was closed."""
        self.sent += 1
        heard = hear(self._client, callback, envelope)
        if callback.kind is Kind.BALANCE and heard.exchange.reply.failure is Failure.TIMEOUT:
            # The others are asked only for more about it: no need to wait as long for each.
            self._client.profile = _impatient(self._profile)
        if heard.exchange.reply.idle:
            heard = hear(self._client, replace(callback, request_id=new_id(), timestamp=now()), envelope)
        return heard

    def _new_client(self, endpoint: Endpoint) -> OperatorClient:
        client = OperatorClient(endpoint, self._profile, self._key, rate=self._rate)
        client.label = "PREFLIGHT"
        return client

    @staticmethod
    def _callback(kind: Kind, player: Player) -> Callback:
        return Callback(kind, new_id(), player.player_id, player.session_id, now())


def _impatient(profile: Profile) -> Profile:
    callbacks = {
        kind: replace(terms, deadline_s=min(terms.deadline_s, _IMPATIENT_S))
        for kind, terms in profile.callbacks.items()
    }
    return replace(profile, callbacks=callbacks)


def hear(client: OperatorClient, callback: Callback, envelope: Envelope = ORDINARY) -> Heard:
    """Send one callback and read its reply."""
    try:
        exchange = client.send(callback, envelope)
    except OperatorGoneError:
        exchange = client.recorder.recent[-1]  # a first look counts for itself
    reply = exchange.reply
    skew_s = _skew_s(reply.header("date"))
    document = _own(exchange, client.profile)
    page = None
    if document is None and reply.status is not None:
        page = recognise(reply) or Page(kind_by_status(reply.status), note="what it sends is no JSON object")
        if reply.failure is not None:
            page = Page(PageKind.OTHER, note=str(reply.failure))
    word = str((document or {}).get("status", ""))
    return Heard(exchange, page, document, client.profile.status(word), word, skew_s)


def _detail(reply: Reply) -> str:
    # A library's words about a malformed reply quote what the operator sent.
    malformed = reply.failure in (Failure.NOT_HTTP, Failure.INCOMPLETE)
    return printable(reply.detail) if malformed else one_line(reply.detail)


def _own(exchange: Exchange, profile: Profile) -> dict[str, object] | None:
    """The reply's object if the wallet wrote it, whatever else may be wrong with it."""
    reply = exchange.reply
    if reply.status is None or recognise(reply) is not None:
        return None
    try:
        value = json.loads(reply.body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    fields = profile.from_wire(value)
    # A wallet may refuse with a status and words of its own; an unknown address or a crash is none.
    own = reply.status == HTTP_OK or kind_by_status(reply.status) in _REFUSALS
    return fields if own or not _OF_THE_CONTRACT.isdisjoint(fields) else None


def _skew_s(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        told = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return None
    if told.tzinfo is None:
        return None
    # A Date has whole seconds, cut off.
    ahead_s = (told - datetime.now(UTC)).total_seconds()
    return ahead_s if ahead_s > 0 else min(ahead_s + 1, 0.0)
