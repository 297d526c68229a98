"""The example casino is in order; with each mistake of the field it is found out by that mistake's own rule."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from casino.launcher import LaunchError

from pytest_provider_contract.launch.findings import told
from pytest_provider_contract.launch.launches import LaunchFailedError
from pytest_provider_contract.launch.provider_api import ProviderApi
from pytest_provider_contract.rules import RULES

from .mistakes import MISTAKES, Mistake


def a_day(casino: Any, api: ProviderApi) -> None:
    """What goes on in a casino: demo play, players who come and come back, an outage, a lost bet."""
    casino.pause = lambda: api.clock.advance(hours=3)
    try:
        game = casino.launcher.games()[0]["id"]
    except LaunchError:
        game = api.games[0].id
    with suppress(LaunchError, LaunchFailedError):
        api.open(casino.demo(game)).play(stake=100)
    for player in ("alice", "bob", "alice"):
        with suppress(LaunchError, LaunchFailedError):
            _plays(casino, api, player, game)
    api.fail_next_launch()
    with suppress(LaunchError, LaunchFailedError):
        _plays(casino, api, "bob", game)
    for bet in api.rounds.to_void(casino.wallet.pending()):
        casino.wallet.void(bet)
    api.check_pending(casino.wallet.pending())


def _plays(casino: Any, api: ProviderApi, player: str, game: str) -> None:
    table = api.open(casino.play(player, game), browser=f"browser of {player}", player_id=player)
    table.play(stake=300, win=700)
    table.switch(api.games[1])
    table.play(stake=300, win=None)
    table.lose_bet(50)


def test_the_casino_is_in_order(api: ProviderApi, open_casino: Callable[..., Any]) -> None:
    casino = open_casino()
    a_day(casino, api)
    assert api.findings.all == (), told(api.findings.all)
    assert casino.wallet.balance("alice") == casino.wallet.balance("bob") == 100_800
    assert api.rounds.open == []
    held = {f"LAUNCH-{n:02}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)}
    assert api.findings.exercised.keys() == held


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_by_its_own_rule(name: str, api: ProviderApi, open_casino: Callable[..., Any]) -> None:
    mistake: Mistake = MISTAKES[name]
    mistake.arrange(api)
    a_day(open_casino(mistake.casino, mistake.launcher, mistake.wallet), api)
    assert set(api.findings.rules) == set(mistake.rules), told(api.findings.all)
    assert all(finding.likely for finding in api.findings.all)


def test_every_rule_of_the_launch_has_a_mistake() -> None:
    broken = {rule for mistake in MISTAKES.values() for rule in mistake.rules}
    assert {id_ for id_, rule in RULES.items() if rule.part == "launch"} <= broken
