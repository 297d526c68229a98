"""Certificates, black-box: which runs get one, which are told why not, and what is left behind.

Certifying takes five minutes, and no option or variable makes it shorter. These tests run pytest
in their own process and shorten the constant there.
"""

from __future__ import annotations

import base64
import gzip
import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pytest_provider_contract import __version__
from pytest_provider_contract import run as contract_run_module
from pytest_provider_contract.cli import main
from pytest_provider_contract.dsse import PAYLOAD_TYPE
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.settings import EFFORTS

STRICT_INI = "[pytest]\naddopts = --strict-markers -p no:cacheprovider\nfilterwarnings = error\n"
STALE = json.dumps({"payload": "", "payloadType": PAYLOAD_TYPE, "signatures": []})
Run = Callable[..., pytest.RunResult]


@pytest.fixture
def certify(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs pytest with a certificate asked for, in this process, an old certificate lying there."""
    for name in ("CI", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(EFFORTS, "certify", replace(EFFORTS["quick"], name="certify"))
    monkeypatch.setitem(contract_run_module._MEMORY_S, "certify", 0.5)
    monkeypatch.chdir(pytester.path)
    (pytester.path / "pytest.ini").write_text(STRICT_INI, encoding="utf-8")
    invoked("keygen", "certify.pem")
    (pytester.path / "certificate.json").write_text(STALE, encoding="utf-8")

    def run(*args: str, url: str = "reference") -> pytest.RunResult:
        return pytester.runpytest_inprocess(
            f"--operator-url={url}",
            "--operator-effort=certify",
            "--operator-certificate=certificate.json",
            "--operator-certify-key=certify.pem",
            *args,
        )

    return run


def invoked(*args: str) -> str:
    result = CliRunner().invoke(main, args)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


def statement(path: Path) -> dict[str, object]:
    return json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"]))  # type: ignore[no-any-return]


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.lstrip(".").startswith("certificate")}


def test_a_run_that_leaves_nothing_out_and_holds_gets_one(certify: Run, pytester: pytest.Pytester) -> None:
    result = certify("--operator-report=report")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["certificate *certificate.json, holds for 180 days", "  signed by   SHA256:* (Ed25519)"]
    )
    assert left(pytester.path) == {"certificate.json", "certificate.transcript.jsonl.gz"}

    told = statement(pytester.path / "certificate.json")["predicate"]
    contents = told["providerContract"]  # type: ignore[index]
    report = json.loads((pytester.path / "report" / "report.json").read_bytes())
    assert contents["suite"] == __version__
    assert contents["seed"] == report["run"]["seed"]
    assert contents["sequences"] == report["sequences"]
    assert {rule["id"] for rule in contents["rules"]} == {id_ for id_, rule in RULES.items() if rule.part == "suite"}
    lines = gzip.decompress((pytester.path / "certificate.transcript.jsonl.gz").read_bytes()).splitlines()
    assert len(lines) - 1 == contents["transcript"]["callbacks"] >= report["callbacks_sent"] > 1000
    assert b"session-1" not in b"".join(lines)

    paths = ("--report", "report/report.json", "--transcript", "certificate.transcript.jsonl.gz")
    output = invoked("verify", "certificate.json", "--key", "certify.pub.pem", *paths)
    assert output.startswith("HOLDS")
    assert "report.json is the attested one" in output
    assert "certificate.transcript.jsonl.gz is the attested one" in output
    for path in ("certificate.json", "report/report.json", "certificate.transcript.jsonl.gz"):
        content = (pytester.path / path).read_bytes()
        middle = len(content) // 2
        (pytester.path / path).write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        assert invoked("verify", "certificate.json", "--key", "certify.pub.pem", *paths).startswith("Error: ")
        (pytester.path / path).write_bytes(content)


def test_a_broken_rule_leaves_no_file_and_removes_the_old_one(certify: Run, pytester: pytest.Pytester) -> None:
    result = certify("-x", url="reference:bet-replay-debits-again")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["NO CERTIFICATE *certificate.json", "  IDEM-0[17] is broken: *"])
    assert left(pytester.path) == set()


def test_a_run_that_stops_before_the_contract_leaves_no_certificate(certify: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_of_ones_own(): assert False")
    result = certify("--maxfail=1")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["NO CERTIFICATE *", "  Nothing was tested."])
    assert left(pytester.path) == set()


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--operator-effort=standard"], "--operator-effort=standard is too short, give --operator-effort=certify"),
        (["--operator-unsigned"], "--operator-unsigned switches the signatures off"),
        (["--operator-rules=BET"], "--operator-rules leaves rules out"),
        (["--operator-max-stake=5000"], "--operator-max-stake=5000 keeps large amounts from being tested"),
        (["--operator-player=only"], "no second player: give a second --operator-player"),
        (["--operator-certify-key="], "no key signs the certificate, give --operator-certify-key=FILE or env:NAME"),
        (["--collect-only"], "--collect-only plays nothing"),
        (["-n2"], "-n plays with several processes, leave it out"),
        (["-k", "rollback"], "leave out -k, -m, --deselect, --lf and paths"),
        (["-m", "not provider_contract"], "leave out -k, -m, --deselect, --lf and paths"),
    ],
)
def test_what_the_options_leave_out_is_said_at_once(
    certify: Run, pytester: pytest.Pytester, args: list[str], reason: str
) -> None:
    result = certify(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = [line for line in result.stderr.lines + result.stdout.lines if line.startswith("ERROR: ")]
    assert len(said) == 1
    assert reason in said[0]
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert left(pytester.path) == set()


def test_every_reason_is_said(certify: Run) -> None:
    result = certify("--operator-unsigned", "--operator-rules=BET", "--operator-certify-key=")
    (said,) = (line for line in result.stderr.lines if line.startswith("ERROR: "))
    assert said == (
        "ERROR: --operator-certificate can't be issued: --operator-unsigned switches the signatures off; "
        "--operator-rules leaves rules out; "
        "no key signs the certificate, give --operator-certify-key=FILE or env:NAME"
    )


def test_the_callback_key_certifies_nothing(certify: Run) -> None:
    invoked("keygen", "rsa.pem", "--type", "rsa")
    result = certify("--operator-key=rsa.pem", "--operator-certify-key=rsa.pem")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: *--operator-certify-key is the key that signs callbacks, give one of its own*"]
    )


def test_no_other_file_is_ever_replaced(certify: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "certificate.json").write_text("my diary", encoding="utf-8")
    result = certify()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --operator-certificate: *is no certificate and is left as it is; name another*"]
    )
    assert (pytester.path / "certificate.json").read_text(encoding="utf-8") == "my diary"


REAL = (
    "--operator-player=a:s:EUR",
    "--operator-player=b:s:EUR",
    "--operator-reward=5e6fa5f3-6f1c-4a3e-9c39-0a3a3b6d2b11",
)


def test_a_wallet_out_of_reach_gets_none(certify: Run, pytester: pytest.Pytester) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    result = certify(*REAL, url=f"http://127.0.0.1:{port}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert left(pytester.path) == set()


def test_a_wallet_that_knows_no_player_gets_none(certify: Run, pytester: pytest.Pytester, wallet: Any) -> None:
    with wallet(lambda _name, _fields: {"status": "UNKNOWN_ERROR"}) as unfriendly:
        result = certify(*REAL, url=unfriendly.url)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["NO CERTIFICATE *certificate.json", "  * is broken: *"])
    assert left(pytester.path) == set()


@pytest.mark.parametrize("days", ["0", "x", "99999"])
def test_a_number_of_days_that_is_none(certify: Run, days: str) -> None:
    result = certify(f"--operator-certificate-days={days}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --operator-certificate-days={days}: give *"])


def test_nothing_shortens_a_certification() -> None:
    assert EFFORTS["certify"].total_s >= 240
