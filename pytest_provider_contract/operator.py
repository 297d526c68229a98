"""The `operator` fixture: a provider's client for an operator's own tests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pytest_provider_contract.callbacks import Callback, about, new_id, now, retried
from pytest_provider_contract.checks import Answer, Violation, read_answer
from pytest_provider_contract.client import TRIES_IF_IDLE, OperatorClient
from pytest_provider_contract.history import Exchange, Player
from pytest_provider_contract.ledger import Ledger
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.provider import Performance, Provider
from pytest_provider_contract.scenario import Scenario


@dataclass(slots=True)
class Operator:
    """Sends single callbacks, each with fresh ids unless told otherwise.

    Every method returns the exchange; `answer` reads its reply. Amounts are minor units.

    Attributes:
        provider: Plays whole scenarios.
        exchanges: All that was sent through this object.
    """

    provider: Provider
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def client(self) -> OperatorClient:
        """The client underneath, for callbacks of one's own making."""
        return self.provider.client

    def balance(self, player: Player | None = None) -> Exchange:
        """Ask for a player's balance."""
        return self.send(self._callback(Kind.BALANCE, player))

    def bet(self, amount: int, player: Player | None = None, *, round_id: str | None = None) -> Exchange:
        """Place a new bet."""
        return self.send(
            replace(
                self._callback(Kind.BET, player),
                transaction_id=new_id(),
                round_id=round_id or new_id(),
                game_id=self.provider.game(),
                amount=amount,
                currency=self.currency(player),
            )
        )

    def win(self, bet: Exchange, amount: int, *, round_closed: bool = True) -> Exchange:
        """Settle a bet; amount 0 is a lost one."""
        return self.send(
            about(bet.callback, Kind.WIN, round_closed=round_closed, amount=amount, currency=bet.callback.currency)
        )

    def rollback(self, bet: Exchange, *, round_closed: bool = True) -> Exchange:
        """Roll a bet back, each time with a new transactionId as the provider does."""
        return self.send(about(bet.callback, Kind.ROLLBACK, round_closed=round_closed))

    def retry(self, exchange: Exchange) -> Exchange:
        """Send a callback again: same transaction, new requestId and timestamp."""
        return self.send(retried(exchange.callback))

    def send(self, callback: Callback) -> Exchange:
        """Send any callback; again if its connection was closed while idle."""
        for _ in range(TRIES_IF_IDLE):
            exchange = self.client.send(callback)
            if not exchange.reply.idle:
                break
            callback = retried(callback)
        self.exchanges.append(exchange)
        self.provider.known.clear()
        return exchange

    def answer(self, exchange: Exchange) -> Answer:
        """What the reply says.

        Raises:
            AssertionError: The reply is not one of the contract; the message names the rule.
        """
        found = read_answer(exchange, self.client.profile)
        if isinstance(found, Violation):
            raise AssertionError(  # noqa: TRY004 - a failed check, not a wrong argument
                f"{found.rule}: expected {found.expected}, got {found.actual}"
            )
        return found

    def play(self, scenario: Scenario) -> Performance:
        """Play a whole scenario and judge it."""
        return self.provider.play(scenario)

    def ledger(self) -> Ledger:
        """The oracle for the test players."""
        currencies = {p.player_id: self.currency(p) for p in self.provider.players}
        return Ledger(currencies, frozenset(self.provider.rewards), self.client.profile.either)

    def currency(self, player: Player | None = None) -> str:
        """A player's currency, asked of the operator once if the options do not tell."""
        index = self.provider.players.index(player) if player in self.provider.players else 0
        if self.provider.players[index].currency is None:
            self.provider.balance(index)
        return self.provider.currency(index)

    def _callback(self, kind: Kind, player: Player | None) -> Callback:
        who = player or self.provider.players[0]
        return Callback(kind, new_id(), who.player_id, who.session_id, now())
