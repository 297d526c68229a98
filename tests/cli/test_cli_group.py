"""The command line as a whole: what it lists, what it loads, how it says that a name is wrong."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from pytest_provider_contract.cli import COMMANDS, main
from pytest_provider_contract.reference.variants import variants
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.scenario import BetPlan, bet, rollback, scenario, to_json
from pytest_provider_contract.signing import fingerprint_of


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


def test_rules_lists_every_rule_with_its_sentence() -> None:
    result = CliRunner().invoke(main, ["rules"])
    assert result.exit_code == 0
    for rule in RULES.values():
        assert rule.id in result.output
        assert rule.text in result.output


def test_rules_of_one_chapter() -> None:
    result = CliRunner().invoke(main, ["rules", "rollback"])
    assert result.exit_code == 0
    assert "ROLLBACK-11" in result.output
    assert "IDEM-01" not in result.output


def test_a_rule_is_explained_with_examples_of_both_kinds() -> None:
    output = CliRunner().invoke(main, ["rules", "ROLLBACK-03"]).output
    kept, broken = output.split("Breaks it:")
    assert "Keeps it, from a balance of 10 000:" in kept
    assert kept.rstrip().endswith("3 rollback(1) with a new transactionId  SUCCESS, balance 10 000")
    assert broken.rstrip().endswith("3 rollback(1) with a new transactionId  SUCCESS, balance 11 000   ← here")
    assert "--operator-url=reference:rollback-deduped-on-transaction-id" in kept


@pytest.mark.parametrize("id_", RULES)
def test_every_rule_can_be_explained(id_: str) -> None:
    result = CliRunner().invoke(main, ["rules", id_])
    assert result.exit_code == 0
    assert RULES[id_].text in result.output
    assert "Keeps it" in result.output or result.output.rstrip().endswith(".")


def test_rules_of_an_unknown_name() -> None:
    result = CliRunner().invoke(main, ["rules", "ROLLBACK-99"])
    assert result.exit_code == 2
    assert "ROLLBACK-99 is neither a rule nor one of the chapters REPLY" in result.output


@pytest.mark.parametrize(("kind", "type_"), [("ed25519", Ed25519PrivateKey), ("rsa", RSAPrivateKey)])
def test_keygen_writes_a_pair_that_only_its_owner_can_read(tmp_path: Path, kind: str, type_: type) -> None:
    file = tmp_path / "certify.pem"
    result = CliRunner().invoke(main, ["keygen", str(file), "--type", kind])
    assert result.exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    private = load_pem_private_key(file.read_bytes(), None)
    assert isinstance(private, type_)
    public = load_pem_public_key((tmp_path / "certify.pub.pem").read_bytes())
    assert public == private.public_key()
    assert fingerprint_of(public) in result.output
    assert "PRIVATE" not in result.output


@pytest.mark.parametrize("taken", ["certify.pem", "certify.pub.pem"])
def test_keygen_leaves_what_is_there(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine", encoding="utf-8")
    result = CliRunner().invoke(main, ["keygen", str(tmp_path / "certify.pem")])
    assert result.exit_code == 1
    assert f"{taken} is there already and is left as it is" in result.output
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("name", "why"), [("none/certify.pem", "No such file or directory"), ("x" * 400, "File name too long")]
)
def test_keygen_where_nothing_can_be_written(tmp_path: Path, name: str, why: str) -> None:
    result = CliRunner().invoke(main, ["keygen", str(tmp_path / name)])
    assert result.exit_code == 1
    assert f"can't be written: {why}" in result.output


def test_replay_is_pytest_with_the_file(tmp_path: Path) -> None:
    recorded = tmp_path / "failure.json"
    plan = scenario(BetPlan(100), bet(), rollback(), rollback(0, 1), rule="ROLLBACK-03")
    recorded.write_text(json.dumps(to_json(plan)), encoding="utf-8")
    command = [sys.executable, "-m", "pytest_provider_contract.cli", "replay", str(recorded)]

    def run(url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, f"--operator-url={url}"], capture_output=True, text=True, cwd=tmp_path, check=False
        )

    good, bad = run("reference"), run("reference:rollback-deduped-on-transaction-id")
    assert good.returncode == 0, good.stdout + good.stderr
    assert bad.returncode == 1
    assert "ROLLBACK-03 MUST" in bad.stdout
    assert "Traceback" not in bad.stdout + bad.stderr


def test_replay_of_no_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest_provider_contract.cli", "replay", "none.json", "--operator-url=reference"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 4
    assert "--operator-replay=none.json: there is no such file" in done.stderr
