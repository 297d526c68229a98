"""What a diagnosis looks at: one recorded history and the right ledger it was judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile

from pytest_provider_contract.checks import Answer, Violation, read_answer
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.ledger import Branch, Ledger, State
from pytest_provider_contract.profile import Kind, Profile, Status
from pytest_provider_contract.provider import Performance
from pytest_provider_contract.transport import Failure

# Replies that the provider itself did not wait for: nobody knows what they would have said.
_ON_PURPOSE = (Failure.CUT, Failure.ABANDONED)


@dataclass(frozen=True)
class Record:
    """One history to explain.

    Attributes:
        exchanges: What was sent and answered after the opening balances.
        opening: What the wallet held before, as it told it.
        ledger: The right ledger.
        profile: The dialect of the replies.
        insist: Whether a bet declined without a reason counts as unexplained.
        strict: SHOULD rules that count as broken if they are not followed.
        together: Indexes of exchanges that were sent at the same time as the one before.
        earlier: Callbacks that succeeded before: player, kind, amount.
        rule: The rule that was found broken; None for none.
    """

    exchanges: tuple[Exchange, ...]
    opening: State
    ledger: Ledger
    profile: Profile
    insist: bool = False
    strict: frozenset[str] = field(default_factory=frozenset)
    together: frozenset[int] = field(default_factory=frozenset)
    earlier: frozenset[tuple[str, Kind, int]] = field(default_factory=frozenset)
    rule: str | None = None

    @classmethod
    def of(
        cls,
        performance: Performance,
        profile: Profile,
        *,
        insist: bool = False,
        strict: frozenset[str] = frozenset(),
    ) -> Record | None:
        """The record of a performance; None if not even a balance could be read."""
        if performance.ledger is None or performance.opening is None:
            return None
        numbered = [pair for pair in zip(performance.exchanges, performance.steps, strict=True) if pair[1] >= 0]
        played = tuple(exchange for exchange, _ in numbered)
        planned = performance.scenario.steps
        together = frozenset(i for i, (_, n) in enumerate(numbered) if i and n < len(planned) and planned[n].together)
        readable = takewhile(lambda e: not isinstance(_told(e, profile), Violation), performance.aftermath)
        told = (*played, *readable)
        rule = None if performance.violation is None else performance.violation.rule
        return cls(told, performance.opening, performance.ledger, profile, insist, strict, together, rule=rule)

    @property
    def groups(self) -> list[list[Exchange]]:
        """The exchanges; those that were sent at the same time in one group."""
        groups: list[list[Exchange]] = []
        for number, exchange in enumerate(self.exchanges):
            if number in self.together:
                groups[-1].append(exchange)
            else:
                groups.append([exchange])
        return groups

    @property
    def succeeded(self) -> set[tuple[str, Kind, int]]:
        """Callbacks with an amount that were answered with SUCCESS: player, kind, amount."""
        return {
            (exchange.callback.player_id, exchange.kind, exchange.callback.amount)
            for exchange, answer in zip(self.exchanges, self.answers, strict=True)
            if isinstance(answer, Answer) and answer.status is Status.SUCCESS and exchange.callback.amount
        }

    @property
    def is_in_turn(self) -> bool:
        """Whether every callback was sent after the reply to the one before, and nothing disturbed it."""
        return not self.together and not any(exchange.fault for exchange in self.exchanges)

    @cached_property
    def answers(self) -> Sequence[Answer | Violation | None]:
        """What each reply says; None for one that nobody waited for or that was lost."""
        return [_told(exchange, self.profile) for exchange in self.exchanges]

    def conforms(self, branch: Branch, exchange: Exchange) -> bool:
        """Whether a branch of the right ledger may be called an explanation of this record."""
        if branch.advisory & self.strict:
            return False
        own_reasons = branch.rule is None and Status.SUCCESS not in branch.statuses
        return not (self.insist and exchange.kind is Kind.BET and own_reasons)

    def breach(self) -> tuple[Exchange | None, Answer | None, list[State]]:
        """The first answer that the right ledger does not explain, and the states before it."""
        return self._breach

    @cached_property
    def _breach(self) -> tuple[Exchange | None, Answer | None, list[State]]:
        states = [self.opening]
        for exchange, answer in zip(self.exchanges, self.answers, strict=True):
            branches = [
                branch
                for state in states
                for branch in self.ledger.branches(state, exchange.callback, exchange.defect)
                if self.conforms(branch, exchange)
            ]
            if isinstance(answer, Violation):
                return exchange, None, states
            following = [branch.state for branch in branches if answer is None or matches(branch, answer)]
            if not following:
                return exchange, answer, states
            states = list(dict.fromkeys(following))
        return None, None, states


def _told(exchange: Exchange, profile: Profile) -> Answer | Violation | None:
    unknown = exchange.reply.idle or exchange.reply.failure in _ON_PURPOSE
    return None if unknown else read_answer(exchange, profile)


def matches(branch: Branch, answer: Answer) -> bool:
    """Whether a branch gives an answer, status and balance."""
    if answer.status not in branch.statuses:
        return False
    return branch.balances is None or answer.balance is None or answer.balance in branch.balances
