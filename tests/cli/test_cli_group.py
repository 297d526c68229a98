"""The command line as a whole: what it lists, what it loads, how it says that a name is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from pytest_provider_contract.cli import COMMANDS, main
from pytest_provider_contract.reference.variants import variants


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert f" {name} " in result.output.splitlines()[0]


def test_an_unknown_command_is_one_sentence() -> None:
    result = CliRunner().invoke(main, ["certifi"])
    assert result.exit_code == 2
    assert "No such command 'certifi'" in result.output
    assert "Traceback" not in result.output


def test_no_command_is_loaded_before_it_is_called() -> None:
    code = (
        "import sys; from pytest_provider_contract.cli import main; "
        "print([m for m in sys.modules if m.startswith('pytest_provider_contract.cli.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_faults_of_a_rule() -> None:
    result = CliRunner().invoke(main, ["faults", "rollback-03"])
    assert result.exit_code == 0
    assert "rollback-deduped-on-transaction-id  [ROLLBACK-03" in result.output
    assert "must pass" not in result.output


def test_faults_lists_every_variant_with_its_sentence() -> None:
    shown = " ".join(CliRunner().invoke(main, ["faults"]).output.split())
    for variant in variants().values():
        assert variant.name in shown
        assert variant.sentence in shown


def test_faults_of_no_rule() -> None:
    result = CliRunner().invoke(main, ["faults", "NONSENSE-1"])
    assert result.exit_code == 1
    assert "no bundled fault breaks NONSENSE-1" in result.output
