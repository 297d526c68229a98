"""One recorded failure, played again with fresh ids and signatures."""

from __future__ import annotations

import pytest

from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract


def test_replay(contract_check: SuiteCheck) -> None:
    contract_check.replay()
