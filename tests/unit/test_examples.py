"""Every example of the catalogue, read by the judge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.client import ORDINARY, Envelope, Letter, OperatorClient
from pytest_provider_contract.examples import EXAMPLES, ODDITIES, OPENING, STATUSES, WITHOUT, Example
from pytest_provider_contract.history import Defect, Exchange, Player
from pytest_provider_contract.profile import load_profile
from pytest_provider_contract.provider import Performance, Provider
from pytest_provider_contract.rules import CHAPTERS, RULES
from pytest_provider_contract.signing import SigningKey, generate_key
from pytest_provider_contract.transport import Endpoint, Failure, Fault, Reply

JSON = ((b"content-type", b"application/json"),)
SPELT_OUT = {
    "REPLY",
    "SIG",
    "BALANCE",
    "BET",
    "WIN",
    "ROLLBACK",
    "IDEM",
    "ORDER",
    "PLAYER",
    "FREE",
    "AMOUNT",
    "TIME",
    "RACE",
    "LOST",
}


class Script(OperatorClient):
    """An operator that says what an example says, and after it what it said last of the same player."""

    def __init__(self, key: SigningKey, answers: str) -> None:
        super().__init__(Endpoint.parse("http://wallet.example"), load_profile("155io"), key)
        self.answers = answers.split()
        self.last: dict[str, str] = {}

    def send(
        self,
        callback: Callback,
        envelope: Envelope = ORDINARY,
        defect: Defect | None = None,
        fault: Fault | None = None,
    ) -> Exchange:
        body = self.encode(callback, envelope)
        known = self.last.get(callback.player_id, f"ok:{OPENING}")
        word = self.answers.pop(0) if self.answers else known
        if word.partition(":")[2] and callback.player_id in ("alice", "bob"):
            self.last[callback.player_id] = f"ok:{word.partition(':')[2]}"
        return Exchange(
            callback,
            f"/{callback.kind}",
            self.headers(body, envelope),
            body,
            _reply(word, callback, fault),
            0,
            0.01,
            defect,
            fault,
        )

    def send_together(self, letters: Sequence[Letter]) -> list[Exchange]:
        return [self.send(each.callback, each.envelope, each.defect, each.fault) for each in letters]


def _reply(word: str, callback: Callback, fault: Fault | None) -> Reply:
    told = {"requestId": callback.request_id, "clientPlayerId": callback.player_id, "currency": "EUR"}
    if word.startswith("http"):
        return Reply(int(word[4:]), JSON, b"{}")
    match word:
        case "html":
            return Reply(200, ((b"content-type", b"text/html"),), b"<html></html>")
        case "lost":
            return Reply(None, failure=Failure.CUT if fault is Fault.CUT else Failure.ABANDONED)
        case "late":
            return Reply(None, failure=Failure.TIMEOUT)
        case "no-balance":
            told |= {"status": "SUCCESS"}
        case "other-id":
            told |= {"status": "SUCCESS", "balance": 9000, "requestId": "another"}
        case "misspelt":
            told |= {"status": "OK", "balance": 9000}
        case "retired":
            told |= {"status": "INVALID_SIGNATURE", "balance": 10_000}
        case "dollars":
            told |= {"status": "SUCCESS", "balance": 10_000, "currency": "USD"}
        case _:
            status, _, amount = word.partition(":")
            told |= {"status": STATUSES[status].value} | ({"balance": int(amount)} if amount else {})
    return Reply(200, JSON, json.dumps(told).encode())


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return generate_key()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def played(key: SigningKey, example: Example, answers: str) -> Performance:
    players = (Player("alice", "session-a", "EUR"), Player("bob", "session-b", "EUR"))
    provider = Provider(Script(key, answers), players, ("5e6fa5f3-6f1c-4a3e-9c39-0a3a3b6d2b11",))
    provider.known = {0: OPENING, 1: OPENING}
    return provider.play(example.plan)


@pytest.mark.parametrize("id_", EXAMPLES)
def test_the_conforming_answers_conform_and_test_the_rule(id_: str, key: SigningKey) -> None:
    performance = played(key, EXAMPLES[id_], EXAMPLES[id_].holds)
    assert performance.violation is None
    assert id_ not in performance.advisory
    assert performance.exercised[id_] or performance.tested


@pytest.mark.parametrize("id_", EXAMPLES)
def test_the_breaking_answers_break_the_rule_at_the_last_one(id_: str, key: SigningKey) -> None:
    example = EXAMPLES[id_]
    performance = played(key, example, example.breaks)
    if RULES[id_].level == "SHOULD":
        assert performance.violation is None
        assert id_ in performance.advisory
    else:
        assert performance.violation is not None
        assert performance.violation.rule == id_
        assert len(performance.exchanges) == len(example.breaks.split())


@pytest.mark.parametrize("id_", EXAMPLES)
def test_an_example_is_about_its_rule_and_shows_all_answers(id_: str) -> None:
    example = EXAMPLES[id_]
    assert example.plan.rule == id_
    for answers in (example.holds, example.breaks):
        assert len(example.told(answers)) == len(answers.split())


def test_every_rule_of_these_chapters_has_an_example_or_a_reason() -> None:
    assert set(CHAPTERS) >= SPELT_OUT
    wanted = {rule.id for rule in RULES.values() if rule.chapter in SPELT_OUT}
    assert not wanted - EXAMPLES.keys() - WITHOUT.keys(), "give the new rules an example in examples.py"
    assert not EXAMPLES.keys() & WITHOUT.keys()
    assert EXAMPLES.keys() | WITHOUT.keys() <= RULES.keys()


def test_every_odd_answer_is_used() -> None:
    used = {word for example in EXAMPLES.values() for word in (example.holds + " " + example.breaks).split()}
    assert ODDITIES.keys() <= used


def test_the_judge_is_not_asleep(key: SigningKey) -> None:
    example = EXAMPLES["WIN-01"]
    wrong = replace(example, holds="ok:9000 ok:11501")
    assert played(key, wrong, wrong.holds).violation is not None
