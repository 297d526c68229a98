"""The first look in a pytest run: one finding in place of the suite, notices, and when it is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Run = Callable[..., pytest.RunResult]
Serve = Callable[..., Any]

PLAYER = "--operator-player=p:s:EUR"
BROKEN = "reference:http-302-on-balance"
FINDING = ["PREFLIGHT-12 MUST*", "  actual    /balance HTTP 302*", "  mend      the operator: *"]


def test_a_healthy_operator_is_told_in_the_header(contract_run: Run) -> None:
    result = contract_run("--operator-rules=BALANCE-04")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["  first look: all well, 9 callbacks in *"])


@pytest.mark.parametrize(
    "options",
    [(), ("-n2",), ("-x", "-v"), ("--operator-rules=BET-01",), ("--pyargs", "pytest_provider_contract")],
    ids=str,
)
def test_one_finding_and_no_hundred_failures(contract_run: Run, options: tuple[str, ...]) -> None:
    result = contract_run(*options, url=BROKEN)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(FINDING)
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_the_finding_is_in_every_report(contract_run: Run, pytester: pytest.Pytester) -> None:
    result = contract_run("--operator-report=out", "--junitxml=junit.xml", url=BROKEN)
    assert result.ret == 1
    case = ET.parse(pytester.path / "junit.xml").getroot().find(".//testcase/failure")  # noqa: S314 - our own file
    assert case is not None
    assert (case.text or "").startswith("PREFLIGHT-12")
    report = json.loads((pytester.path / "out" / "report.json").read_text())
    assert report["outcome"] == "failed"
    assert [finding["rule"] for finding in report["findings"]] == ["PREFLIGHT-12"]
    assert report["findings"][0]["likely"].endswith("the same check of the signature")


def test_a_finding_that_is_deselected_is_not_green(contract_run: Run) -> None:
    result = contract_run("-k", "nothing_of_this_name", url=BROKEN)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED: nothing was tested: /balance HTTP 302*"])


def test_a_notice_stops_nothing(contract_run: Run) -> None:
    result = contract_run("--operator-rules=SIG-01,BALANCE-04", url="reference:no-signature-check")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["  first look: all well but for PREFLIGHT-09, *", "*SIG-01 MUST *", "*= first look =*", "PREFLIGHT-09 MUST *"]
    )


def test_a_wrong_base_url_is_wrong_use(contract_run: Run, wallet: Serve) -> None:
    def answer(_name: str, _fields: dict[str, Any]) -> dict[str, Any]:
        return {"status": "SUCCESS", "currency": "EUR", "balance": 5}

    with wallet(answer, base="/wallet") as w:
        result = contract_run(PLAYER, url=f"{w.url}/wallet/wallet")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = [line for line in result.stderr.lines if line.strip()]
    assert len(said) == 1
    assert said[0].endswith(f"give --operator-url={w.url}/wallet")


@pytest.mark.parametrize(
    "options", [["test_own.py"], ["--collect-only", "-q"], ["--operator-replay=failure.json"]], ids=str
)
def test_nothing_is_sent_where_the_suite_is_not_played(
    contract_run: Run, wallet: Serve, pytester: pytest.Pytester, options: list[str]
) -> None:
    pytester.makepyfile(test_own="def test_mine(): pass")
    steps = [{"send": "balance"}]
    (pytester.path / "failure.json").write_text(json.dumps({"rule": None, "via": [], "bets": [], "steps": steps}))
    with wallet(lambda _name, _fields: {"status": "SUCCESS", "currency": "EUR", "balance": 5}) as w:
        result = contract_run(PLAYER, *options, url=w.url)
        assert not any(name == "bet" for name, _ in w.calls)
    assert result.ret == 0, result.stdout.str()
    assert "first look" not in result.stdout.str()


def test_a_certify_run_that_is_stopped_has_its_own_reason(contract_run: Run, pytester: pytest.Pytester) -> None:
    key = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (pytester.path / "certify.pem").write_bytes(key)
    options = ("--operator-certificate=certificate.json", "--operator-certify-key=certify.pem", "--operator-report=out")
    result = contract_run(*options, url=BROKEN, effort="certify")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["PREFLIGHT-12 MUST*", "NO CERTIFICATE *"])
    assert not (pytester.path / "certificate.json").exists()
