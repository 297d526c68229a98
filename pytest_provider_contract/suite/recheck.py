"""The transactions of an earlier run, replayed."""

from __future__ import annotations

import pytest

from pytest_provider_contract.suite_check import SuiteCheck

pytestmark = pytest.mark.provider_contract


@pytest.mark.provider_rule("IDEM-09")
def test_recheck(contract_check: SuiteCheck) -> None:
    contract_check.recheck()
