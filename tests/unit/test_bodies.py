"""What the first cases about bodies show, where time is short for the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from pytest_provider_contract.profile import Kind
from pytest_provider_contract.scenario import Damage, Scenario
from pytest_provider_contract.suite import bodies
from pytest_provider_contract.suite_check import SuiteCheck


def cases(test: Callable[..., None], callback: Kind) -> list[list[Damage]]:
    """The damages of each scenario that a test plays."""
    played: list[Scenario] = []
    test(cast(SuiteCheck, lambda *plans: played.extend(plans)), callback)
    return [[step.damage for step in plan.steps if step.damage] for plan in played]


def test_the_first_cases_of_all_callbacks_have_every_body_that_is_no_object() -> None:
    first = [damage for callback in Kind for damage in cases(bodies.test_a_body_that_is_no_object, callback)[0]]
    assert {damage.raw for damage in first if not damage.cut} == set(bodies.BODIES)
    assert any(damage.cut for damage in first)


@pytest.mark.parametrize(
    ("test", "values"),
    [
        (bodies.test_a_field_that_is_missing, bodies.MISSING),
        (bodies.test_a_field_of_another_type, bodies.MISTYPED),
    ],
)
@pytest.mark.parametrize("callback", list(Kind))
def test_every_value_stands_in_every_field_and_most_values_in_the_first_case(
    test: Callable[..., None], values: tuple[str | None, ...], callback: Kind
) -> None:
    played = cases(test, callback)
    told = [(damage.field, damage.json) for case in played for damage in case]
    assert len(told) == len(set(told))
    right = {("amount", "12345"), ("roundClosed", "true")} | bodies.NO_NEW_ID
    wanted = {(field, value) for field in bodies.FIELDS[callback] for value in values} - right
    assert wanted <= set(told)
    oversized = bodies.OVERSIZED.get(callback, ()) if test is bodies.test_a_field_of_another_type else ()
    assert set(told) - wanted == {("amount", value) for value in oversized}
    # All of them, but for those that the amounts take the place of.
    assert len({damage.json for damage in played[0]} & set(values)) == len(values) - len(oversized)
