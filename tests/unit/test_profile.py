"""Profiles: one's own dialect, every kind of mistake in one, and what a dialect changes on the wire."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from honest_wallets import PROFILE, Habits, InMemoryClient, Wallet, provider_of

from pytest_provider_contract.callbacks import Callback, new_id, now
from pytest_provider_contract.checks import Answer, Violation, read_answer
from pytest_provider_contract.client import Envelope, OperatorClient
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.profile import Kind, Profile, ProfileError, Status, load_profile
from pytest_provider_contract.scenario import BetPlan, Scenario, bet, rollback, win
from pytest_provider_contract.signing import generate_key
from pytest_provider_contract.transport import Connection, Endpoint, Reply

DIALECT = """
extends = "155io"
name = "acme"
version = "7"
[signature]
header = "X-Acme-Signature"
[callbacks.bet]
path = "/v2/debit"
deadline_s = 3
[fields]
amount = "sum"
clientPlayerId = "user"
requestId = "rid"
balance = "cash"
status = "code"
[statuses]
SUCCESS = "OK"
DUPLICATE_TRANSACTION_ERROR = "SEEN"
[retired_statuses]
OLD_DUPLICATE = "DUPLICATE_TRANSACTION_ERROR"
[either]
early_win = ["credit"]
"""


@pytest.fixture
def dialect(tmp_path: Path) -> Profile:
    return own(tmp_path, DIALECT)


def own(directory: Path, text: str, name: str = "own.toml") -> Profile:
    (directory / name).write_text(text, encoding="utf-8")
    return load_profile(str(directory / name))


class TestBundled:
    def test_it_is_the_contract(self) -> None:
        assert (PROFILE.name, PROFILE.signature_header) == ("155io", "X-Marbles-Signature")
        assert {kind: terms.path for kind, terms in PROFILE.callbacks.items()} == {
            Kind.BALANCE: "/balance",
            Kind.BET: "/bet",
            Kind.WIN: "/win",
            Kind.ROLLBACK: "/rollback",
        }
        assert PROFILE.callbacks[Kind.BET].deadline_s == 8
        assert all(name == wire for name, wire in PROFILE.fields.items())
        assert all(status.value == wire for status, wire in PROFILE.statuses.items())
        assert PROFILE.retry.callbacks == {Kind.WIN, Kind.ROLLBACK}

    @pytest.mark.parametrize("wire", ["BET_LIMIT_REACHED", "success", "", "UNKNOWN", "OK"])
    def test_other_spellings_are_unknown(self, wire: str) -> None:
        assert PROFILE.status(wire) is None


class TestOwn:
    def test_it_states_only_what_differs(self, dialect: Profile) -> None:
        assert (dialect.name, dialect.version, dialect.signature_header) == ("acme", "7", "X-Acme-Signature")
        assert dialect.callbacks[Kind.BET].path == "/v2/debit"
        assert dialect.callbacks[Kind.BET].statuses == PROFILE.callbacks[Kind.BET].statuses
        assert dialect.callbacks[Kind.WIN] == PROFILE.callbacks[Kind.WIN]
        assert dialect.fields["amount"] == "sum"
        assert dialect.fields["currency"] == "currency"
        assert dialect.status("OK") is Status.SUCCESS
        assert dialect.status("SUCCESS") is None
        assert dialect.status("OLD_DUPLICATE") is Status.DUPLICATE
        assert dialect.status("INVALID_SIGNATURE") is Status.UNKNOWN
        assert not dialect.either.early_win_refused
        assert dialect.either.zero_bet_declined

    def test_one_of_ones_own_can_be_extended_too(self, tmp_path: Path) -> None:
        own(tmp_path, DIALECT, "base.toml")
        text = f'extends = "{tmp_path / "base.toml"}"\nname = "acme-staging"\n[callbacks.bet]\ndeadline_s = 20\n'
        found = own(tmp_path, text)
        assert (found.name, found.version) == ("acme-staging", "7")
        assert (found.callbacks[Kind.BET].path, found.callbacks[Kind.BET].deadline_s) == ("/v2/debit", 20)

    def test_names_go_over_the_wire_and_back(self, dialect: Profile) -> None:
        fields = {"requestId": "r", "amount": 1, "extra": 2}
        assert dialect.to_wire(fields) == {"rid": "r", "sum": 1, "extra": 2}
        assert dialect.from_wire(dialect.to_wire(fields)) == fields

    def test_a_name_that_means_nothing_in_this_dialect_is_not_taken_for_the_contracts(self, dialect: Profile) -> None:
        told = {"cash": 5, "balance": "five", "status": "fine", "code": "OK"}
        assert dialect.from_wire(told) == {"balance": 5, "status": "OK"}
        assert dialect.from_wire(dict(reversed(told.items()))) == {"balance": 5, "status": "OK"}

    def test_it_changes_what_goes_over_the_wire(self, dialect: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
        sent: list[tuple[str, dict[bytes, bytes], dict[str, object], float]] = []

        def exchange(
            _: Connection, path: str, headers: tuple[tuple[bytes, bytes], ...], body: bytes, by: float
        ) -> Reply:
            sent.append((path, dict(headers), json.loads(body), by))
            return Reply(200, (), b"{}")

        monkeypatch.setattr(Connection, "exchange", exchange)
        key = generate_key()
        client = OperatorClient(Endpoint.parse("http://127.0.0.1:1"), dialect, key)
        callback = Callback(
            Kind.BET, new_id(), "alice", "s", now(), new_id(), None, new_id(), new_id(), amount=5, currency="EUR"
        )
        recorded = client.send(callback)
        client.send(callback, Envelope(header_case="lower", changes={"amount": '"5"', "clientPlayerId": None}))
        (path, headers, body, deadline_s), (_, damaged_headers, damaged, _) = sent
        assert (path, deadline_s) == ("/v2/debit", 3)
        assert (body["sum"], body["user"], body["rid"]) == (5, "alice", callback.request_id)
        assert not {"amount", "clientPlayerId", "requestId"} & body.keys()
        assert key.verifies(recorded.body, headers[b"X-Acme-Signature"].decode())
        assert b"X-Marbles-Signature" not in headers
        assert b"x-acme-signature" in damaged_headers
        assert damaged["sum"] == "5"
        assert "user" not in damaged

    def test_it_changes_how_replies_are_read(self, dialect: Profile) -> None:
        callback = Callback(Kind.BET, "r-1", "alice", "s", "t")

        def judged(**fields: object) -> Answer | Violation:
            reply = Reply(200, ((b"content-type", b"application/json"),), json.dumps(fields).encode())
            return read_answer(Exchange(callback, "/", (), b"", reply, 0, 0), dialect)

        good = {"code": "OK", "rid": "r-1", "user": "alice", "currency": "EUR", "cash": 5}
        assert judged(**good) == Answer(Status.SUCCESS, 5, "EUR")
        assert judged(**good | {"balance": 7, "status": "x"}) == Answer(Status.SUCCESS, 5, "EUR")
        assert judged(**good | {"code": "OLD_DUPLICATE"}) == Answer(Status.DUPLICATE, 5, "EUR", frozenset({"REPLY-08"}))
        wrong = judged(**good | {"code": "SUCCESS"})
        assert isinstance(wrong, Violation)
        assert wrong.rule == "REPLY-07"
        assert "OK, INSUFFICIENT_BALANCE_ERROR, SEEN" in wrong.expected
        contract_names = judged(status="OK", requestId="r-1", clientPlayerId="alice", currency="EUR", balance=5)
        assert isinstance(contract_names, Violation)
        assert contract_names.rule == "REPLY-05"

    def test_a_wallet_of_that_dialect_is_explained(self, dialect: Profile) -> None:
        provider = provider_of(Wallet(Habits(bet_replay=Status.DUPLICATE), {"alice": 100}))

        def spoil(fields: dict[str, object]) -> dict[str, object]:
            return fields | {"status": dialect.statuses[Status(fields["status"])]}

        provider.client = InMemoryClient(provider.client.wallet, dialect, spoil)  # type: ignore[assignment,attr-defined]
        played = provider.play(Scenario((BetPlan(5, 7),), (bet(), bet(), win(), win(), rollback())))
        assert played.violation is None
        assert played.balances == {0: 102}


def complete(**changes: str) -> str:
    """The bundled profile's text with parts replaced."""
    text = (Path(load_profile.__code__.co_filename).parent / "profiles" / "155io.toml").read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


