"""Latencies as a histogram: bounded memory however long a run is, and mergeable."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

# Buckets grow by 2 %, so a percentile is right to 1 %.
_GROWTH = math.log(1.02)
_LEAST_MS = 0.01


@dataclass(slots=True)
class Histogram:
    """How many callbacks took how long; the key of a bucket is an exponent of 1.02."""

    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, elapsed_ms: float) -> None:
        """Count one callback of so many milliseconds."""
        self.buckets[round(math.log(max(elapsed_ms, _LEAST_MS)) / _GROWTH)] += 1

    @property
    def count(self) -> int:
        """How many were counted."""
        return self.buckets.total()

    @property
    def mean_ms(self) -> float:
        """Milliseconds on average, 0 without any."""
        total_ms = sum(math.exp(exponent * _GROWTH) * count for exponent, count in self.buckets.items())
        return total_ms / self.count if self.buckets else 0.0

    def percentile_ms(self, share: float) -> float | None:
        """Milliseconds under which a share (0.95) of the callbacks stayed; None without any."""
        wanted = share * self.count
        seen = 0
        for exponent in sorted(self.buckets):
            seen += self.buckets[exponent]
            if seen >= wanted:
                return math.exp(exponent * _GROWTH)
        return None

    def bounds(self) -> list[tuple[float, int]]:
        """Upper bound in milliseconds and count of every bucket that holds something, ascending."""
        return [(math.exp((exponent + 0.5) * _GROWTH), count) for exponent, count in sorted(self.buckets.items())]

    def to_json(self) -> dict[str, int]:
        """The buckets with keys that JSON can hold."""
        return {str(exponent): count for exponent, count in sorted(self.buckets.items())}

    def merge(self, buckets: Mapping[str, int]) -> None:
        """Add what `to_json` of another histogram gave."""
        self.buckets.update({int(exponent): count for exponent, count in buckets.items()})
