"""Stands for the suite when the first look found that playing it is senseless: one failure, no hundred."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.provider_contract


def test_first_look(contract_first_look: Callable[[], None]) -> None:
    contract_first_look()
