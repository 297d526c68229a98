"""Tests of an operator's own with the fixtures of pytest-provider-contract.

pytest examples/own_tests --operator-url=reference
"""

import pytest

from pytest_provider_contract.ledger import State


def test_a_bet_and_its_win_move_the_money(operator, player):
    before = operator.answer(operator.balance(player)).balance
    bet = operator.bet(1_000, player)
    assert operator.answer(bet).balance == before - 1_000
    win = operator.win(bet, 2_500)
    assert operator.answer(win).balance == before + 1_500


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_refund_is_paid_once_however_often_it_is_asked_for(operator, player, times):
    before = operator.answer(operator.balance(player)).balance
    bet = operator.bet(700, player)
    for _ in range(times):
        operator.rollback(bet)  # each with a new transactionId, as the provider does
    assert operator.answer(operator.balance(player)).balance == before


def test_a_retry_is_recognised(operator, player):
    bet = operator.bet(300, player)
    again = operator.retry(bet)  # same transactionId, new requestId and timestamp
    assert operator.answer(again).balance == operator.answer(bet).balance
    operator.rollback(bet)


def test_players_do_not_share_money(operator, player, other_player):
    before = operator.answer(operator.balance(other_player)).balance
    bet = operator.bet(100, player)
    assert operator.answer(operator.balance(other_player)).balance == before
    operator.rollback(bet)


def test_a_signed_body_for_a_test_client(sign_callback, signing_key, contract, player):
    # Any mapping becomes body bytes and headers: hand both to your web framework's test client.
    body, headers = sign_callback({"clientPlayerId": player.player_id, "somethingNew": True})
    assert signing_key.verifies(body, headers[contract.signature_header])


def test_the_ledger_tells_what_a_wallet_may_answer(operator, ledger, player):
    start = State({player.player_id: operator.answer(operator.balance(player)).balance})
    bet = operator.bet(500, player)
    allowed = ledger.branches(start, bet.callback)
    assert any(operator.answer(bet).status in branch.statuses for branch in allowed)
    operator.rollback(bet)


def test_the_key_keeps_its_secret(signing_key):
    assert "PRIVATE" not in repr(signing_key)
    assert signing_key.public_pem.startswith(b"-----BEGIN PUBLIC KEY-----")
