"""What a run remembers for a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_provider_contract.provider import Performance

# Longer histories say little more and take long to explain.
_MOST_EXCHANGES = 60
_KEPT_EXCHANGES = 2_000


@dataclass
class Recent:
    """Performances that a run remembers for a diagnosis; old ones give way to new ones."""

    kept: list[Performance] = field(default_factory=list)
    _size: int = 0

    def add(self, performance: Performance) -> None:
        """Remember a performance, unless it is long."""
        if len(performance.exchanges) > _MOST_EXCHANGES or performance.opening is None:
            return
        self.kept.append(performance)
        self._size += len(performance.exchanges)
        while self._size > _KEPT_EXCHANGES:
            self._size -= len(self.kept.pop(0).exchanges)
