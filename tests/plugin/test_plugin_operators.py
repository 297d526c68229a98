"""Operators that decline, know nobody, die or never answer; and the fixtures in own tests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

Run = Callable[..., pytest.RunResult]

PLAYER = "--operator-player=p:s:EUR"


@contextmanager
def _socket_server(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does with every connection what a function says."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                kept.append(connection)
                handle(connection)

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for connection in kept:
                connection.close()


def _told(result: pytest.RunResult, reason: str) -> None:
    assert result.ret == 1
    text = result.stdout.str()
    assert reason in text
    assert "Traceback" not in text + result.stderr.str()
    assert "INTERNALERROR" not in text + result.stderr.str()
    assert "/suite/" not in "".join(line for line in result.stdout.lines if "Error" in line and ".py:" in line)


@pytest.mark.parametrize("mute", [False, True], ids=["closes", "never answers"])
def test_an_operator_without_answers(contract_run: Run, mute: bool) -> None:
    def handle(connection: socket.socket) -> None:
        if not mute:
            connection.close()

    started = time.monotonic()
    with _socket_server(handle) as url:
        result = contract_run(PLAYER, "--operator-rules=BET,BALANCE,ROLLBACK", url=url)
    _told(result, "PREFLIGHT-07 MUST")
    result.assert_outcomes(failed=1)
    assert time.monotonic() - started < 60


def test_an_operator_that_dies(contract_run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        # A plugin, as a conftest of the project has no say about tests outside it.
        killer="""
        import os, signal, subprocess, pytest
        @pytest.hookimpl(trylast=True)
        def pytest_runtest_teardown(item):
            if item.name == "test_a_new_transaction_id":
                found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True)
                for pid in found.stdout.split():
                    try:
                        os.kill(int(pid), signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        """
    )
    result = contract_run("-p", "killer", "--operator-rules=ROLLBACK")
    _told(result, "refused")
    assert result.parseoutcomes().get("passed", 0) == 3


def test_a_player_whom_nobody_knows(contract_run: Run, wallet: Callable[..., Any]) -> None:
    with wallet(lambda _name, _fields: {"status": "UNKNOWN_ERROR"}) as w:
        result = contract_run(PLAYER, "--operator-rules=BALANCE,BET,ROLLBACK", "--operator-unsigned", url=w.url)
    _told(result, "PREFLIGHT-12 MUST")
    assert "does not know the player" in " ".join(result.stdout.str().split())
    result.assert_outcomes(failed=1)


def test_a_wallet_that_declines_every_bet_is_not_green(contract_run: Run, wallet: Callable[..., Any]) -> None:
    def decline(name: str, _fields: dict[str, Any]) -> dict[str, Any]:
        status = "SUCCESS" if name == "balance" else "UNKNOWN_ERROR"
        return {"status": status, "currency": "EUR", "balance": 100_000}

    with wallet(decline) as w:
        result = contract_run(PLAYER, "--operator-rules=ROLLBACK-01,IDEM-01", "--operator-unsigned", url=w.url)
    assert result.ret == 1
    assert "Traceback" not in result.stdout.str()


def test_fixtures_in_own_tests(contract_run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        import base64, urllib.request, json

        def test_operator(operator):
            bet = operator.bet(100)
            won = operator.win(bet, 250)
            assert operator.answer(won).balance == operator.answer(bet).balance + 250
            again = operator.retry(won)
            assert operator.answer(again).balance == operator.answer(won).balance
            assert again.callback.transaction_id == won.callback.transaction_id
            assert again.callback.request_id != won.callback.request_id
            other = operator.bet(7)
            back = operator.rollback(other)
            assert operator.answer(back).balance == operator.answer(other).balance + 7
            assert [e.kind for e in operator.exchanges] == ["bet", "win", "win", "bet", "rollback"]

        def test_players(operator, player, other_player):
            assert player != other_player
            before = operator.answer(operator.balance(other_player)).balance
            operator.rollback(operator.bet(10, player))
            assert operator.answer(operator.balance(other_player)).balance == before

        def test_contract(contract):
            assert contract.name == "155io"
            assert contract.signature_header == "X-Marbles-Signature"

        def test_signing(signing_key, sign_callback):
            from cryptography.hazmat.primitives import hashes, serialization
            from cryptography.hazmat.primitives.asymmetric import padding
            body, headers = sign_callback({"balance": "a", "amount": 5})
            assert json.loads(body) == {"balance": "a", "amount": 5}
            public = serialization.load_pem_public_key(signing_key.public_pem)
            signature = base64.b64decode(headers["X-Marbles-Signature"])
            public.verify(signature, body, padding.PKCS1v15(), hashes.SHA256())
            assert signing_key.fingerprint in repr(signing_key)

        def test_ledger(ledger, player):
            assert ledger.currencies[player.player_id] == "EUR"
        """
    )
    result = contract_run("test_own.py")
    result.assert_outcomes(passed=5)
    result = contract_run("test_own.py", "--operator-unsigned", "--operator-player=alone:s:EUR")
    result.assert_outcomes(passed=3, skipped=2)


@pytest.mark.parametrize("currency", ["NOK", "KZT", "JPY"])
def test_a_player_of_a_currency_that_other_players_bets_name_in_vain(contract_run: Run, currency: str) -> None:
    run = contract_run(f"--operator-player=nils:session-n:{currency}", "--operator-rules=BET-05,ROLLBACK-07")
    assert run.ret == 0
    run.stdout.fnmatch_lines(["Bet * 1 *", "Rollback * 1 *"])
