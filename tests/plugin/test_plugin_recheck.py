"""Transactions of a run are saved, and replayed after a restart: still exactly once."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.process import RunningOperator, running
from pytest_provider_contract.signing import key_in

Run = Callable[..., pytest.RunResult]

ACCOUNTS = [Account(f"p{n}", f"s{n}", "EUR", 10**10) for n in (1, 2, 3, 4)]
PLAYERS = [f"--operator-player={a.player_id}:{a.session_id}:EUR" for a in ACCOUNTS[:2]]
RULES = "--operator-rules=ROLLBACK-01,ROLLBACK-05,ROLLBACK-04,WIN-01"


@contextmanager
def _operator(folder: Path, variant: str | None = None) -> Iterator[RunningOperator]:
    public = folder / "provider.pub.pem"
    public.write_bytes(key_in(folder / ".provider-contract").public_pem)
    with running(variant=variant, public_key=public, players=ACCOUNTS) as operator:
        yield operator


def test_a_run_is_rechecked_after_a_crash(contract_run: Run, pytester: pytest.Pytester) -> None:
    with _operator(pytester.path) as operator:
        made = contract_run(*PLAYERS, RULES, "--operator-save=run.json", url=operator.url)
        assert made.ret == 0
        made.stdout.fnmatch_lines(["saved: * bets in *run.json"])
        operator.kill()
        operator.restart()
        # Other play moves the money meanwhile; it must not matter.
        assert contract_run(*PLAYERS, "--operator-rules=AMOUNT-02", url=operator.url).ret == 0
        for _ in range(2):
            again = contract_run(*PLAYERS, "--operator-recheck=run.json", url=operator.url)
            assert again.ret == 0
            again.assert_outcomes(passed=1)
            again.stdout.fnmatch_lines(["rechecked: * replays of * bets that were saved at 20*Z moved nothing"])

    saved = pytester.path / "run.json"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    text = saved.read_text(encoding="utf-8")
    assert "s1" not in {value for bet in json.loads(text)["transactions"] for value in bet["bet"].values()}
    assert "clientSessionId" not in text
    assert {"settled", "refunded", "tombstoned", "awaited"} <= {
        bet["outcome"] for bet in json.loads(text)["transactions"]
    }


def test_what_a_restart_forgets_is_found(contract_run: Run, pytester: pytest.Pytester) -> None:
    with _operator(pytester.path, "transactions-in-memory-only") as operator:
        assert contract_run(*PLAYERS, RULES, "--operator-save=run.json", url=operator.url).ret == 0
        assert contract_run(*PLAYERS, "--operator-recheck=run.json", url=operator.url).ret == 0
        operator.restart()
        again = contract_run(*PLAYERS, "--operator-recheck=run.json", url=operator.url)
    assert again.ret == 1
    again.stdout.fnmatch_lines(["IDEM-09 MUST *", "  actual *in a later run than the original"])
    assert "Traceback" not in again.stdout.str()


def test_workers_save_together(contract_run: Run, pytester: pytest.Pytester) -> None:
    everyone = [f"--operator-player={a.player_id}:{a.session_id}:EUR" for a in ACCOUNTS]
    with _operator(pytester.path) as operator:
        made = contract_run(
            *everyone, "-n", "2", "--operator-rules=BET,WIN,ROLLBACK", "--operator-save=run.json", url=operator.url
        )
        assert made.ret == 0
        again = contract_run(*everyone, "-n", "2", "--operator-recheck=run.json", url=operator.url)
        assert again.ret == 0
        again.assert_outcomes(passed=1)
    bets = json.loads((pytester.path / "run.json").read_text(encoding="utf-8"))["transactions"]
    assert {"p1", "p3"} <= {bet["bet"]["clientPlayerId"] for bet in bets}


SAVED = {
    "made_by": "x",
    "saved_at": "2026-01-01T00:00:00Z",
    "operator": "http://127.0.0.1",
    "transactions": [
        {
            "outcome": "refunded",
            "fate": "refunded",
            "arrived": True,
            "bet": {"clientPlayerId": "gone", "transactionId": "a", "roundId": "b", "gameId": "c", "amount": 5},
            "win": None,
            "rollback": None,
            "reported": {"bet": 1, "win": None, "refund": 1, "rollback": 1},
        }
    ],
}
BUNDLED = "--operator-url=reference"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        pytest.param([BUNDLED, "--operator-save=run.json"], "--operator-save: the bundled operator", id="save"),
        pytest.param([BUNDLED, "--operator-recheck=run.json"], "--operator-recheck: the bundled", id="recheck"),
        pytest.param(["--operator-recheck=none.json"], "there is no such file", id="missing"),
        pytest.param(["--operator-recheck=bad.json"], "can't be read as JSON", id="no-json"),
        pytest.param(["--operator-recheck=other.json"], "holds no saved transactions", id="other"),
        pytest.param(["--operator-recheck=run.json"], "transactions of 'gone' were saved", id="player"),
        pytest.param(["--operator-recheck=run.json", "--operator-save=x"], "leave --operator-save out", id="both"),
        pytest.param(["--operator-recheck=run.json", "--operator-replay=run.json"], "--operator-replay out", id="two"),
        pytest.param(["--operator-save=nowhere/run.json"], "no file can be written there", id="folder"),
        pytest.param(["--operator-save=."], "no file can be written there", id="is-a-folder"),
    ],
)
def test_wrong_use(pytester: pytest.Pytester, refused: Callable[..., str], args: list[str], words: str) -> None:
    (pytester.path / "run.json").write_text(json.dumps(SAVED), encoding="utf-8")
    (pytester.path / "bad.json").write_text("{", encoding="utf-8")
    (pytester.path / "other.json").write_text(json.dumps({**SAVED, "transactions": []}), encoding="utf-8")
    with _operator(pytester.path) as operator:
        target = [] if BUNDLED in args else [f"--operator-url={operator.url}", PLAYERS[0]]
        assert words in refused(*target, *args)


def test_a_save_without_transactions_is_not_green(contract_run: Run, pytester: pytest.Pytester) -> None:
    with _operator(pytester.path) as operator:
        result = contract_run(*PLAYERS, "--operator-rules=BALANCE-01", "--operator-save=run.json", url=operator.url)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED: --operator-save: the run made no transaction that could be kept"])
    assert not (pytester.path / "run.json").exists()
