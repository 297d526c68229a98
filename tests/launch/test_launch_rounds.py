"""Rounds as the provider plays them: deadlines, retries, stuck rounds, settlements pushed again."""

from __future__ import annotations

import threading

import pytest

from pytest_provider_contract.launch.findings import told
from pytest_provider_contract.launch.game import PlayError
from pytest_provider_contract.launch.rounds import NEVER_SENT, RoundError, Stage

from .conftest import Played


def test_a_round_is_a_bet_and_its_win(played: Played) -> None:
    done = played.game.play(500, 1_200)
    assert done is not None
    assert done.stage is Stage.SETTLED
    [bet], [win] = played.front.sent("bet"), played.front.sent("win")
    assert win["referenceTransactionId"] == bet["transactionId"]
    assert win["roundId"] == bet["roundId"]
    assert win["roundClosed"] is True
    assert {bet["gameId"], win["gameId"]} == {played.api.games[0].id}
    assert played.game.balance == played.balance == 100_700
    assert played.api.findings.all == ()


def test_the_session_of_the_launch_is_sent(played: Played) -> None:
    played.game.play(500, None)
    sessions = {fields["clientSessionId"] for _, fields in played.front.calls}
    assert sessions == {played.game.launch.request.session_id}


def test_another_game_is_named_after_a_switch(played: Played) -> None:
    played.game.switch(played.api.games[1])
    played.game.play(100)
    assert played.front.sent("bet")[0]["gameId"] == played.api.games[1].id


def test_a_declined_bet_ends_the_round(played: Played) -> None:
    done = played.game.play(1_000_000)
    assert done is not None
    assert (done.stage, done.why) == (Stage.DECLINED, "/bet: INSUFFICIENT_BALANCE_ERROR")
    assert played.front.sent("win") == []
    assert played.api.findings.all == ()


def test_a_win_is_retried_as_the_same_transaction(played: Played) -> None:
    played.front.plan["win"] = ["500", "lose"]
    done = played.game.play(500, 900)
    assert done is not None
    assert (done.stage, done.attempts) == (Stage.SETTLED, 3)
    wins = played.front.sent("win")
    assert len({win["transactionId"] for win in wins}) == 1
    assert len({win["requestId"] for win in wins}) == 3
    assert played.balance == 100_400
    assert played.api.findings.rules == ["REPLY-01"], told(played.api.findings.all)


def test_a_rollback_is_retried_with_a_new_transaction(played: Played) -> None:
    played.front.plan["rollback"] = ["lose", "500"]
    done = played.game.play(500, None)
    assert done is not None
    assert (done.stage, done.attempts) == (Stage.REFUNDED, 3)
    rollbacks = played.front.sent("rollback")
    assert len({rollback["transactionId"] for rollback in rollbacks}) == 3
    assert {rollback["referenceTransactionId"] for rollback in rollbacks} == {done.bet.transaction_id}
    assert played.balance == 100_000


@pytest.mark.parametrize("what", ["late", "silent", "lose", "500"])
def test_a_bet_without_an_answer_is_rolled_back(hasty: Played, what: str) -> None:
    hasty.front.plan["bet"] = [what]
    done = hasty.game.play(500, 900)
    assert done is not None
    assert done.stage is Stage.REFUNDED
    assert hasty.front.sent("win") == []
    assert len(hasty.front.sent("rollback")) == 1
    rule = "TIME-01" if what in ("late", "silent") else "REPLY-01"
    assert hasty.api.findings.rules == [rule], told(hasty.api.findings.all)


def test_a_stuck_round_is_listed_with_its_reason_and_pushed_again(played: Played) -> None:
    played.front.plan["win"] = ["500"] * 3
    stuck = played.game.play(500, 2_000)
    assert stuck is not None
    assert played.api.rounds.open == [stuck]
    assert (stuck.why, stuck.attempts) == ("/win: HTTP 500", 3)
    assert played.api.findings.rules == ["REPLY-01", "LAUNCH-22"]
    assert played.balance == 99_500
    played.api.push(stuck.id)
    assert (stuck.stage, stuck.why, played.api.rounds.open) == (Stage.SETTLED, None, [])
    assert played.balance == 101_500


