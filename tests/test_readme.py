"""What the README counts, lists and links to is there."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from click import Context

from pytest_provider_contract.cli import main
from pytest_provider_contract.plugin import _LISTS, _OPTIONS, _SWITCHES
from pytest_provider_contract.rules import RULES

ROOT = Path(__file__).parents[1]
EXAMPLES = ("fastapi_postgres", "launch_operator")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_counts_the_rules_of_every_chapter() -> None:
    rules = [rule for rule in RULES.values() if rule.part == "suite"]
    counted = dict(re.findall(r"^\| `([A-Z]+)` \| (\d+) \|", README, re.MULTILINE))
    assert {chapter: str(count) for chapter, count in Counter(rule.chapter for rule in rules).items()} == counted
    levels = Counter(rule.level for rule in rules)
    assert f"{len(rules)} rules, {levels['MUST']} MUST and {levels['SHOULD']} SHOULD" in README


def test_the_readme_lists_every_option_with_its_ini_name() -> None:
    listed = set(
        re.findall(r"^\| `--operator-([a-z-]+)(?:[^|]|\\\|)* \| `operator_([a-z_]+)` \|", README, re.MULTILINE)
    )
    assert listed == {(name, name.replace("-", "_")) for name, *_ in (*_OPTIONS, *_LISTS, *_SWITCHES)}


def test_the_readme_lists_every_command() -> None:
    assert set(re.findall(r"`?provider-contract ([a-z]+)", README)) == set(main.list_commands(Context(main)))


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md", *(f"examples/{e}/README.md" for e in EXAMPLES)])
def test_links_lead_to_files_and_headings(document: str) -> None:
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings
        elif not target.startswith("https://"):
            assert (path.parent / target).exists(), target
