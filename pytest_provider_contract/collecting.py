"""The suite's files as pytest collects them, and the rules that their tests are about."""

from __future__ import annotations

from pathlib import Path

import pytest

SUITE = Path(__file__).parent / "suite"
# The chapters in the order of running: what is most often broken comes first.
CHAPTER_FILES = (
    "replies",
    "balance",
    "bet",
    "win",
    "rollback",
    "idempotency",
    "order",
    "players",
    "free_bets",
    "amounts",
    "signature",
    "bodies",
    "time",
    "races",
    "lost",
    "sequences",
    "memory",
)


class SuiteModule(pytest.Module):
    """A chapter, collected whatever the project's ini says about names of functions."""

    def funcnamefilter(self, name: str) -> bool:
        """Whether a function is a test."""
        return name.startswith("test_")

    def classnamefilter(self, name: str) -> bool:  # noqa: ARG002 - pytest's signature
        """Chapters have no classes."""
        return False


def rules_of(item: pytest.Item) -> tuple[str, ...]:
    """The rules that a test of the suite puts to the test; none for any other test."""
    marker = item.get_closest_marker("provider_rule")
    return tuple(marker.args) if marker and item.path.parent == SUITE else ()
