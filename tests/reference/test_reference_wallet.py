"""The bundled operator, one callback after the other."""

from __future__ import annotations

from typing import Any

import pytest
from fake_provider import REWARD, Provider, a_bet, a_rollback, a_win, new_id

MAX = 2**63 - 1


class Moves:
    """Asserts by how much a block moves alice's money."""

    def __init__(self, provider: Provider, delta: int) -> None:
        self.provider, self.delta = provider, delta

    def __enter__(self) -> None:
        self.before = self.provider.balance()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            assert self.provider.balance() - self.before == self.delta


def test_balance(provider: Provider) -> None:
    reply = provider.call("balance", clientPlayerId="bob")
    assert reply["status"] == "SUCCESS"
    assert (reply["clientPlayerId"], reply["currency"], reply["balance"]) == ("bob", "USD", 50_000)


def test_bet_and_win(provider: Provider) -> None:
    before = provider.balance()
    bet = a_bet(1_000)
    assert provider.call("bet", **bet)["balance"] == before - 1_000
    assert provider.call("win", **a_win(bet, 3_000))["balance"] == before + 2_000
    assert provider.balance() == before + 2_000


def test_lost_bet(provider: Provider) -> None:
    bet = a_bet(1_000)
    with Moves(provider, -1_000):
        provider.call("bet", **bet)
        assert provider.call("win", **a_win(bet, 0))["status"] == "SUCCESS"


def test_whole_balance(provider: Provider) -> None:
    balance = provider.balance()
    too_much = a_bet(balance + 1)
    assert provider.call("bet", **too_much)["status"] == "INSUFFICIENT_BALANCE_ERROR"
    bet = a_bet(balance)
    assert provider.call("bet", **bet)["balance"] == 0
    assert provider.call("rollback", **a_rollback(bet))["balance"] == balance


def test_declined_bet_leaves_no_record(provider: Provider) -> None:
    bet = a_bet(provider.balance() + 1)
    declined = provider.call("bet", **bet)
    assert declined["status"] == "INSUFFICIENT_BALANCE_ERROR"
    assert declined["balance"] == provider.balance()
    assert provider.call("win", **a_win(bet))["status"] == "UNKNOWN_ERROR"
    assert provider.call("bet", **bet | {"amount": 10})["status"] == "SUCCESS"


def test_largest_amount_is_not_wrapped_around(provider: Provider) -> None:
    with Moves(provider, 0):
        assert provider.call("bet", **a_bet(MAX))["status"] == "INSUFFICIENT_BALANCE_ERROR"
        assert provider.call("bet", **a_bet(MAX + 1))["status"] == "UNKNOWN_ERROR"


def test_balance_does_not_overflow(provider: Provider) -> None:
    bet = a_bet(1)
    provider.call("bet", **bet)
    with Moves(provider, 0):
        assert provider.call("win", **a_win(bet, MAX))["status"] == "UNKNOWN_ERROR"
    with Moves(provider, 5):
        assert provider.call("win", **a_win(bet, 5))["status"] == "SUCCESS"


def test_repeated_bet(provider: Provider) -> None:
    bet = a_bet()
    provider.call("bet", **bet)
    with Moves(provider, 0):
        reply = provider.call("bet", **bet)
        assert (reply["status"], reply["balance"]) == ("SUCCESS", provider.balance())


def test_repeated_win(provider: Provider) -> None:
    bet = a_bet()
    win = a_win(bet)
    provider.call("bet", **bet)
    provider.call("win", **win)
    with Moves(provider, 0):
        assert provider.call("win", **win | {"roundClosed": False})["status"] == "SUCCESS"
        assert provider.call("bet", **bet)["status"] == "SUCCESS"


def test_second_win_of_a_bet(provider: Provider) -> None:
    bet = a_bet()
    provider.call("bet", **bet)
    provider.call("win", **a_win(bet))
    with Moves(provider, 0):
        assert provider.call("win", **a_win(bet))["status"] == "UNKNOWN_ERROR"


@pytest.mark.parametrize("same_id", [True, False])
@pytest.mark.parametrize("closed", [True, False])
def test_repeated_rollback(provider: Provider, same_id: bool, closed: bool) -> None:
    bet = a_bet()
    with Moves(provider, 0):
        provider.call("bet", **bet)
        rollback = a_rollback(bet, roundClosed=closed)
        assert provider.call("rollback", **rollback)["status"] == "SUCCESS"
        again = rollback if same_id else rollback | {"transactionId": new_id()}
        assert provider.call("rollback", **again)["status"] == "SUCCESS"
        assert provider.call("bet", **bet)["status"] == "DUPLICATE_TRANSACTION_ERROR"
        assert provider.call("win", **a_win(bet))["status"] == "UNKNOWN_ERROR"


def test_rollback_before_its_bet(provider: Provider) -> None:
    bet = a_bet()
    with Moves(provider, 0):
        assert provider.call("rollback", **a_rollback(bet))["status"] == "SUCCESS"
        assert provider.call("rollback", **a_rollback(bet))["status"] == "SUCCESS"
        assert provider.call("bet", **bet)["status"] == "DUPLICATE_TRANSACTION_ERROR"
        assert provider.call("rollback", **a_rollback(bet))["status"] == "SUCCESS"
        assert provider.call("win", **a_win(bet))["status"] == "UNKNOWN_ERROR"


