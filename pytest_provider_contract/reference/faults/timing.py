"""Answers that come too late, and money that moves when nobody waits for it any more."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar

from pytest_provider_contract.reference.gateway import Gateway, Request, Response
from pytest_provider_contract.reference.messages import Bet, Callback, MalformedError, Reply, decode
from pytest_provider_contract.reference.server import Server
from pytest_provider_contract.reference.variants import fault
from pytest_provider_contract.reference.wallet import Wallet

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from waitress.adjustments import Adjustments  # type: ignore[import-untyped]

_TOO_LATE = 9


class _Sometimes(Gateway):
    """Is slow in every tenth reply to some of the callbacks."""

    names: ClassVar[tuple[str, ...]]
    seconds: ClassVar[float]
    every: ClassVar[int] = 10
    _count: ClassVar[Iterator[int]] = itertools.count(1)

    def respond(self, request: Request) -> Response:
        """Answers, at times later."""
        response = super().respond(request)
        if request.name in self.names and next(self._count) % self.every == 0:
            time.sleep(self.seconds)
        return response


@fault("every-tenth-bet-takes-9-seconds", "TIME-01")
class EveryTenthBetTakes9Seconds(_Sometimes):
    """Every tenth bet is answered after nine seconds, when the provider has given it up."""

    names, seconds = ("bet",), _TOO_LATE


@fault("every-tenth-reply-takes-1500ms", "TIME-02")
class EveryTenthReplyTakes1500ms(_Sometimes):
    """Every tenth reply takes a second and a half."""

    names, seconds = ("balance", "bet", "win", "rollback"), 1.5


@fault("balance-takes-1200ms", "TIME-02")
class BalanceTakes1200ms(_Sometimes):
    """Every balance takes more than a second."""

    names, seconds, every = ("balance",), 1.2, 1


@fault("every-tenth-bet-trickles", "TIME-01")
class EveryTenthBetTrickles(Gateway):
    """Every tenth reply to a bet begins at once, but its end comes nine seconds later."""

    _count: ClassVar[Iterator[int]] = itertools.count(1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serves one HTTP request, at times in two halves."""
        body = b"".join(super().__call__(environ, start_response))
        if environ["PATH_INFO"] == "/bet" and next(self._count) % 10 == 0:
            return self._halves(body)
        return [body]

    def _halves(self, body: bytes) -> Iterator[bytes]:
        middle = len(body) // 2
        yield body[:middle]
        time.sleep(_TOO_LATE)
        yield body[middle:]


@fault("every-tenth-bet-debits-after-9-seconds", "TIME-01", "ROLLBACK-05")
class EveryTenthBetDebitsAfter9Seconds(Wallet):
    """Every tenth bet waits nine seconds and then debits, although its rollback has come meanwhile."""

    _count: ClassVar[Iterator[int]] = itertools.count(1)
    _waited: ClassVar[set[str]] = set()

    def answer(self, callback: Callback) -> Reply:
        """Carries the callback out, at times later."""
        if isinstance(callback, Bet) and next(self._count) % 10 == 0 and not self._is_buried(callback):
            time.sleep(_TOO_LATE)
            self._waited.add(callback.request_id)
        return super().answer(callback)

    def _is_buried(self, bet: Bet) -> bool:
        return bet.request_id not in self._waited and super()._is_buried(bet)


class _Forgetful(Gateway):
    """Looks after a bet whether the client is still there."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = super().__call__(environ, start_response)
        if environ["PATH_INFO"] == "/bet":
            time.sleep(0.02)
            if environ["waitress.client_disconnected"]():
                environ["wsgi.input"].seek(0)
                self._forget(environ["wsgi.input"].read())
        return answer

    def _forget(self, body: bytes) -> None:
        try:
            bet_id = decode(body).get("transactionId")
        except MalformedError:
            return
        store = self._wallet._store  # noqa: SLF001  a fault may
        store.connection.execute("DELETE FROM bets WHERE transaction_id = ?", (bet_id,))


@fault("abandoned-bet-forgotten", "LOST-01", "LOST-02", "LOST-08", "IDEM-01", "ROLLBACK-01")
class AbandonedBetForgotten(Server):
    """A bet whose client goes away before the reply stays debited but is forgotten: a retry debits again."""

    gateway_class = _Forgetful

    def _adjust(self, adjustments: Adjustments) -> None:
        adjustments.channel_request_lookahead = 1  # else waitress does not notice who is gone
