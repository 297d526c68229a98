"""The catalogue of flaws, theme by theme; the order within a file is that of likelihood."""

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

__all__ = ["amounts", "balances", "bets", "idempotency", "players", "rollbacks", "signatures", "wins"]
