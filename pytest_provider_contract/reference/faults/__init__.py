"""Named faults, theme by theme. Each is the correct operator with one step gone wrong.

Those that remember something keep it in a class variable: a process runs one operator.
"""

from pytest_provider_contract.reference.faults import (
    amounts,
    funds,
    http,
    idempotency,
    order,
    players,
    races,
    replies,
    rollbacks,
    signatures,
    timing,
)

__all__ = [
    "amounts",
    "funds",
    "http",
    "idempotency",
    "order",
    "players",
    "races",
    "replies",
    "rollbacks",
    "signatures",
    "timing",
]