def test_win_before_its_bet(provider: Provider) -> None:
    bet = a_bet(1_000)
    win = a_win(bet, 3_000)
    with Moves(provider, 0):
        assert provider.call("win", **win)["status"] == "UNKNOWN_ERROR"
    with Moves(provider, 2_000):
        provider.call("bet", **bet)
        assert provider.call("win", **win)["status"] == "SUCCESS"


def test_rollback_of_settled_bet(provider: Provider) -> None:
    bet = a_bet()
    provider.call("bet", **bet)
    provider.call("win", **a_win(bet, 0))
    with Moves(provider, 0):
        assert provider.call("rollback", **a_rollback(bet))["status"] == "UNKNOWN_ERROR"


def test_rollback_naming_a_win(provider: Provider) -> None:
    bet = a_bet()
    win = a_win(bet)
    provider.call("bet", **bet)
    provider.call("win", **win)
    with Moves(provider, 0):
        assert provider.call("rollback", **a_rollback(win))["status"] == "UNKNOWN_ERROR"


@pytest.mark.parametrize("change", [{"amount": 1}, {"roundId": "other"}, {"gameId": "other"}, {"currency": "USD"}])
def test_same_id_with_other_content(provider: Provider, change: dict[str, Any]) -> None:
    bet = a_bet()
    win = a_win(bet)
    provider.call("bet", **bet)
    with Moves(provider, 0):
        assert provider.call("bet", **bet | change)["status"] == "DUPLICATE_TRANSACTION_ERROR"
    provider.call("win", **win)
    with Moves(provider, 0):
        assert provider.call("win", **win | change)["status"] == "DUPLICATE_TRANSACTION_ERROR"
        assert provider.call("bet", **bet | {"transactionId": win["transactionId"]})["status"].startswith("DUPLICATE")
        assert provider.call("win", **win | {"transactionId": bet["transactionId"]})["status"].startswith("DUPLICATE")


@pytest.mark.parametrize("amount", [-1, 0.5, 10.0, 1e2, "10", True, None, [], {}, MAX + 1, 10**400])
def test_strange_amounts(provider: Provider, amount: object) -> None:
    bet = a_bet()
    provider.call("bet", **bet)
    with Moves(provider, 0):
        reply = provider.call("bet", **a_bet() | {"amount": amount})
        assert (reply["status"], reply["balance"]) == ("UNKNOWN_ERROR", provider.balance())
        assert provider.call("win", **a_win(bet) | {"amount": amount})["status"] == "UNKNOWN_ERROR"


def test_other_currency(provider: Provider) -> None:
    bet = a_bet()
    provider.call("bet", **bet)
    with Moves(provider, 0):
        assert provider.call("bet", **a_bet(currency="USD"))["status"] == "UNKNOWN_ERROR"
        assert provider.call("win", **a_win(bet, currency="USD"))["status"] == "UNKNOWN_ERROR"


def test_bet_of_nothing(provider: Provider) -> None:
    with Moves(provider, 0):
        assert provider.call("bet", **a_bet(0))["status"] == "SUCCESS"


def test_another_players_bet(provider: Provider) -> None:
    bet = a_bet()
    provider.call("bet", **bet)
    before = provider.balance("bob")
    with Moves(provider, 0):
        for_bob = {"clientPlayerId": "bob"}
        assert provider.call("rollback", **a_rollback(bet) | for_bob)["status"] == "UNKNOWN_ERROR"
        assert provider.call("win", **a_win(bet, currency="USD") | for_bob)["status"] == "UNKNOWN_ERROR"
    assert provider.balance("bob") == before


def test_anothers_tombstone(provider: Provider) -> None:
    bet = a_bet(1_000)
    assert provider.call("rollback", **a_rollback(bet, clientPlayerId="bob"))["status"] == "SUCCESS"
    with Moves(provider, -1_000):
        assert provider.call("bet", **bet)["status"] == "SUCCESS"


@pytest.mark.parametrize("name", ["balance", "bet", "win", "rollback"])
def test_unknown_player(provider: Provider, name: str) -> None:
    bet = a_bet()
    everything = {**a_win(bet), **a_rollback(bet), **bet, "clientPlayerId": "nobody"}
    reply = provider.call(name, **everything)
    assert reply == {"status": "UNKNOWN_ERROR", "requestId": reply["requestId"], "clientPlayerId": "nobody"}


def test_free_bet(provider: Provider) -> None:
    bet = a_bet(0, isFree=True, rewardUuid=REWARD)
    with Moves(provider, 700):
        assert provider.call("bet", **bet)["status"] == "SUCCESS"
        assert provider.call("win", **a_win(bet, 700, isFree=True, rewardUuid=REWARD))["status"] == "SUCCESS"


def test_free_bet_with_a_face_value(provider: Provider) -> None:
    bet = a_bet(500, isFree=True, rewardUuid=REWARD)
    with Moves(provider, 0):
        assert provider.call("bet", **bet)["status"] == "SUCCESS"
        assert provider.call("rollback", **a_rollback(bet))["status"] == "SUCCESS"


@pytest.mark.parametrize("reward", [{"rewardUuid": "00000000-0000-4000-8000-000000000000"}, {"rewardUuid": None}, {}])
def test_unknown_reward(provider: Provider, reward: dict[str, Any]) -> None:
    with Moves(provider, 0):
        assert provider.call("bet", **a_bet(0, isFree=True), **reward)["status"] == "BONUS_ERROR"
