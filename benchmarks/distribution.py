"""How often each interesting pattern occurs in 1,000 generated scenarios.

Exit status 1 when a pattern occurs in less than 2 % of them. Needs no operator:

    python benchmarks/distribution.py [--scenarios 1000] [--seed 0]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from pytest_provider_contract.scenario import Scenario
from pytest_provider_contract.strategies import (
    LOSS_PATTERNS,
    PATTERNS,
    STORM_PATTERNS,
    Funds,
    losses,
    scenarios,
    storms,
)

LEAST = 0.02


FUNDS = Funds(10**12, 10**12, players=2, reward=True)
KINDS = (("sequences", scenarios, PATTERNS), ("races", storms, STORM_PATTERNS), ("lost replies", losses, LOSS_PATTERNS))


def draw(strategy: SearchStrategy[Scenario], count: int, number: int) -> list[Scenario]:
    """Draw scenarios as the suite does, for two players with plenty of money and a reward."""
    drawn: list[Scenario] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(scenario: Scenario) -> None:
        drawn.append(scenario)

    collect()
    return drawn


def main() -> int:
    """Print the table and say whether every pattern is frequent enough."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rare = False
    for title, strategy, patterns in KINDS:
        drawn = draw(strategy(FUNDS), options.scenarios, options.seed)
        counts = Counter(name for scenario in drawn for name, holds in patterns.items() if holds(scenario))
        print(f"{title}: {len(drawn)} scenarios, {sum(len(s.steps) for s in drawn) / len(drawn):.1f} steps on average")
        for name in sorted(patterns, key=lambda n: counts[n]):
            print(f"{counts[name] / len(drawn):7.1%}  {name}")
        rare |= any(counts[name] < LEAST * len(drawn) for name in patterns)
    return int(rare)


if __name__ == "__main__":
    sys.exit(main())
