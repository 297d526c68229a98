"""What is collected, and what is run, under friendly and hostile settings."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pytest_provider_contract.collecting import SUITE
from pytest_provider_contract.rules import RULES

Run = Callable[..., pytest.RunResult]

OWN = "def test_mine(): pass"
RULE = "--operator-rules=ROLLBACK-03"


def _verdicts(result: pytest.RunResult) -> dict[str, list[str]]:
    """Chapter to its counts in the closing table."""
    rows = (re.fullmatch(r"(\S.*?)\s{2,}(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", line) for line in result.stdout.lines)
    return {row[1]: list(row.groups()[1:]) for row in rows if row}


def test_in_an_empty_folder_only_the_suite_and_it_is_green(contract_run: Run) -> None:
    result = contract_run()
    assert result.ret == 0
    assert set(result.parseoutcomes()) <= {"passed", "skipped"}
    table = _verdicts(result)
    assert len(table) == len({rule.chapter for rule in RULES.values() if rule.part == "suite"}), table
    assert all(failed == "0" for _, failed, *_ in table.values())
    result.stdout.fnmatch_lines(["left on the players' accounts: nothing"])


def test_beside_own_tests_both_run(contract_run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN)
    contract_run("-v", RULE).assert_outcomes(passed=2, deselected=None)
    result = contract_run("-v", RULE)
    result.stdout.fnmatch_lines(
        ["test_own.py::test_mine PASSED*", "pytest_provider_contract/suite/rollback.py::test_a_new_transaction_id *"]
    )


def test_an_explicit_path_runs_alone_with_the_fixtures(contract_run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="def test_mine(operator): assert operator.answer(operator.balance()).balance == 10**10"
    )
    result = contract_run("test_own.py")
    result.assert_outcomes(passed=1)
    assert "chapter" not in result.stdout.str()


def test_pyargs_runs_only_the_suite(contract_run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN)
    result = contract_run("--pyargs", "pytest_provider_contract", RULE)
    result.assert_outcomes(passed=1)
    assert _verdicts(result) == {"Rollback": ["1", "0", "0", "10"]}


@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param([str(SUITE / "players.py")], id="path"),
        pytest.param(["--pyargs", "pytest_provider_contract.suite.players"], id="name"),
    ],
)
def test_one_chapter_alone(contract_run: Run, chosen: list[str]) -> None:
    result = contract_run(*chosen)
    assert result.ret == 0
    assert set(_verdicts(result)) == {"Players"}
    result.stdout.no_fnmatch_line("not tested*")


def test_one_test_by_its_path(contract_run: Run) -> None:
    contract_run(f"{SUITE / 'rollback.py'}::test_a_new_transaction_id").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "ini",
    [
        pytest.param("python_files = check_*.py\npython_functions = check_*\npython_classes = Check", id="names"),
        pytest.param("testpaths = tests", id="testpaths-that-do-not-exist"),
        pytest.param("norecursedirs = *", id="norecursedirs"),
        pytest.param("addopts = -p no:cacheprovider -p no:hypothesispytest", id="plugins-switched-off"),
        pytest.param("addopts = --import-mode=importlib", id="importlib"),
        pytest.param("addopts = --strict-markers --strict-config\nfilterwarnings = error", id="strict"),
        pytest.param("addopts = --doctest-modules --ignore-glob=*/nothing", id="doctest"),
        pytest.param("addopts = -p no:capture -p no:logging -p no:junitxml", id="no-capture"),
        pytest.param("empty_parameter_set_mark = fail_at_collect\nconsole_output_style = classic", id="style"),
    ],
)
def test_hostile_ini(contract_run: Run, pytester: pytest.Pytester, ini: str) -> None:
    (pytester.path / "pytest.ini").write_text(f"[pytest]\n{ini}\n", encoding="utf-8")
    result = contract_run("--operator-rules=ROLLBACK-03,BET-02")
    assert result.ret == 0, result.stdout.str()
    assert sorted(_verdicts(result)) == ["Bet", "Rollback"]


def test_options_from_ini(contract_run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "pytest.ini").write_text(
        "[pytest]\noperator_url = reference\noperator_rules = rollback-03\noperator_effort = quick\n"
        "operator_seed = 77\noperator_player =\n  alice:s1:EUR\n  bob\noperator_strict = true\n",
        encoding="utf-8",
    )
    result = contract_run(url=None)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*effort quick, seed 77, strict", "*players alice, bob"])


def test_without_terminal_the_status_tells(contract_run: Run) -> None:
    assert contract_run("-p", "no:terminal", RULE).ret == 0
    assert contract_run("-p", "no:terminal", RULE, url="reference:rollback-deduped-on-transaction-id").ret == 1


def test_ci_changes_nothing(contract_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    contract_run(RULE).assert_outcomes(passed=1)


def test_ignoring_a_chapter_does_not_hide_it(contract_run: Run) -> None:
    result = contract_run(f"--ignore={SUITE / 'rollback.py'}", f"--ignore-glob={SUITE}/*", RULE)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("expression", ["ROLLBACK_03", "ROLLBACK-03", "rollback_03", "a_new_transaction_id"])
def test_k_knows_rules(contract_run: Run, expression: str) -> None:
    result = contract_run("-k", expression, "--collect-only", "-q")
    assert [line for line in result.stdout.lines if "::" in line] == [
        "pytest_provider_contract/suite/rollback.py::test_a_new_transaction_id"
    ]


def test_m_chooses_the_suite_or_leaves_it_out(contract_run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN)
    with_suite = contract_run("-m", "provider_contract", RULE)
    with_suite.assert_outcomes(passed=1)
    assert _verdicts(with_suite)
    without = contract_run("-m", "not provider_contract")
    without.assert_outcomes(passed=1)
    assert not _verdicts(without)


def test_collect_only_tests_nothing_and_claims_nothing(contract_run: Run) -> None:
    result = contract_run("--collect-only", "-q")
    assert result.ret == 0
    ids = [line for line in result.stdout.lines if "::" in line]
    assert len(ids) == len(set(ids)) > 100
    assert not _verdicts(result)


def test_last_failed_runs_what_failed(contract_run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    faulty = "reference:rollback-deduped-on-transaction-id"
    chosen = "--operator-rules=ROLLBACK-03,BET-02"
    contract_run(chosen, url=faulty).assert_outcomes(passed=1, failed=1)
    again = contract_run("--lf", chosen, url=faulty)
    again.assert_outcomes(failed=1)
    mended = contract_run("--lf", chosen)
    mended.assert_outcomes(passed=1)
    assert mended.ret == 0


def test_x_stops_at_the_first_failure(contract_run: Run) -> None:
    result = contract_run("-x", "--operator-rules=ROLLBACK", url="reference:rollback-refunds-nothing")
    assert result.ret == 1
    assert result.parseoutcomes()["failed"] == 1
    assert _verdicts(result)["Rollback"][1] == "1"


def test_xdist_gives_the_same_verdict(contract_run: Run) -> None:
    rules = "--operator-rules=ROLLBACK,BALANCE,PLAYER"
    alone, together = contract_run(rules), contract_run("-n", "2", rules)
    assert alone.ret == together.ret == 0
    assert _verdicts(alone) == _verdicts(together)
    together.stdout.fnmatch_lines(["left on the players' accounts: nothing"])


def test_xdist_tells_a_violation_once_and_completely(contract_run: Run) -> None:
    result = contract_run("-n", "2", "--operator-rules=ROLLBACK-03,WIN-07,BET-02",
                          "--operator-player=a:s:EUR", "--operator-player=b:t:EUR",
                          url="reference:rollback-deduped-on-transaction-id")  # fmt: skip
    assert result.ret == 1
    assert result.parseoutcomes() == {"passed": 3, "failed": 1}
    assert result.stdout.str().count("  replay    pytest ") == 1
    table = _verdicts(result)
    assert (table["Rollback"][1], table["Win"][0], table["Bet"][0]) == ("1", "1", "1")


def test_a_chosen_rule_that_is_switched_off_is_not_green(contract_run: Run) -> None:
    result = contract_run("--operator-rules=SIG-03", "--operator-unsigned")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED: no rule was tested*"])
