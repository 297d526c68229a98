"""What provider and operator agreed at onboarding, and the clock that both live by."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network


@dataclass(frozen=True, slots=True)
class Game:
    """A game of the provider's list; only an enabled one can be launched."""

    id: str
    name: str
    enabled: bool = True


GAMES = (
    Game("5f3a1f0e-6f0b-4c53-9d0c-0b8f1c2d7a01", "Marble Run"),
    Game("5f3a1f0e-6f0b-4c53-9d0c-0b8f1c2d7a02", "Duck Derby"),
    Game("5f3a1f0e-6f0b-4c53-9d0c-0b8f1c2d7a03", "Last Year's Wheel", enabled=False),
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed.

    Attributes:
        operator_id: The operatorId that the provider issued, or None to take any.
        games: The game list.
        allowed: Addresses and networks that may call the API; empty lets everybody call.
        token_life_s: Seconds for which a launch URL can be opened [T].
        attempts: How often a win or rollback is sent before its round counts as stuck.
        first_delay_s: Seconds before the first retry, or None for the profile's.

    Raises:
        ValueError: An address of `allowed` is none.
    """

    operator_id: str | None = None
    games: tuple[Game, ...] = GAMES
    allowed: tuple[str, ...] = ()
    token_life_s: float = 2 * 3600.0
    attempts: int = 3
    first_delay_s: float | None = None
    _networks: tuple[IPv4Network | IPv6Network, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_networks", tuple(ip_network(text, strict=False) for text in self.allowed))

    def allows(self, address: str) -> bool:
        """Whether a caller's address is on the list."""
        if not self._networks:
            return True
        try:
            caller = ip_address(address)
        except ValueError:
            return False
        return any(caller in network for network in self._networks)

    def game(self, game_id: str) -> Game | None:
        """The game of an id, in any letter case, or None."""
        return next((game for game in self.games if game.id == game_id.lower()), None)


@dataclass(slots=True)
class Clock:
    """The time of day, which a test can set forward."""

    ahead_s: float = 0.0

    def now_s(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.ahead_s

    def advance(self, *, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Let time pass."""
        self.ahead_s += hours * 3600 + minutes * 60 + seconds
