"""Whether a ledger with a flaw explains every answer of a recorded history."""

from __future__ import annotations

from pytest_provider_contract.checks import Answer, Violation
from pytest_provider_contract.diagnosis.flaw import FLAWED, Flaw
from pytest_provider_contract.diagnosis.record import Record, matches
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.ledger import Branch, State
from pytest_provider_contract.profile import Status

# A flaw that leaves more than so many states open explains nothing.
_MOST_STATES = 256


def explains(flaw: Flaw, record: Record, *, occasional: bool = False) -> bool:
    """Whether a flawed ledger could have given every answer of a record.

    Args:
        flaw: The ledger with its flaw.
        record: What was seen.
        occasional: Whether the flaw may show now and then instead of always.
    """
    states = list(dict.fromkeys(flaw.openings(record.opening)))
    for exchange, answer in zip(record.exchanges, record.answers, strict=True):
        if isinstance(answer, Violation):
            return False
        following: dict[State, None] = {}
        callback, defect = flaw.read(exchange)
        for state in states:
            options = flaw.branches(state, callback, defect)
            if occasional:
                options += record.ledger.branches(state, exchange.callback, exchange.defect)
            for branch in options:
                if not _allowed(branch, record, exchange):
                    continue
                if answer is None:
                    following[branch.state] = None
                elif matches(branch, answer):
                    following[flaw.after(state, branch, callback, answer)] = None
        if not following or len(following) > _MOST_STATES or not _in_currency(record, exchange, answer):
            return False
        states = list(following)
    return True


def _allowed(branch: Branch, record: Record, exchange: Exchange) -> bool:
    return branch.rule == FLAWED or record.conforms(branch, exchange)


def _in_currency(record: Record, exchange: Exchange, answer: Answer | None) -> bool:
    currency = record.ledger.currencies.get(exchange.callback.player_id)
    told = answer is not None and answer.status is Status.SUCCESS and exchange.defect is None and currency is not None
    return not told or (answer is not None and answer.currency == currency)
