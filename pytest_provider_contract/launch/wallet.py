"""The operator's wallet as the stand-in sees it: one player's callbacks, sent and judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from pytest_provider_contract.callbacks import Callback, new_id, now, retried
from pytest_provider_contract.checks import HTTP_OK, Answer, Violation, read_answer
from pytest_provider_contract.client import TRIES_IF_IDLE, OperatorClient, OperatorGoneError
from pytest_provider_contract.diagnosis.forms import causes_of_form
from pytest_provider_contract.finding import http_line
from pytest_provider_contract.history import Exchange, Player
from pytest_provider_contract.launch.findings import Findings
from pytest_provider_contract.launch.requests import Mistake
from pytest_provider_contract.ledger import Ledger, State
from pytest_provider_contract.profile import Kind, Profile
from pytest_provider_contract.signing import SigningKey
from pytest_provider_contract.transport import Endpoint, Reply
from pytest_provider_contract.verdict import Judge, opening_balance


@dataclass(frozen=True, slots=True)
class Wallet:
    """Where an operator's callbacks go, and how they are signed; `key` None signs nothing."""

    endpoint: Endpoint
    profile: Profile
    key: SigningKey | None

    @contextmanager
    def line(self, player: Player, findings: Findings, trail: Sequence[str] = ()) -> Iterator[Line]:
        """A connection of one player, open for the length of a ``with``.

        Args:
            player: Whose callbacks they are, with the currency known.
            findings: Where broken rules go.
            trail: What led to it, in words.
        """
        client = OperatorClient(self.endpoint, self.profile, self.key)
        client.label = "launch"
        try:
            yield Line(client, player, findings, list(trail))
        finally:
            client.close()


@dataclass(slots=True)
class Line:
    """Sends a player's callbacks and holds every answer against the ledger.

    Attributes:
        trail: Every callback in words.
        states: What the wallet may hold, as far as its answers tell; empty when nobody can say.
    """

    client: OperatorClient
    player: Player
    findings: Findings
    trail: list[str] = field(default_factory=list)
    _judges: list[Judge] = field(default_factory=list)
    _reported: set[str] = field(default_factory=set)
    _latest: Exchange | None = None

    @property
    def states(self) -> list[State]:
        """Every state that explains what was seen."""
        return [state for judge in self._judges for state in judge.states]

    def open(self, known: Sequence[State] = (), blame: str | None = None) -> Answer | None:
        """Ask for the balance, and judge from there on.

        Args:
            known: States of earlier; of them all but the balance still counts.
            blame: The rule that is broken when there is no balance, instead of the wallet's own.

        Returns:
            The answer, or None after reporting what is wrong with it.
        """
        exchange = self._exchange(self.callback(Kind.BALANCE), "balance")
        answer = opening_balance(exchange, self.client.profile)
        if isinstance(answer, Violation):
            if blame is not None:
                answer = replace(answer, rule=blame, actual=f"{answer.actual} ({answer.rule})")
            self._report(answer, exchange)
            return None
        profile, player = self.client.profile, self.player
        ledger = Ledger({player.player_id: player.currency or ""}, either=profile.either)
        money = {player.player_id: answer.balance or 0}
        self._judges = [
            Judge(ledger, profile, State(money, s.bets, s.wins, s.rollbacks, s.closed))
            for s in known or (State(money),)
        ]
        return answer

    def send(self, callback: Callback, words: str) -> tuple[Answer | None, str | None]:
        """Send a callback and report what its answer breaks.

        Returns:
            What the reply says, None where there is no proper one, and then why.
        """
        for _ in range(TRIES_IF_IDLE):
            exchange = self._exchange(callback, words)
            self._judge(exchange)
            if not exchange.reply.idle:
                break
            callback = retried(callback)
        answer = None if exchange.reply.idle else read_answer(exchange, self.client.profile)
        return (answer, None) if isinstance(answer, Answer) else (None, _why(exchange))

    def send_and_forget(self, callback: Callback, words: str) -> None:
        """Send a callback and drop its answer, as a provider does that breaks down meanwhile."""
        self._exchange(callback, words)

    def blame(self, rule: str, expected: str, actual: str) -> None:
        """Report what only the launch can know to be wrong with the latest answer."""
        assert self._latest is not None  # noqa: S101 - there is an answer to be blamed
        self._report(Violation(rule, expected, actual), self._latest)

    def callback(self, kind: Kind) -> Callback:
        """A callback of the player's, without what belongs to bets."""
        return Callback(kind, new_id(), self.player.player_id, self.player.session_id, now())

    def _exchange(self, callback: Callback, words: str) -> Exchange:
        seen: list[Exchange] = []
        self.client.observer = seen.append
        self.trail.append(words)
        # The suite stops when the operator is gone; a provider goes on trying.
        with suppress(OperatorGoneError):
            self.client.send(callback)
        self._latest = seen[-1]
        return self._latest

    def _judge(self, exchange: Exchange) -> None:
        verdicts = [(judge, judge.see(exchange)) for judge in self._judges]
        if not verdicts:
            return
        explained = [judge for judge, violation in verdicts if violation is None]
        violation = verdicts[0][1]
        if explained or violation is None:
            self._judges = explained
            return
        self._report(violation, exchange)
        if isinstance(read_answer(exchange, self.client.profile), Answer):
            self._judges = []  # the money is wrong: from here on nobody can say what the wallet holds
            return
        # No proper reply: the callback may have been carried out or not.
        lost = replace(exchange, reply=Reply(None, idle=True))
        for judge in self._judges:
            judge.see(lost)

    def _report(self, violation: Violation, exchange: Exchange) -> None:
        if violation.rule not in self._reported:
            self._reported.add(violation.rule)
            mistake = Mistake(violation.rule, violation.expected, violation.actual)
            causes = causes_of_form((exchange,), violation, self.client.profile)
            self.findings.report(mistake, http_line(exchange), self.trail, causes)


def _why(exchange: Exchange) -> str:
    reply = exchange.reply
    if reply.failure is not None:
        return f"/{exchange.kind}: {reply.failure}"
    if reply.status != HTTP_OK:
        return f"/{exchange.kind}: HTTP {reply.status}"
    return f"/{exchange.kind}: a reply that is none of the contract"
