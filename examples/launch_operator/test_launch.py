"""The casino's own tests of its launch code and wallet.

pytest examples/launch_operator
"""

import pytest

from pytest_provider_contract.launch.launches import LaunchFailedError


def test_a_player_launches_a_game_and_plays(casino, provider_api, game):
    table = provider_api.open(casino.play("alice", game), player_id="alice")
    assert table.balance == 100_000
    table.play(stake=500, win=1_200)
    table.play(stake=500)  # lost
    table.play(stake=500, win=None)  # rolled back
    assert casino.wallet.balance("alice") == 100_200
    assert casino.wallet.pending() == []


def test_a_demo_never_touches_the_wallet(casino, provider_api, game):
    with casino.front.outage("/wallet"):
        table = provider_api.open(casino.demo(game))
        table.play(stake=500, win=0)
    assert table.demo


def test_every_launch_has_a_url_of_its_own(casino, provider_api, game):
    first, second = casino.play("alice", game), casino.play("bob", game)
    provider_api.open(second, player_id="bob")
    provider_api.open(first, player_id="alice")


def test_a_player_changes_games_without_a_new_launch(casino, provider_api, game):
    table = provider_api.open(casino.play("alice", game))
    table.play(stake=100)
    table.switch(provider_api.games[1])
    table.play(stake=100)
    assert casino.wallet.balance("alice") == 99_800


def test_a_launch_that_fails_is_tried_again_with_a_new_session(casino, provider_api, game):
    provider_api.fail_next_launch()
    provider_api.open(casino.play("alice", game)).play(stake=100)


def test_a_link_in_a_mail_does_not_work_for_long(casino, provider_api, game):
    url = casino.play("alice", game)
    provider_api.clock.advance(hours=3)
    with provider_api.expecting("LAUNCH-15"), pytest.raises(LaunchFailedError, match="expired"):
        provider_api.open(url)


def test_a_round_that_got_stuck_is_settled_when_it_is_pushed_again(casino, provider_api, game):
    table = provider_api.open(casino.play("alice", game))
    with provider_api.expecting("REPLY-01", "LAUNCH-22"), casino.front.outage("/wallet/win"):
        table.play(stake=500, win=2_000)
    [stuck] = provider_api.rounds.open
    assert stuck.why == "/win: HTTP 502"
    assert casino.wallet.pending() == [stuck.bet.transaction_id]
    provider_api.push(stuck.id)
    assert provider_api.rounds.open == []
    assert casino.wallet.balance("alice") == 101_500


def test_a_bet_that_the_provider_does_not_know_is_voided(casino, provider_api, game):
    table = provider_api.open(casino.play("alice", game))
    table.lose_bet(700)  # debited here, and the provider has no record of it
    for bet in provider_api.rounds.to_void(casino.wallet.pending()):
        casino.wallet.void(bet)
    assert provider_api.check_pending(casino.wallet.pending()) == []
    assert casino.wallet.balance("alice") == 100_000