def test_a_win_without_an_answer_leaves_the_round_open(hasty: Played) -> None:
    hasty.front.plan["win"] = ["late"] * 3
    stuck = hasty.game.play(500, 2_000)
    assert stuck is not None
    assert (stuck.stage, stuck.why) == (Stage.OPEN, "/win: no complete reply before the deadline")


def test_a_round_whose_settlement_was_never_sent_is_open(played: Played) -> None:
    bet = played.game.bet(500)
    assert [(known.id, known.why) for known in played.api.rounds.open] == [(bet.id, NEVER_SENT)]
    with pytest.raises(RoundError, match="no settlement to push"):
        played.api.push(bet.id)
    played.game.settle(bet, 700)
    assert played.api.rounds.open == []
    with pytest.raises(PlayError, match="only an open round"):
        played.game.settle(bet, 700)
    assert played.balance == 100_200


def test_a_settlement_pushed_again_long_after_moves_nothing(played: Played) -> None:
    won, refunded = played.game.play(500, 800), played.game.play(500, None)
    assert won is not None
    assert refunded is not None
    played.game.play(100)
    played.api.push(won.id)
    played.api.push(refunded.id)
    assert played.balance == 100_200
    assert played.api.findings.all == (), told(played.api.findings.all)


def test_a_wallet_that_pays_a_pushed_win_twice_is_found(played: Played) -> None:
    won = played.game.play(500, 800)
    assert won is not None
    with played.casino.wallet._lock:
        played.casino.wallet._db.execute("DELETE FROM wins")  # the wallet has forgotten
    played.api.push(won.id)
    assert played.api.findings.rules == ["IDEM-02"], told(played.api.findings.all)


def test_money_that_moves_between_rounds_is_nobodys_fault(played: Played) -> None:
    played.game.play(500, 700)
    bet = played.game.bet(100)
    with played.casino.wallet._lock:
        played.casino.wallet._move("alice", 5_000)  # the player pays in
    played.game.settle(bet, 0)
    assert played.balance == 105_100
    assert played.api.findings.all == (), told(played.api.findings.all)


def test_two_sessions_of_a_player_take_turns(played: Played) -> None:
    other = played.api.open(played.casino.play("alice", played.api.games[1].id), browser="a phone")

    def play(game: object) -> None:
        for _ in range(8):
            game.play(100, 150)  # type: ignore[attr-defined]

    threads = [threading.Thread(target=play, args=(game,)) for game in (played.game, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert played.balance == 100_800
    assert played.api.findings.all == (), told(played.api.findings.all)


def test_debits_that_the_provider_does_not_know_must_be_voided(played: Played) -> None:
    known, lost = played.game.bet(300), played.game.lose_bet(200)
    assert sorted(played.casino.wallet.pending()) == sorted([known.bet.transaction_id, lost])
    assert played.api.rounds.to_void(played.casino.wallet.pending()) == [lost]
    assert played.api.findings.all == ()
    assert played.api.check_pending(played.casino.wallet.pending()) == [lost]
    assert played.api.findings.rules == ["LAUNCH-23"]
    with pytest.raises(RoundError, match="no record"):
        played.api.push("no such round")


@pytest.mark.parametrize("amount", [-1, 1.5, True, "5", 1 << 63])
def test_a_stake_that_is_no_amount_is_refused(played: Played, amount: object) -> None:
    with pytest.raises(PlayError, match="whole number of minor units"):
        played.game.play(amount)  # type: ignore[arg-type]
    assert played.front.calls == []


def test_demo_play_never_calls_the_wallet(played: Played) -> None:
    demo = played.api.open(played.casino.demo(played.api.games[0].id))
    demo.play(100, 300)
    assert (demo.balance, played.front.calls) == (1_000_200, [])
    with pytest.raises(PlayError, match="not enough fun money"):
        demo.play(2_000_000)
    for real in (lambda: demo.bet(1), lambda: demo.lose_bet(1)):
        with pytest.raises(PlayError, match="never calls the wallet"):
            real()
