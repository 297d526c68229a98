"""Runs over HTTP/2, at the bundled operator on server software that speaks it, with a certificate of its own."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.process import RunningOperator, running
from pytest_provider_contract.transport import Pool, Request, Timed

Run = Callable[..., pytest.RunResult]

PLAYERS = ("player-1:session-1:EUR", "player-2:session-2:EUR")
TWICE_REFUNDED = "rollback-deduped-on-transaction-id+http-2"


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the replies to this process's runs by their version of HTTP."""
    seen: Counter[str] = Counter()
    in_turn, together = Pool.exchange, Pool.send_together

    def exchange(pool: Pool, request: Request) -> Timed:
        timed = in_turn(pool, request)
        seen["in turn", timed.reply.version] += 1
        return timed

    def send_together(pool: Pool, requests: Sequence[Request]) -> list[Timed]:
        landed = together(pool, requests)
        seen.update(("together", timed.reply.version) for timed in landed if len(requests) > 1)
        return landed

    monkeypatch.setattr(Pool, "exchange", exchange)
    monkeypatch.setattr(Pool, "send_together", send_together)
    return seen


def test_races_at_a_conforming_wallet(pytester: pytest.Pytester, versions: Counter[str]) -> None:
    options = ("--operator-url=reference:http-2", "--operator-rules=RACE", "--operator-effort=quick")
    # The ini file's certificates are of another wallet.
    pytester.makeini("[pytest]\noperator_ca = gone.pem")
    assert pytester.runpytest_inprocess("-p", "no:xdist", "-p", "no:cov", *options).ret == 0
    # Callbacks in turn stay on HTTP/1.1.
    assert versions.keys() == {("in turn", "HTTP/1.1"), ("together", "HTTP/2")}
    assert min(versions.values()) > 50


def test_races_at_a_wallet_that_checks_and_then_acts(contract_run: Run, pytester: pytest.Pytester) -> None:
    options = ("--operator-rules=RACE", "--operator-report=report")
    result = contract_run(*options, url="reference:lost-update-race-5ms+http-2")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*RACE-0*"])
    entries = [
        entry
        for recorded in pytester.path.rglob("report/**/*.har")
        for entry in json.loads(recorded.read_text())["log"]["entries"]
    ]
    told = {entry["response"]["httpVersion"] for entry in entries}
    assert "HTTP/2" in told <= {"HTTP/1.1", "HTTP/2"}


# -- a wallet of one's own whose certificate nobody knows ----------------------------------------------


@pytest.fixture
def wallet() -> Iterator[RunningOperator]:
    accounts = [Account.parse(f"{player}:{10**9}") for player in PLAYERS]
    with running(variant=TWICE_REFUNDED, public_key=None, players=accounts) as operator:
        yield operator


def _options(wallet: RunningOperator) -> list[str]:
    players = [f"--operator-player={player}" for player in PLAYERS]
    return [f"--operator-ca={wallet.certificate}", "--operator-unsigned", *players]


def test_a_run_trusts_what_it_is_told_to(contract_run: Run, wallet: RunningOperator, pytester: pytest.Pytester) -> None:
    result = contract_run(*_options(wallet), "--operator-rules=ROLLBACK-03,BET-02", "-n", "2", url=wallet.url)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["ROLLBACK-03 MUST *"])
    recorded = pytester.path / ".provider-contract" / "failures" / "ROLLBACK-03.json"
    (line,) = (line for line in result.stdout.lines if line.startswith("  replay"))
    ca, unsigned, *_ = _options(wallet)
    assert shlex.split(line)[2:5] == [f"--operator-url={wallet.url}", ca, unsigned]
    again = contract_run(*_options(wallet), f"--operator-replay={recorded}", url=wallet.url)
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["ROLLBACK-03 MUST *"])
    script = recorded.with_suffix(".sh")
    assert f"--cacert {shlex.quote(str(wallet.certificate))}" in script.read_text(encoding="utf-8")
    done = subprocess.run(["sh", str(script)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"SUCCESS"') >= 3


def test_a_run_that_is_not_told_stops_at_the_certificate(contract_run: Run, wallet: RunningOperator) -> None:
    _, *others = _options(wallet)
    result = contract_run(*others, url=wallet.url)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["PREFLIGHT-03 MUST *", "*--operator-ca=FILE*"])


def test_the_doctor_trusts_what_it_is_told_to(wallet: RunningOperator, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest_provider_contract.cli", "doctor", wallet.url, *_options(wallet)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_tests_of_ones_own_trust_it_too(contract_run: Run, wallet: RunningOperator, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import json
        import urllib.request

        def test_callbacks(operator, player):
            before = operator.answer(operator.balance(player)).balance
            assert operator.answer(operator.bet(10, player)).balance == before - 10

        def test_a_launch(player, provider_api):
            launch = {
                "operatorId": "op", "partnerId": "brand", "gameId": provider_api.games[0].id, "platform": "MOBILE",
                "clientPlayerId": player.player_id, "clientSessionId": player.session_id, "username": "a",
                "currency": "EUR",
            }
            headers = {"Content-Type": "application/json"}
            call = urllib.request.Request(provider_api.url + "/game/url", json.dumps(launch).encode(), headers)
            with urllib.request.urlopen(call) as reply:
                url = json.load(reply)["url"]
            provider_api.open(url, player_id=player.player_id).play(stake=10, win=20)
        """
    )
    contract_run(*_options(wallet), "test_own.py", url=wallet.url).assert_outcomes(passed=2)
