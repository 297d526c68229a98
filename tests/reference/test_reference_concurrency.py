"""The bundled operator under many callbacks at once, and under kill -9."""

from __future__ import annotations

import http.client
import json
import random
import threading
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from fake_provider import ALICE, Provider, a_bet, a_rollback, a_win, together

from pytest_provider_contract.reference.process import running


def test_copies_of_a_bet_debit_once(provider: Provider) -> None:
    for _ in range(10):
        before = provider.balance()
        bet = a_bet(100)
        replies = together(12, lambda _: provider.call("bet", **bet))  # noqa: B023
        assert {reply["status"] for reply in replies} == {"SUCCESS"}
        assert provider.balance() == before - 100


def test_copies_of_a_win_and_of_a_rollback(provider: Provider) -> None:
    before = provider.balance()
    won, refunded = a_bet(100), a_bet(100)
    provider.call("bet", **won)
    provider.call("bet", **refunded)
    win = a_win(won, 150)
    replies = together(6, lambda _: provider.call("win", **win))
    replies += together(6, lambda _: provider.call("rollback", **a_rollback(refunded)))
    assert {reply["status"] for reply in replies} == {"SUCCESS"}
    assert provider.balance() == before + 50


def test_bets_never_overdraw(provider: Provider) -> None:
    balance = provider.balance("bob")
    stake = balance // 5
    bets = [a_bet(stake, currency="USD", clientPlayerId="bob") for _ in range(12)]
    replies = together(12, lambda number: provider.call("bet", **bets[number]))
    assert [reply["status"] for reply in replies].count("SUCCESS") == 5
    assert {reply["status"] for reply in replies} == {"SUCCESS", "INSUFFICIENT_BALANCE_ERROR"}
    assert sorted(r["balance"] for r in replies if r["status"] == "SUCCESS") == [
        balance - n * stake for n in range(5, 0, -1)
    ]
    assert provider.balance("bob") == balance - 5 * stake


def test_a_bet_races_its_rollback(provider: Provider) -> None:
    before = provider.balance()
    for _ in range(20):
        bet = a_bet(100)
        calls = [("bet", bet), ("rollback", a_rollback(bet))] * 2
        replies = together(4, lambda number: provider.call(calls[number][0], **calls[number][1]))  # noqa: B023
        assert all(replies[number]["status"] == "SUCCESS" for number in (1, 3))
        assert provider.balance() == before


def test_no_update_is_lost(provider: Provider) -> None:
    before = provider.balance()

    def play(number: int) -> int:
        moved = 0
        choose = random.Random(number)  # noqa: S311
        for _ in range(25):
            bet = a_bet(choose.randrange(100))
            provider.call("bet", **bet)
            amount = choose.randrange(200)
            if choose.random() < 0.5:
                provider.call("win", **a_win(bet, amount))
                moved += amount - bet["amount"]
            else:
                provider.call("rollback", **a_rollback(bet))
        return moved

    moved = sum(together(8, play))
    assert provider.balance() == before + moved


def test_kill_under_load_and_replay(key: rsa.RSAPrivateKey, public_key: Path, tmp_path: Path) -> None:
    """Whatever was answered has happened; whatever was not is finished by a retry, once."""
    database = tmp_path / "wallet.sqlite"
    with running(variant=None, public_key=public_key, players=[ALICE], rewards=[], database=database) as operator:
        expected = ALICE.balance
        for delay in (0.3, 0.4, 0.5):
            with closing(Provider(operator.url, key)) as provider:
                killer = threading.Timer(delay, operator.kill)
                killer.start()
                calls = list(chain(*together(6, lambda _: play_until_killed(provider))))
                killer.join()
            operator.restart()
            with closing(Provider(operator.url, key)) as provider:
                for name, fields in calls:
                    reply = provider.call(name, **fields)
                    # A bet that was rolled back before the death is a duplicate now.
                    assert reply["status"] == "SUCCESS" or (name, reply["status"]) == (
                        "bet",
                        "DUPLICATE_TRANSACTION_ERROR",
                    )
                    expected += {"bet": -1, "win": 3, "rollback": 1}[name]
                assert provider.balance() == expected
            assert len(calls) > 20


def play_until_killed(provider: Provider) -> list[tuple[str, dict[str, Any]]]:
    calls: list[tuple[str, dict[str, Any]]] = []
    with suppress(OSError, http.client.HTTPException):
        while True:
            bet = a_bet(1)
            calls.append(("bet", bet))
            provider.call("bet", **bet)
            calls.append(("win", a_win(bet, 3)) if len(calls) % 4 == 1 else ("rollback", a_rollback(bet)))
            provider.call(calls[-1][0], **calls[-1][1])
    return calls


def test_the_client_goes_away(provider: Provider) -> None:
    before = provider.balance()
    bets = [a_bet(10) for _ in range(20)]
    for bet in bets:
        connection = http.client.HTTPConnection(provider.address, timeout=10)
        with closing(connection):
            body = json.dumps(
                {"requestId": "r", "clientPlayerId": "alice", "clientSessionId": "s", "timestamp": "t", **bet}
            ).encode()
            connection.request("POST", "/bet", body, {"X-Marbles-Signature": provider.sign(body)})
    for bet in bets:
        assert provider.call("bet", **bet)["status"] == "SUCCESS"
    assert provider.balance() == before - 200
