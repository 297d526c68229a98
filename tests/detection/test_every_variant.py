"""Each fault once and each conforming wallet once: the fast part of ``benchmarks/detection.py``.

A fault is played by the rules it declares, which is what they are declared for; whether the
whole suite is as quick to find it, with other seeds too, is measured by the benchmark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# Loaded before pytester takes its snapshot of modules: compiled ones can't be loaded twice.
import pytest_provider_contract.session  # noqa: F401
from pytest_provider_contract.inquiry import Inquiry
from pytest_provider_contract.reference.variants import parts, variants
from pytest_provider_contract.rules import RULES

# A tracer costs these half their time, and every line that they reach others reach too.
pytestmark = pytest.mark.no_cover

# What shows only now and then, after a while or after a restart takes more than one short run:
# the benchmark measures it, and other tests cover restarts and the first look.
LEFT_TO_THE_BENCHMARK = {
    "http-302-on-balance",
    "tombstone-for-1-second",
    "transactions-in-memory-only",
    "replies-after-200ms",
    "replies-after-300ms",
}
WANTED = {
    name: each
    for name, each in variants().items()
    if name not in LEFT_TO_THE_BENCHMARK
    and not name.startswith("every-")
    and not each.part.__module__.endswith((".races", ".timing"))
}
FAULTS = {name: each for name, each in WANTED.items() if each.kind == "fault"}
CONFORMING = [name for name, each in WANTED.items() if each.kind == "conforming"]
# Sequences are drawn against wallets in memory, in tests/unit/test_ledger.py and by the thousand.
DIRECTED = ",".join(sorted({rule.chapter for rule in RULES.values() if rule.part == "suite"} - {"SEQ"}))
# The most steps that the shrunk sequence of some faults may have.
MOST_STEPS = {
    "rollback-deduped-on-transaction-id": 3,
    "win-replay-credits-again": 3,
    "bet-of-whole-balance-refused": 1,
    "negative-win-debits": 2,
    "wins-cut-at-32-bits": 2,
    "amounts-as-doubles": 3,
    "success-on-malformed": 1,
    "balance-of-first-player": 4,
    "accounts-found-by-session": 2,
    "win-in-open-round-refused": 2,
    "no-tombstone": 2,
    "refund-half": 2,
}

Run = Callable[..., pytest.RunResult]


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A provider's key; making one takes as long as a hundred callbacks."""
    file = tmp_path_factory.mktemp("key") / "provider.pem"
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(made.private_bytes(*pem))
    return file


