"""What a run says and leaves behind: header, failures, files, and never a private key."""

from __future__ import annotations

import re
import shlex
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.process import running

Run = Callable[..., pytest.RunResult]

FAULTY = "reference:rollback-deduped-on-transaction-id"
RULE = "--operator-rules=ROLLBACK-03"


def _body_of_the_key(folder: Path) -> list[str]:
    pem = (folder / ".provider-contract" / "signing-key.pem").read_text(encoding="ascii")
    return [line for line in pem.splitlines() if not line.startswith("-----")]


def test_the_replay_asks_as_the_run_did_but_for_secret_sessions(contract_run: Run, pytester: pytest.Pytester) -> None:
    with running(
        variant="rollback-deduped-on-transaction-id",
        public_key=None,
        players=[Account("alice", "another-session", "EUR", 10**6), Account("bob", "session-bob", "EUR", 10**6)],
    ) as operator:
        players = ["--operator-player=alice:another-session", "--operator-player=bob:session-bob:EUR"]
        reward = "--operator-reward=5d1cf1a1-0b1c-4b7e-8f39-7ed1a1f9a0f4"
        result = contract_run(RULE, "--operator-unsigned", *players, reward, url=operator.url)
    (line,) = (line for line in result.stdout.lines if line.startswith("  replay"))
    given = ["--operator-unsigned", "--operator-player=alice:SESSION", "--operator-player=bob", reward]
    assert shlex.split(line)[1:-1] == ["pytest", f"--operator-url={operator.url}", *given]


def test_a_failure_reads_in_order_and_can_be_replayed(contract_run: Run, pytester: pytest.Pytester) -> None:
    result = contract_run(RULE, "--showlocals", url=FAULTY)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "ROLLBACK-03 MUST  A rollback repeated with a new transactionId refunds once.  [[]T[]]",
            "  expected  balance *",
            "  actual    balance *",
            "            /rollback HTTP 200, * ms",
            "  sequence  1 bet * 2 rollback(1) * 3 rollback(1) with a new transactionId   ← here",
            "  likely    rollbacks are deduplicated on transactionId*",
            f"  replay    pytest --operator-url={FAULTY} --operator-replay=*",
            "  curl      .provider-contract/failures/ROLLBACK-03.sh",
        ],
        consecutive=True,
    )
    assert "Traceback" not in result.stdout.str()
    failures = pytester.path / ".provider-contract" / "failures"
    assert stat.S_IMODE((failures / "ROLLBACK-03.sh").stat().st_mode) == 0o700
    assert (failures / ".gitignore").read_text(encoding="utf-8") == "*\n"
    for line in _body_of_the_key(pytester.path):
        assert line not in result.stdout.str() + result.stderr.str()
        assert all(line not in file.read_text(encoding="utf-8") for file in failures.iterdir())

    command = next(line for line in result.stdout.lines if line.startswith("  replay")).split(maxsplit=1)[1]
    again = pytester.runpytest_subprocess(*shlex.split(command)[1:], timeout=60)
    assert again.ret == 1
    again.stdout.fnmatch_lines(["ROLLBACK-03 MUST *"])
    mended = pytester.runpytest_subprocess(*shlex.split(command.replace(FAULTY, "reference"))[1:], timeout=60)
    assert mended.ret == 0
    mended.assert_outcomes(passed=1)


