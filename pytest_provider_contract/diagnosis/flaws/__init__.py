"""The catalogue of flaws, theme by theme; the order within a file is that of likelihood."""

from __future__ import annotations

from functools import cache

from pytest_provider_contract.diagnosis.flaw import CATALOGUE, Flaw
from pytest_provider_contract.diagnosis.flaws import (
    amounts,
    balances,
    bets,
    idempotency,
    players,
    rollbacks,
    signatures,
    wins,
)

# What is common stands before what is rare.
_THEMES = (rollbacks, idempotency, bets, wins, amounts, balances, players, signatures)


@cache
def catalogue() -> tuple[type[Flaw], ...]:
    """Every flaw, the more common ones first."""
    order = {theme.__name__: number for number, theme in enumerate(_THEMES)}
    return tuple(sorted(CATALOGUE, key=lambda flaw: order[flaw.__module__]))