@pytest.fixture
def contract(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, key: Path) -> Run:
    """Runs the contract in this process, which need not load everything again for every variant."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    # Why a wallet errs takes longer to find out than that it does: tests/unit/test_diagnosis.py does it.
    monkeypatch.setattr(Inquiry, "_diagnosed", lambda *_, **__: ())

    def run(name: str, rules: str, *options: str, effort: str = "quick") -> pytest.RunResult:
        plain = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", f"--operator-key={key}")
        chosen = (f"--operator-url=reference:{name}", f"--operator-rules={rules}", f"--operator-effort={effort}")
        return pytester.runpytest_inprocess(*plain, *chosen, *options)

    return run


def first_told(done: pytest.RunResult) -> str | None:
    found = re.search(r"^(?:FAILED: )?([A-Z]+-\d\d) (?:MUST|SHOULD)  ", done.stdout.str(), re.MULTILINE)
    return found and found[1]


# Each takes hundreds of callbacks or seconds, and dozens of times as many until its sequence is short;
# others like them are played every time.
TAKES_LONG = {
    "wins-remembered-for-2-seconds",
    "only-50-wins-remembered",
    "only-20-tombstones-remembered",
    "only-50-rollbacks-remembered",
    "only-100-bets-remembered",
    "only-200-bets-remembered",
    "only-100-bets-can-be-settled",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in TAKES_LONG else name for name in FAULTS]
)
def test_a_fault_is_found_by_a_rule_it_declares(name: str, contract: Run, pytester: pytest.Pytester) -> None:
    declared = FAULTS[name].rules
    strict = ["--operator-strict"] if RULES[declared[0]].level == "SHOULD" else []
    # What holds for every reply, or at the same time, is put to the test all over the suite.
    rules = DIRECTED if declared[0].startswith(("REPLY", "RACE")) else ",".join(declared)
    # Three runs at a time on two cores take as long for a callback as a slow operator does, which
    # leaves a quick run no time for every case. It ends with the first failure.
    done = contract(name, rules, "-x", *strict, effort="standard")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert first_told(done) in declared
    for recorded in pytester.path.rglob("failures/*.json"):
        assert len(json.loads(recorded.read_text())["steps"]) <= MOST_STEPS.get(name, 1000)


# Windows so wide that a busy machine hits them too; the others are the benchmark's.
WIDE_RACES = {
    name: each.rules
    for name, each in variants().items()
    if each.part.__module__.endswith(".races")
    and each.rules[0].startswith("RACE")
    and not name.endswith(("-1ms", "-500us", "-200us", "-100us", "no-transaction"))
}


@pytest.mark.parametrize("name", WIDE_RACES)
def test_a_race_is_found_by_a_rule_it_declares(name: str, contract: Run) -> None:
    directed = [rule for rule in WIDE_RACES[name] if rule.startswith("RACE") and rule != "RACE-09"]
    done = contract(name, ",".join(directed), "-x")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert first_told(done) in WIDE_RACES[name]


# No test's first case shows these, and a quick run of a slow operator has no time for more: the tour does.
@pytest.mark.parametrize(
    "name",
    [
        "win-deduped-per-session",
        "unknown-player-is-first-player",
        "body-taken-for-ascii",
        "sha1-signature-accepted",
        "bet-in-other-currency-switches-player",
    ],
)
def test_a_slow_operators_fault_is_found(name: str, contract: Run) -> None:
    done = contract(f"replies-after-30ms+{name}", DIRECTED, "-x")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert first_told(done) in FAULTS[name].rules


# What needs no waiting, storms or great numbers.
AT_ONCE = "REPLY-01,SIG-06,SIG-07,BALANCE-01,BET,WIN,ROLLBACK,ORDER,PLAYER,FREE,AMOUNT," + ",".join(
    f"IDEM-0{number}" for number in range(3, 8)
)
# An operator is made of parts, and one that differs in several still conforms.
PARTS_OF_AN_OPERATOR = 4


def joined(names: Iterable[str]) -> list[str]:
    """Each of the variants once, together with others that change another part."""
    operators: list[list[str]] = []
    for name in names:
        for operator in operators:
            if len(operator) < PARTS_OF_AN_OPERATOR and can_be_one(*operator, name):
                operator.append(name)
                break
        else:
            operators.append([name])
    return ["+".join(operator) for operator in operators]


def can_be_one(*names: str) -> bool:
    try:
        parts("+".join(names))
    except ValueError:
        return False
    return True


SLOW = {"replies-after-30ms"}


@pytest.mark.parametrize("names", joined(name for name in CONFORMING if name not in SLOW), ids=str)
def test_a_conforming_wallet_is_not_accused(names: str, contract: Run) -> None:
    assert contract(names, AT_ONCE).ret == pytest.ExitCode.OK


# Each takes an effort of its own; the ones that differ most are played every time.
ALWAYS = [
    "http-1-0+stored-replies",
    "refused-rollback-declines-its-bet",
    "replies-after-30ms+early-win-credited+strict-ids",
]


@pytest.mark.parametrize(
    "names", [*ALWAYS, *(pytest.param(name, marks=pytest.mark.long) for name in CONFORMING if name not in ALWAYS)]
)
def test_a_conforming_wallet_is_not_accused_by_any_rule(names: str, contract: Run) -> None:
    assert contract(names, DIRECTED).ret == pytest.ExitCode.OK
