"""The catalogue of rules: which part of the project puts a rule to the test."""

import pytest

from pytest_provider_contract.rules import CHAPTERS, RULES, Rule, select


def test_every_rule_has_a_chapter_with_a_title() -> None:
    assert {rule.chapter for rule in RULES.values()} <= CHAPTERS.keys()
    assert all(id_ == rule.id for id_, rule in RULES.items())


@pytest.mark.parametrize(
    ("id_", "part"), [("ROLLBACK-03", "suite"), ("PREFLIGHT-01", "preflight"), ("LAUNCH-01", "launch")]
)
def test_a_chapter_tells_what_tests_its_rules(id_: str, part: str) -> None:
    assert Rule(id_, "MUST", "A sentence.", "T").part == part


def test_a_selection_names_chapters_and_rules_in_any_case() -> None:
    assert select(["sig-03", " PLAYER "]) == {"SIG-03", *(id_ for id_ in RULES if id_.startswith("PLAYER-"))}


@pytest.mark.parametrize("pattern", ["NOTHING", "SIG-99", ""])
def test_a_selection_of_nothing_known_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="neither a rule nor one of the chapters REPLY, SIG") as refused:
        select([pattern])
    assert "LAUNCH" not in str(refused.value)