EXTENDS = 'extends = "155io"\n'


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("", "is a required property"),
            ("name = ", "is not valid TOML"),
            ("a = " + "[" * 20_000, "is not valid TOML"),
            ('name = "x"\nversion = "1"', "is a required property"),
            ("extends = 5", "extends must name a profile"),
            ('extends = "nobody"', "can't be read"),
            ('extends = "nobody.toml"', "can't be read"),
            (EXTENDS + "version = 1", "version: 1 is not of type 'string'"),
            (EXTENDS + 'name = ""', "name:"),
            (EXTENDS + "colour = 1", "'colour' was unexpected"),
            (EXTENDS + "fields = 1", "fields:"),
            (EXTENDS + '[fields]\nrequestID = "x"', "'requestID'"),
            (EXTENDS + '[fields]\namount = ""', "fields.amount"),
            (EXTENDS + '[fields]\namount = "currency"', "fields uses the wire name 'currency' twice"),
            (EXTENDS + '[statuses]\nSUCCESS = "UNKNOWN_ERROR"', "statuses uses the wire name 'UNKNOWN_ERROR' twice"),
            (EXTENDS + '[statuses]\nOK = "OK"', "'OK'"),
            (EXTENDS + '[retired_statuses]\nX = "NO_STATUS"', "'NO_STATUS' is not a valid Status"),
            (EXTENDS + '[callbacks.bet]\nstatuses = ["NO_STATUS"]', "'NO_STATUS' is not a valid Status"),
            (EXTENDS + "[callbacks.bet]\nstatuses = []", "callbacks.bet.statuses"),
            (EXTENDS + '[callbacks.bet]\npath = "/win"', "two callbacks have the same path"),
            (EXTENDS + '[callbacks.bet]\npath = "bet"', "callbacks.bet.path"),
            (EXTENDS + '[callbacks.bet]\npath = "/bet?x=1"', "callbacks.bet.path"),
            (EXTENDS + '[callbacks.bet]\npath = "/bet\\n"', "callbacks.bet.path"),
            (EXTENDS + "[callbacks.bet]\ndeadline_s = 0", "callbacks.bet.deadline_s"),
            (EXTENDS + "[callbacks.bet]\ndeadline_s = -1", "callbacks.bet.deadline_s"),
            (EXTENDS + "[callbacks.bet]\ndeadline_s = 121", "callbacks.bet.deadline_s"),
            (EXTENDS + "[callbacks.bet]\ndeadline_s = inf", "callbacks.bet.deadline_s"),
            (EXTENDS + "[callbacks.bet]\ndeadline_s = nan", "must be finite"),
            (EXTENDS + "[retry]\nfactor = inf", "must be finite"),
            (EXTENDS + '[callbacks.bet]\ndeadline_s = "8"', "callbacks.bet.deadline_s"),
            (EXTENDS + "[callbacks.bet]\ndeadline_s = true", "callbacks.bet.deadline_s"),
            (EXTENDS + "[callbacks.bet]\ndeadline_s = 2026-01-01", "callbacks.bet.deadline_s"),
            (EXTENDS + '[callbacks.jackpot]\npath = "/jackpot"', "'jackpot' was unexpected"),
            (EXTENDS + '[signature]\nscheme = "hmac"', "signature.scheme"),
            (EXTENDS + '[signature]\nheader = "X Y"', "signature.header"),
            (EXTENDS + '[signature]\nheader = "X-A\\r\\nX-B"', "signature.header"),
            (EXTENDS + '[signature]\nheader = "X-A\\n"', "signature.header"),
            (EXTENDS + "[retry]\nfirst_delay_s = 0", "retry.first_delay_s"),
            (EXTENDS + "[retry]\nfactor = 0.5", "retry.factor"),
            (EXTENDS + '[retry]\ncallbacks = ["refund"]', "retry.callbacks"),
            (EXTENDS + '[either]\nearly_win = ["maybe"]', "either.early_win"),
            (EXTENDS + "[either]\nearly_win = []", "either.early_win"),
            (EXTENDS + '[either]\nlate_win = ["credit"]', "'late_win' was unexpected"),
        ],
    )
    def test_each_is_one_sentence(self, tmp_path: Path, text: str, part: str) -> None:
        with pytest.raises(ProfileError) as error:
            own(tmp_path, text)
        message = str(error.value)
        assert part in message
        assert "\n" not in message
        assert len(message.replace(str(tmp_path), "")) < 400
        assert error.value.__cause__ is None

    @pytest.mark.parametrize("name", ["nobody", "", "../profile", "nobody.toml", "155io.TOML", "a\nb"])
    def test_a_profile_that_is_not_there(self, name: str) -> None:
        with pytest.raises(ProfileError, match=r"can't be read \(No such file or directory\); bundled profiles: 155io"):
            load_profile(name)

    def test_a_directory_and_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "d.toml").mkdir()
        with pytest.raises(ProfileError, match="Is a directory"):
            load_profile(str(tmp_path / "d.toml"))
        (tmp_path / "b.toml").write_bytes(b'name = "\xff"')
        with pytest.raises(ProfileError, match="is not valid TOML"):
            load_profile(str(tmp_path / "b.toml"))

    def test_one_that_extends_itself(self, tmp_path: Path) -> None:
        with pytest.raises(ProfileError, match="extends itself"):
            own(tmp_path, f'extends = "{tmp_path / "own.toml"}"')
        (tmp_path / "a.toml").write_text(f'extends = "{tmp_path / "b.toml"}"')
        with pytest.raises(ProfileError, match="extends itself"):
            own(tmp_path, f'extends = "{tmp_path / "a.toml"}"', "b.toml")

    def test_a_complete_one_needs_no_base(self, tmp_path: Path) -> None:
        found = own(tmp_path, complete(**{"X-Marbles-Signature": "X-Own"}))
        assert found == replace(PROFILE, signature_header="X-Own")
