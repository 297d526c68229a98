"""A network and operators in memory: real provider, client and judge, without sockets, keys or waiting.

`Wire` stands where the client has its `Pool`. It keeps a clock of its own and interleaves what
happens to callbacks sent together, so that it shows in a second what sockets show in minutes:
any order of effects, balances read before or after them, replies lost, requests carried out
long after their client has gone, and deliveries that come twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Protocol

from honest_wallets import HEADERS, OK, PLAYERS, PROFILE, REWARD, Wallet, fields_of

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.client import OperatorClient
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.provider import Provider
from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.variants import Parts
from pytest_provider_contract.run import ContractRun
from pytest_provider_contract.settings import EFFORTS, Settings
from pytest_provider_contract.transport import Endpoint, Failure, Fault, Reply, Request, Timed


class Operator(Protocol):
    """An operator in memory."""

    def begin(self, request: Request) -> None:
        """Take a request in, before anything is done about it."""

    def serve(self, request: Request) -> Reply:
        """Carry a request out."""

    def money(self) -> dict[str, int]:
        """Minor units per player."""


class ReferenceOperator:
    """The bundled operator, or a variant of it, on a database in memory; signatures are not checked."""

    def __init__(self, parts: Parts, balance: int) -> None:
        store = parts.wallet.store_class(Path(":memory:"))
        for player in PLAYERS:
            store.open_account(Account(player.player_id, player.session_id, "EUR", balance))
        self._store = store
        self._gateway = parts.gateway(parts.wallet(store, {REWARD}), None, parts.reader())

    def begin(self, request: Request) -> None:
        """Nothing is looked at before its turn."""

    def serve(self, request: Request) -> Reply:
        """Carry a request out."""
        response = self._gateway.serve("POST", request.path, {}, request.body)
        told = tuple((name.lower().encode(), value.encode()) for name, value in response.headers)
        return Reply(int(response.status), told, response.body)

    def money(self) -> dict[str, int]:
        """Minor units per player."""
        return dict(self._store.connection.execute("SELECT player_id, balance FROM players"))


class HonestOperator:
    """One of the wallets of `honest_wallets` behind the wire.

    Args:
        wallet: Decides.
        before: Called with the wallet before each callback.
    """

    def __init__(self, wallet: Wallet, before: Callable[[Wallet], None] = lambda _: None) -> None:
        self.wallet = wallet
        self._before = before

    def begin(self, request: Request) -> None:
        """Nothing is looked at before its turn."""

    def serve(self, request: Request) -> Reply:
        """Carry a request out."""
        self._before(self.wallet)
        callback = read(request)
        status, told = self.wallet.answer(callback)
        return Reply(200, HEADERS, json.dumps(fields_of(callback, status, told)).encode())

    def money(self) -> dict[str, int]:
        """Minor units per player."""
        return dict(self.wallet.money)


def read(request: Request) -> Callback:
    """The callback that a request carries."""
    return Callback.from_fields(Kind(request.path.removeprefix("/")), json.loads(request.body))


@dataclass(slots=True)
class _Delivery:
    """One request on its way, and what is still to happen to it."""

    request: Request
    events: list[str]
    started_s: float = 0.0
    ended_s: float = 0.0
    reply: Reply = field(default_factory=lambda: Reply(None))
    moved: bool = False
    first_seen: int | None = None
    told: int | None = None


@dataclass(slots=True)
class Weather:
    """How the network and the replies behave; chances from 0 to 1.

    Attributes:
        arrives: That a request without a client is carried out at one of the moments after.
        closes: That a callback's connection turns out to have been closed while idle.
        rereads: That a reply reports a balance of another moment than that of its effect, as
            far as the contract allows.
        repeats: That a repetition's reply reports the balance that the first reply did.
    """

    arrives: float = 0.2
    closes: float = 0.003
    rereads: float = 0.3
    repeats: float = 0.3


class Wire:
    """Hands requests to an operator; stands where the client has its pool of connections."""

    def __init__(self, operator: Operator, chance: Random, weather: Weather | None = None) -> None:
        self.operator = operator
        self.late: list[Request] = []
        self.carried = 0
        self._chance = chance
        self._weather = weather or Weather()
        self._now_s = 0.0
        self._first: dict[tuple[object, ...] | None, _Delivery] = {}

    def close(self) -> None:
        """There is nothing to close."""

    def exchange(self, request: Request) -> Timed:
        """Send one request and wait for its reply."""
        return self.send_together([request])[0]

    def send_together(self, requests: Sequence[Request]) -> list[Timed]:
        """Send requests at the same time; a `Timed` for each, in their order."""
        sent = [[self._delivery(r) for _ in range(2 if r.fault is Fault.TWICE else 1)] for r in requests]
        for delivery in self._interleaved([delivery for each in sent for delivery in each]):
            self._now_s = max(self._now_s + 1e-6, time.monotonic())
            self._let_late_ones_arrive()
            self._happen(delivery, delivery.events.pop(0))
        return [self._timed(each) for each in sent]

    def _delivery(self, request: Request) -> _Delivery:
        if request.fault is not None and request.fault.hides_reply:
            events = ["start", "cut off"]
        elif request.fault is None and self._closes(request):
            events = ["start", *["effect"] * self._chance.randrange(2), "close"]
        else:
            events = ["start", "effect", "read", "end"]
        return _Delivery(request, events)

    def _closes(self, request: Request) -> bool:
        return self._chance.random() < self._weather.closes

    def _interleaved(self, deliveries: list[_Delivery]) -> Iterator[_Delivery]:
        if self._chance.random() < 0.7:
            yield from deliveries  # their last bytes leave together
        while waiting := [delivery for delivery in deliveries if delivery.events]:
            yield self._chance.choice(waiting)

    def _let_late_ones_arrive(self) -> None:
        for request in list(self.late):
            if self._chance.random() < self._weather.arrives:
                self.late.remove(request)
                self.operator.begin(request)
                self._carry_out(_Delivery(request, []))

    def _happen(self, delivery: _Delivery, event: str) -> None:
        request = delivery.request
        match event:
            case "start":
                delivery.started_s = self._now_s
                delivery.first_seen = self._money_of(request)
                if request.fault is None or not request.fault.hides_reply:
                    self.operator.begin(request)
            case "effect":
                self._carry_out(delivery)
                if not delivery.moved and self._chance.random() < self._weather.rereads:
                    delivery.reply = _telling(delivery.reply, delivery.first_seen)
            case "read":
                self._read(delivery)
            case "cut off":
                if request.fault is not Fault.CUT:
                    self.late.append(request)
                failure = Failure.CUT if request.fault is Fault.CUT else Failure.ABANDONED
                delivery.reply = Reply(None, failure=failure)
            case "close":
                delivery.reply = Reply(None, failure=Failure.CLOSED, idle=True)
        delivery.ended_s = self._now_s

    def _carry_out(self, delivery: _Delivery) -> None:
        before = self._money_of(delivery.request)
        delivery.reply = self.operator.serve(delivery.request)
        delivery.moved = before != self._money_of(delivery.request)
        self.carried += 1
        if (key := _key(delivery)) is not None and (delivery.moved or key not in self._first):
            self._first[key] = delivery

    def _read(self, delivery: _Delivery) -> None:
        if self._chance.random() < self._weather.rereads:
            delivery.reply = _telling(delivery.reply, self._money_of(delivery.request))
        first = self._first.get(_key(delivery))
        if first is delivery:
            delivery.told = _balance(delivery.reply)
        elif first is not None and self._chance.random() < self._weather.repeats:
            # Nobody remembers a reply that has not been written yet.
            delivery.reply = _telling(delivery.reply, first.told)

    def _money_of(self, request: Request) -> int | None:
        return self.operator.money().get(str(_fields(request.body).get("clientPlayerId")))

    def _timed(self, deliveries: Sequence[_Delivery]) -> Timed:
        first, *others = sorted(deliveries, key=lambda delivery: delivery.ended_s)
        timed = [Timed(delivery.reply, delivery.started_s, delivery.ended_s) for delivery in (first, *others)]
        return replace(timed[0], twin=timed[1]) if others else timed[0]


def _fields(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, empty where it is none."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _key(delivery: _Delivery) -> tuple[object, ...] | None:
    """What a repetition of a successful callback is recognised by; None if there is nothing to repeat."""
    asked, kind = _fields(delivery.request.body), delivery.request.path
    if kind == "/balance" or _fields(delivery.reply.body).get("status") != OK.value:
        return None
    known_by = asked.get("referenceTransactionId" if kind == "/rollback" else "transactionId")
    return (kind, str(asked.get("clientPlayerId")), str(known_by))


def _balance(reply: Reply) -> int | None:
    balance = _fields(reply.body).get("balance")
    return balance if isinstance(balance, int) else None


def _telling(reply: Reply, balance: int | None) -> Reply:
    """A reply that reports another balance, if it reports one."""
    if balance is None or _balance(reply) is None:
        return reply
    return replace(reply, body=json.dumps({**_fields(reply.body), "balance": balance}).encode())


def provider_over(wire: Wire) -> Provider:
    """A provider that plays over a wire in memory."""
    client = OperatorClient(Endpoint.parse("http://127.0.0.1:1"), PROFILE, None)
    client._pool = wire  # type: ignore[assignment]
    return Provider(client, PLAYERS, (REWARD,))


CALM = Weather(arrives=1, closes=0, rereads=0, repeats=0)


def run_at(wallet: Wallet, folder: Path, arrival: int = 1) -> ContractRun:
    """A run against a wallet, over a network that disturbs nothing but the order of arrival."""
    settings = Settings(
        target="http://127.0.0.1:9",
        endpoint=Endpoint.parse("http://127.0.0.1:9"),
        profile=PROFILE,
        players=PLAYERS,
        effort=EFFORTS["quick"],
        unsigned=True,
        directory=folder,
        seed=1,
    )
    run = ContractRun(settings)
    run.client._pool = Wire(HonestOperator(wallet), Random(arrival), CALM)  # type: ignore[assignment]
    return run
