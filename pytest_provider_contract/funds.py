"""What stakes may be drawn from, and written scenarios scaled to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_provider_contract.ledger import LARGE
from pytest_provider_contract.scenario import Scenario

# The suite's scenarios are written with stakes up to this; poorer players get smaller ones.
NOMINAL_STAKE = 5_000


@dataclass(frozen=True, slots=True)
class Funds:
    """What stakes may be drawn from.

    Attributes:
        balance: The poorest player's money in minor units.
        max_stake: Largest stake in minor units.
        players: How many players take part, 1 or 2.
        reward: Whether a granted free-bet reward is at hand.
        allow_large: Whether amounts above 2**31 may be tried.
        limited: Whether the operator has a limit of its own.
    """

    balance: int
    max_stake: int
    players: int = 1
    reward: bool = False
    allow_large: bool = True
    limited: bool = False

    @property
    def stake_limited(self) -> bool:
        """Whether a bet of all the money is out of reach: by an option or by the operator."""
        return self.limited or self.max_stake < self.balance

    @property
    def large(self) -> bool:
        """Whether stakes above 2**31 can be paid and are allowed."""
        return self.allow_large and min(self.balance // 2, self.max_stake) > LARGE

    def fit(self, plan: Scenario) -> Scenario:
        """A written scenario with its stakes scaled to what the players can afford."""
        most = min(self.balance // 8, self.max_stake)
        if most >= NOMINAL_STAKE or most < 1:
            return plan
        bets = tuple(
            b
            if b.of_balance or not 0 < b.stake <= NOMINAL_STAKE
            else replace(b, stake=max(1, b.stake * most // NOMINAL_STAKE))
            for b in plan.bets
        )
        return replace(plan, bets=bets)
