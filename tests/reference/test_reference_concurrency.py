"""The bundled operator under many callbacks at once, and under kill -9."""

from __future__ import annotations

import http.client
import json
import random
import secrets
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from fake_provider import ALICE, Provider, a_bet, a_rollback, a_win, new_id, together

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
        choose = random.Random(number)
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


MOVES = {"bet": -1, "win": 3, "rollback": 1}


@dataclass
class Sent:
    """A callback that was sent before the operator died, and whether its answer came."""

    name: str
    fields: dict[str, Any]
    answered: bool = False

    @property
    def moves(self) -> int:
        return MOVES[self.name]


def test_killed_at_random_moments(key: rsa.RSAPrivateKey, public_key: Path, tmp_path: Path) -> None:
    """Whatever was answered has happened, once; whatever was not happened once or not at all, and a retry does it."""
    database = tmp_path / "wallet.sqlite"
    seed = secrets.randbelow(1 << 32)
    print(f"seed {seed}")
    moment = random.Random(seed)
    with running(variant=None, public_key=public_key, players=[ALICE], rewards=[], database=database) as operator:
        expected, history = ALICE.balance, list[Sent]()
        for _ in range(5):
            with closing(Provider(operator.url, key)) as provider:
                killer = threading.Timer(moment.uniform(0.05, 0.6), operator.kill)
                killer.start()
                sent = list(chain(*together(6, lambda _: play_until_killed(provider))))
                killer.join()
            operator.restart()
            with closing(Provider(operator.url, key)) as provider:
                done = [call for call in sent if call.answered]
                cut = [call for call in sent if not call.answered]
                expected += sum(call.moves for call in done)
                # Nothing that was answered is lost: what else there is came from the callbacks cut short.
                assert provider.balance() - expected in sums_of_some([call.moves for call in cut])
                found = provider.balance()
                for call in (*history, *done):
                    assert replayed(provider, call) == found
                for call in cut:
                    replayed(provider, call)
                    expected += call.moves
                assert provider.balance() == expected
                history += sent
        assert sum(call.answered for call in history) > 20


def sums_of_some(numbers: list[int]) -> set[int]:
    """What any selection of the numbers adds up to."""
    sums = {0}
    for number in numbers:
        sums |= {total + number for total in sums}
    return sums


def replayed(provider: Provider, call: Sent) -> int:
    """The balance after a callback is sent again; a rollback as the provider does it, with an id of its own."""
    anew = {"transactionId": new_id()} if call.name == "rollback" else {}
    reply = provider.call(call.name, **call.fields | anew)
    # A bet that was rolled back before the death is a duplicate now.
    assert reply["status"] == "SUCCESS" or (call.name, reply["status"]) == ("bet", "DUPLICATE_TRANSACTION_ERROR")
    return int(reply["balance"])


def play_until_killed(provider: Provider) -> list[Sent]:
    calls: list[Sent] = []

    def send(name: str, fields: dict[str, Any]) -> None:
        calls.append(Sent(name, fields))
        assert provider.call(name, **fields)["status"] == "SUCCESS"
        calls[-1].answered = True

    with suppress(OSError, http.client.HTTPException):
        while True:
            bet = a_bet(1)
            send("bet", bet)
            if len(calls) % 4 == 1:
                send("win", a_win(bet, 3))
            else:
                send("rollback", a_rollback(bet))
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
