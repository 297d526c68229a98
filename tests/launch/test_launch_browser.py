"""A player's browser: the casino's link leads to the game's page, which plays from the casino's wallet."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from pytest_provider_contract.launch.findings import told
from pytest_provider_contract.launch.provider_api import ProviderApi

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 60_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], BrowserContext]]:
    """Starts browsers, each with an empty profile of its own."""
    with sync_playwright() as playwright:
        started: list[BrowserContext] = []

        def start() -> BrowserContext:
            profile: Path = tmp_path_factory.mktemp("profile")
            context = playwright.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=FLAGS)
            context.set_default_timeout(PATIENCE_MS)
            started.append(context)
            return context

        yield start
        for context in started:
            context.close()


@pytest.fixture(scope="module")
def browser(browsers: Callable[[], BrowserContext]) -> BrowserContext:
    return browsers()


def play(page: Page, stake: int, outcome: str, rounds: int) -> None:
    page.locator("#stake").fill(str(stake))
    page.locator("#outcome").select_option(outcome)
    page.locator("#play").click()
    expect(page.locator("#log li")).to_have_count(rounds, timeout=PATIENCE_MS)


def test_a_player_launches_plays_and_changes_games(
    browser: BrowserContext, api: ProviderApi, open_casino: Callable[..., Any]
) -> None:
    casino = open_casino()
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{casino.url}/play/{api.games[0].id}?alice")
    assert page.url.startswith(f"{api.url}/?otl=")
    expect(page.locator("#mode")).to_have_text("Real play")
    expect(page.locator("#balance")).to_have_text("100000")
    play(page, 500, "win", rounds=1)
    expect(page.locator("#balance")).to_have_text("100500")
    play(page, 300, "lose", rounds=2)
    play(page, 700, "rollback", rounds=3)
    expect(page.locator("#balance")).to_have_text("100200")
    page.locator("#switch").select_option(api.games[1].id)
    expect(page.locator("#game")).to_have_text(api.games[1].name)
    play(page, 200_000, "win", rounds=5)
    expect(page.locator("#log li").last).to_contain_text("INSUFFICIENT_BALANCE_ERROR")
    assert casino.wallet.balance("alice") == 100_200
    assert errors == []
    assert api.findings.all == (), told(api.findings.all)


def test_a_reloaded_link_fails_as_in_the_field(
    browser: BrowserContext, api: ProviderApi, open_casino: Callable[..., Any]
) -> None:
    casino = open_casino()
    page = browser.new_page()
    page.goto(f"{casino.url}/play/{api.games[0].id}?alice")
    page.reload()
    expect(page.locator("#why")).to_have_text("this link was used already.")
    assert api.findings.rules == ["LAUNCH-14"], told(api.findings.all)


def test_a_link_that_two_browsers_open_was_cached(
    browser: BrowserContext, browsers: Callable[[], BrowserContext], api: ProviderApi, open_casino: Callable[..., Any]
) -> None:
    casino = open_casino()
    url = casino.play("alice", api.games[0].id)
    browser.new_page().goto(url)
    page = browsers().new_page()
    page.goto(url)
    expect(page.locator("#why")).to_have_text("this link belongs to another launch.")
    assert api.findings.rules == ["LAUNCH-16"], told(api.findings.all)


def test_a_demo_works_where_the_wallet_does_not(
    browser: BrowserContext, api: ProviderApi, open_casino: Callable[..., Any]
) -> None:
    casino = open_casino()
    api.use_wallet("http://127.0.0.1:9/nobody")
    page = browser.new_page()
    page.goto(f"{casino.url}/demo/{api.games[0].id}")
    expect(page.locator("#mode")).to_have_text("Demo")
    play(page, 500, "lose", rounds=1)
    expect(page.locator("#balance")).to_have_text("999500")
    page.goto(f"{casino.url}/play/{api.games[0].id}?alice")
    expect(page.locator("#why")).to_have_text("the player's balance could not be read.")
    assert api.findings.rules == ["LAUNCH-20", "LAUNCH-21"], told(api.findings.all)
