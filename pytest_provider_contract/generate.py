"""Generated checks: draw scenarios until one breaks the contract or the time is up."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import suppress

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.strategies import SearchStrategy

from pytest_provider_contract.scenario import Scenario

# Hypothesis remembers all it has drawn, 10 MB in a thousand scenarios, so it starts afresh after
# so many, with another seed.
_EXAMPLES = 1_000
_NEXT_SEED = 1_000_003


class _EnoughError(Exception):
    """Ends the drawing; raised again when Hypothesis tries the last example once more."""


def draw_until(
    strategy: SearchStrategy[Scenario],
    check: Callable[[Scenario], None],
    *,
    limit_s: float,
    number: int,
    least: int = 3,
) -> int:
    """Check drawn scenarios one after the other.

    Hypothesis only draws here: shrinking against a live wallet is `shrink`'s work.

    Args:
        strategy: Where scenarios come from.
        check: Raises for a scenario that breaks the contract; that ends the drawing.
        limit_s: Seconds after which no further scenario is checked.
        number: Seed.
        least: Scenarios to check whatever the time.

    Returns:
        How many scenarios were checked.
    """
    deadline = time.monotonic() + limit_s
    checked = 0
    raised: Exception | None = None

    def once(scenario: Scenario) -> None:
        nonlocal checked, raised
        if raised is not None or (checked >= least and time.monotonic() > deadline):
            raise _EnoughError
        checked += 1
        try:
            check(scenario)
        except Exception as error:  # noqa: BLE001 - kept, and raised below as it is
            raised = error
            raise _EnoughError from None

    # Settings of our own: with CI set, Hypothesis' profile would ignore the seed.
    drawing = settings(
        max_examples=_EXAMPLES,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    with suppress(_EnoughError):
        for batch in itertools.count():
            seed(number + batch * _NEXT_SEED)(drawing(given(strategy)(once)))()
    if raised is not None:
        raise raised
    return checked
