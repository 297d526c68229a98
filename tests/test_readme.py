"""What the README counts is what the catalogue holds."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from pytest_provider_contract.rules import RULES

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_readme_counts_the_rules_of_every_chapter() -> None:
    rules = [rule for rule in RULES.values() if rule.part == "suite"]
    counted = dict(re.findall(r"^\| `([A-Z]+)` \| (\d+) \|", README, re.MULTILINE))
    assert {chapter: str(count) for chapter, count in Counter(rule.chapter for rule in rules).items()} == counted
    levels = Counter(rule.level for rule in rules)
    assert f"{len(rules)} rules, {levels['MUST']} MUST and {levels['SHOULD']} SHOULD" in README
