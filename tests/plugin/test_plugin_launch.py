"""The `provider_api` fixture, black-box: in a project of its own, with and without an operator's URL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

LAUNCH = """
import json
import urllib.error
import urllib.request

import pytest


def post(url, **fields):
    call = urllib.request.Request(url, json.dumps(fields).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(call) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


def real(api, player, session, **changes):
    fields = {
        "operatorId": "op", "partnerId": "brand", "gameId": api.games[0].id, "platform": "MOBILE",
        "clientPlayerId": player, "clientSessionId": session, "username": player, "currency": "EUR",
    }
    return post(api.url + "/game/url", **{**fields, **changes})
"""


def project(pytester: pytest.Pytester, tests: str) -> None:
    pytester.makepyfile(helpers=LAUNCH)
    pytester.makepyfile(test_own=f"import pytest\nfrom helpers import post, real\n{tests}")


def test_a_launch_that_is_in_order_passes_without_an_operator(pytester: pytest.Pytester, contract_run: Run) -> None:
    project(
        pytester,
        """
def test_launch(provider_api):
    assert "otl=" in real(provider_api, "alice", "s-1")["url"]

def test_real_play_needs_a_wallet(provider_api):
    url = real(provider_api, "alice", "s-1")["url"]
    with pytest.raises(ValueError, match="name its URL"):
        provider_api.open(url)
""",
    )
    result = contract_run("-p", "no:randomly", url=None)
    result.assert_outcomes(passed=2)
    assert (pytester.path / ".provider-contract" / "signing-key.pub.pem").exists()


def test_a_mistake_fails_the_test_that_made_it(pytester: pytest.Pytester, contract_run: Run) -> None:
    project(
        pytester,
        """
@pytest.fixture
def casino(provider_api):
    return lambda: real(provider_api, "alice", "s-1", depositUrl="undefined")

def test_launch(casino):
    assert casino()["status"] == "VALIDATION_ERROR"

def test_another(provider_api):
    real(provider_api, "alice", "s-1")
""",
    )
    result = contract_run(url=None)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([
        "LAUNCH-03 MUST  lobbyUrl and depositUrl are absolute URLs, null or left out.  *T*",
        "  expected  an absolute http(s) URL, null, or no depositUrl at all",
        "  actual    depositUrl 'undefined'",
        "  likely    a missing value was turned into text; leave the field out or send null",
    ])  # fmt: skip
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_failing_test_is_told_what_the_stand_in_found(pytester: pytest.Pytester, contract_run: Run) -> None:
    project(
        pytester,
        """
def test_launch(provider_api):
    assert "url" in real(provider_api, "alice", "s-1", country="UK")
""",
    )
    result = contract_run(url=None)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*The stand-in for the provider found:*", "*LAUNCH-10 MUST*", "*GB, not UK*"])


def test_a_should_rule_fails_in_strict_mode_only(pytester: pytest.Pytester, contract_run: Run) -> None:
    project(
        pytester,
        """
def test_launch(provider_api):
    real(provider_api, "alice", "s-1")
    real(provider_api, "alice", "s-1")
""",
    )
    contract_run("-o", "operator_strict=false", url=None).assert_outcomes(passed=1)
    result = contract_run("-o", "operator_strict=true", url=None)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["LAUNCH-18 SHOULD*"])


def test_expected_mistakes_are_no_failures_and_missing_ones_are(pytester: pytest.Pytester, contract_run: Run) -> None:
    project(
        pytester,
        """
def test_expected(provider_api):
    with provider_api.expecting("LAUNCH-12"):
        real(provider_api, "alice", "s-1", platform="tv")

def test_missing(provider_api):
    with provider_api.expecting("LAUNCH-12"):
        real(provider_api, "alice", "s-1")

def test_other(provider_api):
    with provider_api.expecting("LAUNCH-12"):
        real(provider_api, "alice", "s-1", language="english")
""",
    )
    result = contract_run(url=None)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["expected LAUNCH-12 to be broken, and no rule was*"])
    result.stdout.fnmatch_lines(["expected LAUNCH-12 to be broken, and LAUNCH-09 was*"])


def test_the_terms_are_a_fixture_to_override(pytester: pytest.Pytester, contract_run: Run) -> None:
    project(
        pytester,
        """
from pytest_provider_contract.launch.terms import Game, Terms

@pytest.fixture
def provider_api_terms():
    return Terms(operator_id="issued", games=(Game("1f0e5f3a-6f0b-4c53-9d0c-0b8f1c2d7a01", "Plinko"),))

def test_launch(provider_api):
    real(provider_api, "alice", "s-1", operatorId="issued")
    with provider_api.expecting("LAUNCH-05"):
        real(provider_api, "alice", "s-2")
""",
    )
    contract_run(url=None).assert_outcomes(passed=1)


PLAYS = """
def test_play(provider_api, player):
    table = provider_api.open(real(provider_api, player.player_id, "s-1")["url"])
    before = table.balance
    table.play(500, 1_200)
    table.play(700, None)
    table.play(0 + 1, 0)
    assert table.balance == before + 699
"""


def test_real_play_goes_to_the_operator_under_test(pytester: pytest.Pytester, contract_run: Run) -> None:
    project(pytester, PLAYS)
    contract_run("test_own.py").assert_outcomes(passed=1)


def test_a_wallet_that_errs_in_a_launched_game_is_found(pytester: pytest.Pytester, contract_run: Run) -> None:
    project(pytester, PLAYS)
    result = contract_run("test_own.py", url="reference:win-plus-stake")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([
        "*WIN-01 MUST*",
        "*sequence*POST /game/url for*",
        "* 3 balance * 4 bet 500 * 5 balance",
        "* 6 win 1 200 * here",
    ])  # fmt: skip


def test_a_broken_balance_is_the_prime_suspect(pytester: pytest.Pytester, contract_run: Run) -> None:
    project(
        pytester,
        """
def test_play(provider_api, player):
    provider_api.open(real(provider_api, None, None, currency="XXX", username=None)["url"])
    with pytest.raises(Exception, match="balance could not be read"):
        provider_api.open(real(provider_api, player.player_id, "s-1")["url"])
""",
    )
    result = contract_run("test_own.py", url="reference:http-302-on-balance")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*LAUNCH-20 MUST*", "*HTTP 302*REPLY-01*", "*LAUNCH-21 MUST*", "*prime suspect*"])


def test_launches_next_to_the_suite_are_in_its_table(pytester: pytest.Pytester, contract_run: Run) -> None:
    project(pytester, PLAYS)
    result = contract_run("--operator-rules=BALANCE-02", "-p", "no:xdist")
    assert result.ret == 0, result.stdout.str()
    result.stdout.re_match_lines([r"Launch: the operator as client\s+1\d\s+0\s+0\s+0"])


def test_a_run_of_the_suite_alone_has_no_launch_in_its_table(contract_run: Run) -> None:
    result = contract_run("--pyargs", "pytest_provider_contract", "--operator-rules=BALANCE-02")
    assert result.ret == 0, result.stdout.str()
    assert "Launch" not in result.stdout.str()
    assert "LAUNCH" not in result.stdout.str()


def test_launch_rules_can_not_be_asked_of_the_suite(refused: Callable[..., str]) -> None:
    assert "'LAUNCH' is tested by the launch, not by the suite" in refused(
        "--operator-url=reference", "--operator-rules=LAUNCH"
    )