def test_the_curl_script_runs(contract_run: Run, pytester: pytest.Pytester) -> None:
    contract_run(RULE, url=FAULTY)
    script = pytester.path / ".provider-contract" / "failures" / "ROLLBACK-03.sh"
    was = re.search(r"http://127\.0\.0\.1:\d+", script.read_text(encoding="utf-8"))
    assert was
    accounts = [Account("player-1", "session-1", "EUR", 10_000)]
    public = pytester.path / ".provider-contract" / "signing-key.pub.pem"
    with running(variant=None, public_key=public, players=accounts) as operator:
        script.write_text(script.read_text(encoding="utf-8").replace(was[0], operator.url), encoding="utf-8")
        done = subprocess.run(["sh", str(script)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("200 OK") >= 3
    assert done.stdout.count('"SUCCESS"') >= 3


def test_a_crashing_test_shows_no_key(contract_run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(operator, signing_key, sign_callback, player):
            body, headers = sign_callback({"a": 1})
            client = operator.client
            held = vars(signing_key) if hasattr(signing_key, "__dict__") else signing_key
            raise RuntimeError(repr((client, signing_key, player)))
        """
    )
    result = contract_run("--showlocals", "--tb=long", "-vv", "test_a_crashing_test_shows_no_key.py")
    assert result.ret == 1
    assert "SHA256:" in result.stdout.str()
    assert "PRIVATE KEY" not in result.stdout.str()
    for line in _body_of_the_key(pytester.path):
        assert line not in result.stdout.str() + result.stderr.str()


def test_header_and_seed(contract_run: Run, pytester: pytest.Pytester) -> None:
    result = contract_run(RULE, "--operator-seed=4711")
    result.stdout.fnmatch_lines(
        [
            "provider contract: http://127.0.0.1:* (reference), suite *",
            "  profile 155io 20*, effort quick, seed 4711",
            "  key SHA256:* from .provider-contract/signing-key.pem*",
            "  players player-1, player-2, player-3, player-4",
        ],
        consecutive=True,
    )
    key = pytester.path / ".provider-contract" / "signing-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_strict_turns_an_advisory_red(contract_run: Run) -> None:
    url, rule = "reference:rollback-of-settled-refunds", "--operator-rules=ROLLBACK-09"
    mild = contract_run(rule, url=url)
    assert mild.ret == 0
    mild.stdout.fnmatch_lines(["advisory  ROLLBACK-09 SHOULD *"])
    strict = contract_run(rule, "--operator-strict", url=url)
    assert strict.ret == 1
    strict.stdout.fnmatch_lines(["ROLLBACK-09 SHOULD *"])


def test_unsigned_is_green_and_says_so(contract_run: Run) -> None:
    result = contract_run("--operator-unsigned", "--operator-rules=SIG,ROLLBACK-03,BET-01")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["  UNSIGNED: *", "not tested  SIG-01, *--operator-unsigned", "UNSIGNED RUN: *can't certify."]
    )


def test_report_goes_where_it_is_told(contract_run: Run, pytester: pytest.Pytester) -> None:
    assert contract_run(RULE, "--operator-report=out dir", url=FAULTY).ret == 1
    assert (pytester.path / "out dir" / "failures" / "ROLLBACK-03.json").is_file()


def test_a_rate_is_kept(contract_run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_rate="""
        import time
        def test_it(operator):
            started = time.monotonic()
            for _ in range(6):
                operator.balance()
            assert time.monotonic() - started >= 0.48
        """
    )
    contract_run("test_rate.py", "--operator-rate=10").assert_outcomes(passed=1)


def test_a_seed_draws_the_same_again_and_stakes_stay_small(contract_run: Run, wallet: Callable[..., Any]) -> None:
    def poor(name: str, fields: dict[str, Any]) -> dict[str, Any]:
        if len(w.calls) > 150:
            return {"status": "nonsense"}  # enough was seen: end the run
        status = "BONUS_ERROR" if name == "bet" and fields.get("isFree") else "UNKNOWN_ERROR"
        return {"status": "SUCCESS" if name == "balance" else status, "currency": "EUR", "balance": 100_000}

    drawn = []
    for seed in (5, 5, 6):
        with wallet(poor) as w:
            contract_run("--operator-player=p:s:EUR", f"--operator-seed={seed}", "--operator-max-stake=40",
                         "--operator-unsigned", "--operator-rules=SEQ-01", url=w.url)  # fmt: skip
            bets = [fields["amount"] for name, fields in w.calls if name == "bet"]
        assert bets
        assert max(bets) <= 40 or {b for b in bets if b > 40} <= {100_001}
        drawn.append([(name, fields.get("amount")) for name, fields in w.calls][:60])
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
