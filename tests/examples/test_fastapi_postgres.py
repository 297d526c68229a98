"""The example operator from outside: real HTTP, a real PostgreSQL, real signatures, kill -9."""

import base64
import http.client
import itertools
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from postgres_operator import SERVE_LOCALLY, PostgresOperator, postgres_operator

SUCCESS = "SUCCESS"
INSUFFICIENT = "INSUFFICIENT_BALANCE_ERROR"
DUPLICATE = "DUPLICATE_TRANSACTION_ERROR"
BONUS = "BONUS_ERROR"
UNKNOWN = "UNKNOWN_ERROR"

PATHS = ("balance", "bet", "win", "rollback")
OPENING = 1_000_000
BET_DEADLINE_S = 8
RICH = 2**63 - 1 - 100
REWARD = str(uuid.uuid4())
PLAYERS = [f"player-{number}" for number in range(150)]

KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)

Json = dict[str, object]
Reply = dict[str, object]


def new_id() -> str:
    return str(uuid.uuid4())


def sign(body: bytes) -> str:
    return base64.b64encode(KEY.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()


@dataclass
class Provider:
    """The provider's side of the wire: makes callbacks, signs and sends them, insists on HTTP 200 and JSON."""

    url: str

    def send(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> Reply:
        headers = {"X-Marbles-Signature": sign(body)} if headers is None else headers
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=15)
        try:
            connection.request("POST", f"/{path}", body, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json"
        reply = json.loads(content)
        assert isinstance(reply["status"], str)
        return reply

    def call(self, path: str, callback: Json) -> Reply:
        """Send a callback as a new request, also when it is a retry."""
        callback = callback | {"requestId": new_id()}
        reply = self.send(path, json.dumps(callback).encode())
        assert reply["requestId"] == callback["requestId"]
        assert reply["clientPlayerId"] == callback["clientPlayerId"]
        return reply

    def insist(self, path: str, callback: Json, until: set[str]) -> int:
        """Retry with back-off through errors and lost connections, as the provider does; count the latter."""
        lost = 0
        for attempt in range(100):
            try:
                if self.call(path, callback)["status"] in until:
                    return lost
            except (OSError, http.client.HTTPException):
                lost += 1
            time.sleep(min(0.01 * 2**attempt, 0.3))
        pytest.fail(f"{path} is never answered with {until}")


@dataclass
class Player:
    provider: Provider
    name: str
    opening: int = OPENING
    session: str = field(init=False)

    def __post_init__(self) -> None:
        self.session = f"session-of-{self.name}"

    def common(self) -> Json:
        return {
            "clientPlayerId": self.name,
            "clientSessionId": self.session,
            "timestamp": "2026-11-23T10:00:00.000Z",
        }

    def a_bet(self, amount: object = 100, **changes: object) -> Json:
        game = {"transactionId": new_id(), "roundId": new_id(), "gameId": new_id()}
        return self.common() | game | {"amount": amount, "currency": "EUR"} | changes

    def a_win(self, bet: Json, amount: int = 250, **changes: object) -> Json:
        game = {"transactionId": new_id(), "roundId": bet["roundId"], "gameId": bet["gameId"]}
        reference = {"referenceTransactionId": bet["transactionId"], "roundClosed": True}
        return self.common() | game | reference | {"amount": amount, "currency": "EUR"} | changes

    def a_rollback(self, bet: Json, **changes: object) -> Json:
        rollback = self.a_win(bet, **changes)
        del rollback["amount"], rollback["currency"]
        return rollback

    def bet(self, bet: Json) -> str:
        return str(self.provider.call("bet", bet)["status"])

    def win(self, win: Json) -> str:
        return str(self.provider.call("win", win)["status"])

    def rollback(self, rollback: Json) -> str:
        return str(self.provider.call("rollback", rollback)["status"])

    @property
    def balance(self) -> int:
        reply = self.provider.call("balance", self.common())
        assert reply["status"] == SUCCESS
        assert reply["currency"] == "EUR"
        assert isinstance(reply["balance"], int)
        return reply["balance"]

    @property
    def moved(self) -> int:
        return self.balance - self.opening


@pytest.fixture(scope="module")
def public_key() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        file.flush()
        yield Path(file.name)


@pytest.fixture(scope="module")
def operator(public_key: Path) -> Iterator[PostgresOperator]:
    players = [f"{name}:session-of-{name}:EUR:{OPENING}" for name in PLAYERS]
    rich = f"rich:session-of-rich:EUR:{RICH}"
    with postgres_operator(public_key, [*players, rich], [REWARD]) as operator:
        yield operator


@pytest.fixture(scope="module")
def provider(operator: PostgresOperator) -> Provider:
    return Provider(operator.url)


@pytest.fixture(scope="module")
def unused_names() -> Iterator[str]:
    return iter(PLAYERS)


@pytest.fixture
def player(provider: Provider, unused_names: Iterator[str]) -> Player:
    return Player(provider, next(unused_names))


@pytest.fixture
def other_player(provider: Provider, unused_names: Iterator[str]) -> Player:
    return Player(provider, next(unused_names))


def at_once(actions: list[Callable[[], str]]) -> Counter[str]:
    """Run the actions in as many threads, all leaving from one line, and count what they return."""
    line = threading.Barrier(len(actions))

    def run(action: Callable[[], str]) -> str:
        line.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as threads:
        return Counter(threads.map(run, actions))


class TestBet:
    def test_takes_the_stake(self, player: Player) -> None:
        reply = player.provider.call("bet", player.a_bet(100))
        assert (reply["status"], reply["balance"], reply["currency"]) == (SUCCESS, OPENING - 100, "EUR")
        assert player.moved == -100

    def test_replay_is_a_duplicate_and_reports_the_money_as_it_is(self, player: Player) -> None:
        bet = player.a_bet(100)
        assert player.bet(bet) == SUCCESS
        assert player.bet(player.a_bet(7)) == SUCCESS
        reply = player.provider.call("bet", bet)
        assert (reply["status"], reply["balance"]) == (DUPLICATE, OPENING - 107)

    def test_the_same_request_twice_gets_the_same_answer(self, player: Player) -> None:
        body = json.dumps(player.a_bet(100) | {"requestId": new_id()}).encode()
        assert [player.provider.send("bet", body)["status"] for _ in range(2)] == [SUCCESS, SUCCESS]
        assert player.moved == -100

    @pytest.mark.parametrize("change", [{"amount": 5}, {"roundId": new_id()}, {"isFree": True, "rewardUuid": REWARD}])
    def test_same_id_with_other_content_is_a_duplicate(self, player: Player, change: Json) -> None:
        bet = player.a_bet(100)
        player.bet(bet)
        assert player.bet(bet | change) == DUPLICATE
        assert player.moved == -100

    def test_of_everything_but_not_of_more(self, player: Player) -> None:
        assert player.bet(player.a_bet(OPENING + 1)) == INSUFFICIENT
        assert player.moved == 0
        assert player.bet(player.a_bet(OPENING)) == SUCCESS
        assert player.balance == 0
        assert player.bet(player.a_bet(1)) == INSUFFICIENT

    @pytest.mark.parametrize("amount", [2**31, 2**63 - 1, 2**63, 2**64, 10**400])
    def test_of_a_very_large_amount(self, player: Player, amount: int) -> None:
        assert player.bet(player.a_bet(amount)) == INSUFFICIENT
        assert player.moved == 0

    @pytest.mark.parametrize("amount", [0, -1, -(2**70), 1.5, 100.0, 1e300, "100", "", None, True, [100], {}])
    def test_of_a_senseless_amount_is_declined_and_remembered(self, player: Player, amount: object) -> None:
        bet = player.a_bet(amount)
        assert player.bet(bet) == UNKNOWN
        assert player.bet(bet) == UNKNOWN
        assert player.rollback(player.a_rollback(bet)) == SUCCESS
        assert player.bet(bet | {"amount": 100}) == DUPLICATE
        assert player.moved == 0

    def test_in_another_currency_or_session_is_declined(self, player: Player, other_player: Player) -> None:
        assert player.bet(player.a_bet(currency="USD")) == UNKNOWN
        assert player.bet(player.a_bet(currency=None)) == UNKNOWN
        assert player.bet(player.a_bet(clientSessionId=other_player.session)) == UNKNOWN
        assert (player.moved, other_player.moved) == (0, 0)

    def test_declined_stays_declined_when_there_is_money_again(self, player: Player) -> None:
        early, late = player.a_bet(OPENING), player.a_bet(1)
        assert [player.bet(early), player.bet(late)] == [SUCCESS, INSUFFICIENT]
        assert player.rollback(player.a_rollback(early)) == SUCCESS
        reply = player.provider.call("bet", late)
        assert (reply["status"], reply["balance"]) == (INSUFFICIENT, OPENING)
        assert player.rollback(player.a_rollback(late)) == SUCCESS
        assert player.bet(late) == INSUFFICIENT
        assert player.win(player.a_win(late)) == UNKNOWN
        assert player.moved == 0

    def test_of_an_unknown_player(self, provider: Provider) -> None:
        nobody = Player(provider, "nobody")
        bet = nobody.a_bet()
        assert nobody.bet(bet) == UNKNOWN
        assert nobody.win(nobody.a_win(bet)) == UNKNOWN
        assert nobody.rollback(nobody.a_rollback(bet)) == UNKNOWN
        assert provider.call("balance", nobody.common())["status"] == UNKNOWN


class TestWin:
    @pytest.mark.parametrize("amount", [0, 1, 250, 2**40])
    def test_pays_once(self, player: Player, amount: int) -> None:
        bet = player.a_bet(100)
        win = player.a_win(bet, amount)
        player.bet(bet)
        assert [player.win(win), player.win(win), player.win(win)] == [SUCCESS] * 3
        assert player.bet(bet) == DUPLICATE
        assert player.moved == amount - 100

    def test_of_one_round_in_any_order(self, player: Player) -> None:
        first = player.a_bet(100)
        second = player.a_bet(200, roundId=first["roundId"])
        assert [player.bet(first), player.bet(second)] == [SUCCESS, SUCCESS]
        assert player.win(player.a_win(second, 1000)) == SUCCESS
        assert player.win(player.a_win(first, 30, roundClosed=False)) == SUCCESS
        assert player.moved == 730

    @pytest.mark.parametrize("amount", [0, 250])
    def test_ahead_of_its_bet(self, player: Player, amount: int) -> None:
        bet = player.a_bet(100)
        win = player.a_win(bet, amount)
        assert player.win(win) == SUCCESS
        assert player.moved == amount
        assert player.rollback(player.a_rollback(bet)) == UNKNOWN
        assert [player.bet(bet), player.bet(bet)] == [SUCCESS, DUPLICATE]
        assert player.win(win) == SUCCESS
        assert player.rollback(player.a_rollback(bet)) == UNKNOWN
        assert player.moved == amount - 100

    def test_ahead_of_a_bet_that_is_then_declined(self, player: Player) -> None:
        bet = player.a_bet(OPENING * 2)
        win = player.a_win(bet, 250)
        assert [player.win(win), player.bet(bet), player.bet(bet)] == [SUCCESS, INSUFFICIENT, INSUFFICIENT]
        assert [player.win(win), player.rollback(player.a_rollback(bet))] == [SUCCESS, SUCCESS]
        assert player.moved == 250

    def test_same_id_with_other_content_is_a_duplicate(self, player: Player) -> None:
        bet, another = player.a_bet(100), player.a_bet(100)
        win = player.a_win(bet, 250)
        assert [player.bet(bet), player.bet(another), player.win(win)] == [SUCCESS] * 3
        assert player.win(win | {"amount": 251}) == DUPLICATE
        assert player.win(win | {"referenceTransactionId": another["transactionId"]}) == DUPLICATE
        assert player.win(player.a_win(another, transactionId=another["transactionId"])) == DUPLICATE
        assert player.moved == 50

    def test_a_second_one_for_the_same_bet_is_refused(self, player: Player) -> None:
        bet = player.a_bet(100)
        assert [player.bet(bet), player.win(player.a_win(bet)), player.win(player.a_win(bet))] == [
            SUCCESS,
            SUCCESS,
            UNKNOWN,
        ]
        assert player.moved == 150

    def test_of_a_refunded_bet_is_refused(self, player: Player) -> None:
        bet = player.a_bet(100)
        player.bet(bet)
        player.rollback(player.a_rollback(bet))
        assert player.win(player.a_win(bet)) == UNKNOWN
        assert player.moved == 0

    def test_naming_itself_or_in_another_currency_is_refused(self, player: Player) -> None:
        bet = player.a_bet(100)
        assert player.win(player.a_win(bet, transactionId=bet["transactionId"])) == UNKNOWN
        assert player.win(player.a_win(bet, currency="USD")) == UNKNOWN
        assert player.win(player.a_win(bet) | {"amount": -1}) == UNKNOWN
        assert player.moved == 0

    def test_of_more_than_a_balance_holds_is_refused(self, provider: Provider) -> None:
        rich = Player(provider, "rich", RICH)
        bet = rich.a_bet(100)
        assert rich.bet(bet) == SUCCESS
        for amount in (201, 2**63 - 1, 2**63, 10**30):
            assert rich.win(rich.a_win(bet, amount)) == UNKNOWN
        assert rich.win(rich.a_win(bet, 200)) == SUCCESS
        assert rich.balance == 2**63 - 1


class TestRollback:
    def test_refunds_once_whatever_its_id(self, player: Player) -> None:
        bet = player.a_bet(100)
        player.bet(bet)
        first = player.a_rollback(bet, roundClosed=False)
        assert [player.rollback(first), player.rollback(first)] == [SUCCESS, SUCCESS]
        assert player.rollback(player.a_rollback(bet)) == SUCCESS
        assert player.bet(bet) == DUPLICATE
        assert player.rollback(player.a_rollback(bet)) == SUCCESS
        assert player.moved == 0

    def test_ahead_of_its_bet_asks_to_be_retried(self, player: Player) -> None:
        bet = player.a_bet(100)
        rollback = player.a_rollback(bet)
        assert [player.rollback(rollback), player.bet(bet)] == [UNKNOWN, SUCCESS]
        assert player.moved == -100
        assert player.rollback(rollback) == SUCCESS
        assert player.moved == 0

    def test_of_a_settled_bet_is_refused(self, player: Player) -> None:
        bet = player.a_bet(100)
        player.bet(bet)
        player.win(player.a_win(bet, 0))
        assert player.rollback(player.a_rollback(bet)) == UNKNOWN
        assert player.moved == -100

    def test_same_id_for_another_bet_is_a_duplicate(self, player: Player) -> None:
        one, two = player.a_bet(100), player.a_bet(100)
        player.bet(one)
        player.bet(two)
        rollback = player.a_rollback(one)
        assert player.rollback(rollback) == SUCCESS
        assert player.rollback(rollback | {"referenceTransactionId": two["transactionId"]}) == DUPLICATE
        assert player.moved == -100


class TestOtherPlayers:
    def test_are_never_touched(self, player: Player, other_player: Player) -> None:
        bet = player.a_bet(100)
        player.bet(bet)
        assert other_player.rollback(other_player.a_rollback(bet)) == UNKNOWN
        assert other_player.win(other_player.a_win(bet)) == UNKNOWN
        assert other_player.bet(bet | other_player.common()) == DUPLICATE
        assert (player.moved, other_player.moved) == (-100, 0)
        assert player.rollback(player.a_rollback(bet)) == SUCCESS
        assert (player.moved, other_player.moved) == (0, 0)

    def test_cannot_have_a_bet_that_was_paid_ahead(self, player: Player, other_player: Player) -> None:
        bet = player.a_bet(100)
        assert player.win(player.a_win(bet)) == SUCCESS
        assert other_player.bet(bet | other_player.common()) == UNKNOWN
        assert player.bet(bet) == SUCCESS
        assert (player.moved, other_player.moved) == (150, 0)

    def test_racing_for_one_id_share_nothing(self, player: Player, other_player: Player) -> None:
        for _ in range(10):
            bet = player.a_bet(100)
            answers = at_once(
                [
                    lambda bet=bet: player.bet(bet),
                    lambda bet=bet: other_player.win(other_player.a_win(bet, 100)),
                ]
            )
            assert answers == {SUCCESS: 1, UNKNOWN: 1}
        assert other_player.moved - player.moved == 1000


class TestFreeBets:
    def test_cost_nothing_and_pay_real_money(self, player: Player) -> None:
        bet = player.a_bet(0, isFree=True, rewardUuid=REWARD)
        assert [player.bet(bet), player.bet(bet)] == [SUCCESS, DUPLICATE]
        assert player.moved == 0
        assert player.win(player.a_win(bet, 500, isFree=True, rewardUuid=REWARD)) == SUCCESS
        assert player.moved == 500

    def test_are_rolled_back_for_nothing(self, player: Player) -> None:
        bet = player.a_bet(0, isFree=True, rewardUuid=REWARD)
        player.bet(bet)
        assert player.rollback(player.a_rollback(bet, isFree=True, rewardUuid=REWARD)) == SUCCESS
        assert player.win(player.a_win(bet)) == UNKNOWN
        assert player.moved == 0

    @pytest.mark.parametrize(
        "change", [{"rewardUuid": new_id()}, {"rewardUuid": None}, {"rewardUuid": 7}, {"amount": 100}]
    )
    def test_need_a_reward(self, player: Player, change: Json) -> None:
        bet = player.a_bet(0, isFree=True, rewardUuid=REWARD) | change
        assert [player.bet(bet), player.bet(bet)] == [BONUS, BONUS]
        assert player.moved == 0

    def test_that_are_not_free_are_bets(self, player: Player) -> None:
        assert player.bet(player.a_bet(100, isFree=False, rewardUuid=None)) == SUCCESS
        assert player.bet(player.a_bet(100, isFree="yes")) == UNKNOWN
        assert player.moved == -100


def pss(body: bytes) -> bytes:
    return KEY.sign(body, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


BAD_SIGNATURES: dict[str, Callable[[bytes], str | None]] = {
    "absent": lambda _: None,
    "empty": lambda _: "",
    "not base64": lambda _: "*" * 344,
    "not ascii": lambda _: "é" * 10,
    "truncated": lambda body: sign(body)[:-8],
    "with rubbish inside": lambda body: sign(body)[:40] + "\t" + sign(body)[40:],
    "of another key": lambda body: base64.b64encode(OTHER_KEY.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode(),
    "of another body": lambda body: sign(body + b" "),
    "PSS": lambda body: base64.b64encode(pss(body)).decode(),
    "SHA-1": lambda body: base64.b64encode(KEY.sign(body, padding.PKCS1v15(), hashes.SHA1())).decode(),
}


class TestSignature:
    @pytest.mark.parametrize("flaw", BAD_SIGNATURES)
    def test_that_is_wrong_moves_nothing(self, player: Player, flaw: str) -> None:
        bet = player.a_bet(100)
        player.bet(bet)
        bodies = {
            "balance": player.common(),
            "bet": player.a_bet(100),
            "win": player.a_win(bet),
            "rollback": player.a_rollback(bet),
        }
        for path, callback in bodies.items():
            body = json.dumps(callback | {"requestId": "r-1"}).encode()
            signature = BAD_SIGNATURES[flaw](body)
            headers = {} if signature is None else {"X-Marbles-Signature": signature}
            reply = player.provider.send(path, body, headers)
            assert reply == {"status": UNKNOWN, "requestId": "r-1", "clientPlayerId": player.name}
        assert player.moved == -100

    def test_header_name_in_any_case(self, player: Player) -> None:
        body = json.dumps(player.common() | {"requestId": new_id()}).encode()
        for name in ("x-marbles-signature", "X-MARBLES-SIGNATURE"):
            assert player.provider.send("balance", body, {name: sign(body)})["status"] == SUCCESS

    def test_covers_the_body_however_it_is_spelled(self, player: Player) -> None:
        def spell(spelling: Callable[[Json], str]) -> str:
            body = spelling(player.a_bet(1) | {"requestId": new_id()}).encode()
            return str(player.provider.send("bet", body)["status"])

        meta = {"betType": "ünïcode 🎰", "selection": ["a\u0000b", "\ud83c\udfb0"], "more": [{}] * 50}
        assert spell(lambda bet: json.dumps(dict(reversed(bet.items())))) == SUCCESS
        assert spell(lambda bet: json.dumps(bet, indent=4) + "\r\n \n") == SUCCESS
        assert spell(lambda bet: json.dumps(bet | {"meta": meta | {"selection": []}}, ensure_ascii=False)) == SUCCESS
        assert spell(lambda bet: json.dumps(bet | {"meta": meta, "unknown": None})) == SUCCESS
        assert spell(lambda bet: json.dumps(bet).replace("player", r"\u0070layer")) == SUCCESS
        assert spell(lambda bet: json.dumps(bet | {"padding": "x" * 100_000})) == SUCCESS
        assert player.moved == -6


HOSTILE_BODIES: dict[str, bytes] = {
    "empty": b"",
    "cut off": b'{"requestId": "r',
    "null": b"null",
    "number": b"17",
    "list": b"[]",
    "string": b'"bet"',
    "empty object": b"{}",
    "NaN": b'{"amount": NaN}',
    "infinity": b'{"amount": -Infinity}',
    "overflowing number": b'{"amount": 1e999999}',
    "endless number": b'{"amount": ' + b"9" * 6000 + b"}",
    "not UTF-8": b'{"requestId": "\xff\xfe"}',
    "surrogate as UTF-8": b'{"requestId": "\xed\xa0\x80"}',
    "UTF-16": '{"requestId": "r"}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    "deep but closed": b'{"meta":' + b"[" * 900 + b"]" * 900 + b"}",
    "two objects": b"{}{}",
    "trailing comma": b'{"a": 1,}',
    "html": b"<html></html>",
    "large": b'{"a": "' + b"x" * 3_000_000 + b'"}',
}
HOSTILE_TEXTS = ["", "\0", "a\0b", "\ud800", "\udfff\ud800", "x" * 100_000, None, 17, 1.5, True, [], {}, ["a"]]
MANDATORY = {
    "balance": ("requestId", "clientPlayerId", "clientSessionId", "timestamp"),
    "bet": ("transactionId", "roundId", "gameId", "amount", "currency"),
    "win": ("transactionId", "referenceTransactionId", "roundId", "gameId", "amount", "currency", "roundClosed"),
    "rollback": ("transactionId", "referenceTransactionId", "roundId", "gameId", "roundClosed"),
}


class TestHostileBodies:
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("body", HOSTILE_BODIES.values(), ids=HOSTILE_BODIES)
    def test_are_answered(self, provider: Provider, path: str, body: bytes) -> None:
        assert provider.send(path, body)["status"] == UNKNOWN
        assert provider.send(path, body, {})["status"] == UNKNOWN

    @pytest.mark.parametrize("path", PATHS)
    def test_with_one_bad_field_move_nothing(self, player: Player, path: str) -> None:
        bet = player.a_bet(100)
        player.bet(bet)
        good = {
            "balance": player.common(),
            "bet": player.a_bet(100),
            "win": player.a_win(bet),
            "rollback": player.a_rollback(bet),
        }[path] | {"requestId": new_id()}
        for name in dict.fromkeys((*MANDATORY["balance"], *MANDATORY[path])):
            without = {key: value for key, value in good.items() if key != name}
            bad = [good | {name: value} for value in HOSTILE_TEXTS if not (name == "roundClosed" and value is True)]
            if name == "amount":
                bad = [callback for callback in bad if callback["amount"] != 17]
            for callback in (without, *bad):
                fresh = callback if name == "transactionId" or path == "balance" else {"transactionId": new_id()}
                body = json.dumps(callback | fresh).encode()
                reply = player.provider.send(path, body)
                assert reply["status"] not in {SUCCESS, DUPLICATE}, (name, callback.get(name))
                if isinstance(callback.get("requestId"), str):
                    assert reply["requestId"] == callback["requestId"]
        assert player.moved == -100

    def test_other_paths_and_methods_are_not_callbacks(self, provider: Provider) -> None:
        address = urlsplit(provider.url)
        for method, path, status in [("GET", "/bet", 405), ("PUT", "/win", 405), ("POST", "/bet/", 404)]:
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
            connection.request(method, path, b"{}")
            assert connection.getresponse().status == status
            connection.close()


class TestLostConnections:
    def send_and_leave(self, provider: Provider, body: bytes, sent: int) -> None:
        address = urlsplit(provider.url)
        head = (
            f"POST /bet HTTP/1.1\r\nHost: x\r\nX-Marbles-Signature: {sign(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
            connection.sendall((head.encode() + body)[: len(head) + sent])

    def test_half_a_request_has_no_effect(self, player: Player) -> None:
        body = json.dumps(player.a_bet(100) | {"requestId": new_id()}).encode()
        for sent in (0, 1, len(body) // 2, len(body) - 1):
            self.send_and_leave(player.provider, body, sent)
        time.sleep(0.1)
        assert player.moved == 0

    def test_a_reply_nobody_reads_changes_nothing(self, player: Player) -> None:
        bets = [player.a_bet(100) for _ in range(10)]
        for bet in bets:
            body = json.dumps(bet | {"requestId": new_id()}).encode()
            self.send_and_leave(player.provider, body, len(body))
        assert {player.bet(bet) for bet in bets} <= {SUCCESS, DUPLICATE}
        assert player.moved == -1000


RACE_OUTCOMES = ({"win SUCCESS", f"rollback {UNKNOWN}"}, {f"win {UNKNOWN}", "rollback SUCCESS"})


class TestConcurrency:
    def test_identical_bets_are_one(self, player: Player) -> None:
        bet = player.a_bet(100)
        assert at_once([lambda: player.bet(bet)] * 24) == {SUCCESS: 1, DUPLICATE: 23}
        assert player.moved == -100

    def test_identical_wins_are_one(self, player: Player) -> None:
        bet = player.a_bet(100)
        win = player.a_win(bet, 350)
        player.bet(bet)
        assert at_once([lambda: player.win(win)] * 24) == {SUCCESS: 24}
        assert player.moved == 250

    def test_rollbacks_of_one_bet_refund_once(self, player: Player) -> None:
        bet = player.a_bet(100)
        player.bet(bet)
        assert at_once([lambda: player.rollback(player.a_rollback(bet))] * 24) == {SUCCESS: 24}
        assert player.moved == 0

    def test_bets_never_overdraw(self, player: Player) -> None:
        share = OPENING // 5
        answers = at_once([lambda: player.bet(player.a_bet(share))] * 24)
        assert answers == {SUCCESS: 5, INSUFFICIENT: 19}
        assert player.balance == 0

    def test_a_bet_racing_its_own_rollback_costs_nothing(self, player: Player) -> None:
        for _ in range(20):
            bet = player.a_bet(100)
            answers = at_once(
                [lambda bet=bet: player.bet(bet), lambda bet=bet: player.rollback(player.a_rollback(bet))]
            )
            if answers[UNKNOWN]:
                assert player.rollback(player.a_rollback(bet)) == SUCCESS
        assert player.moved == 0

    def test_a_win_racing_a_rollback_ends_the_bet_once(self, player: Player) -> None:
        won = 0
        for _ in range(20):
            bet = player.a_bet(100)
            player.bet(bet)
            answers = at_once(
                [
                    lambda bet=bet: "win " + player.win(player.a_win(bet, 350)),
                    lambda bet=bet: "rollback " + player.rollback(player.a_rollback(bet)),
                ]
            )
            assert set(answers) in RACE_OUTCOMES
            won += answers["win SUCCESS"]
        assert player.moved == won * 250

    def test_a_win_racing_its_bet_settles_it_once(self, player: Player) -> None:
        for _ in range(20):
            bet = player.a_bet(100)
            win = player.a_win(bet, 350)
            assert at_once([lambda bet=bet: player.bet(bet), lambda win=win: player.win(win)]) == {SUCCESS: 2}
        assert player.moved == 5000

    def test_many_bets_and_wins_lose_no_update(self, player: Player) -> None:
        def play() -> str:
            bet = player.a_bet(10)
            return player.bet(bet) + player.win(player.a_win(bet, 11))

        assert at_once([play] * 32) == {SUCCESS * 2: 32}
        assert player.moved == 32


def wait_until_blocked(connection: psycopg.Connection[tuple[int]]) -> None:
    """Wait until the wallet waits for what this connection holds."""
    while not connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    ).fetchall():
        time.sleep(0.01)


class TestBlocking:
    def test_a_stuck_player_is_answered_in_time_and_holds_up_nobody(
        self, operator: PostgresOperator, player: Player, other_player: Player
    ) -> None:
        bet = player.a_bet(100)
        with psycopg.connect(operator.database_url) as connection:
            connection.execute("SELECT FROM players WHERE player_id = %s FOR UPDATE", (player.name,))
            started = time.monotonic()
            with ThreadPoolExecutor(1) as threads:
                stuck = threads.submit(player.bet, bet)
                assert other_player.bet(other_player.a_bet(100)) == SUCCESS
                assert player.balance == OPENING
                assert not stuck.done()
                assert stuck.result() == UNKNOWN
            assert time.monotonic() - started < BET_DEADLINE_S
        assert player.bet(bet) == SUCCESS
        assert player.moved == -100

    def test_a_lost_race_for_an_id_is_looked_at_again(
        self, operator: PostgresOperator, player: Player, other_player: Player
    ) -> None:
        bet = player.a_bet(100)
        with ThreadPoolExecutor(1) as threads:
            with psycopg.connect(operator.database_url) as connection:
                connection.execute(
                    "INSERT INTO bets VALUES (%s, %s, 'round', 'game', 'paid_ahead', 0)",
                    (bet["transactionId"], other_player.name),
                )
                reply = threads.submit(player.provider.call, "bet", bet)
                wait_until_blocked(connection)
            assert (reply.result()["status"], reply.result()["balance"]) == (UNKNOWN, OPENING)

    def test_a_lost_database_connection_is_replaced(self, operator: PostgresOperator, player: Player) -> None:
        with ThreadPoolExecutor(1) as threads:
            with psycopg.connect(operator.database_url) as connection:
                connection.execute("SELECT FROM players WHERE player_id = %s FOR UPDATE", (player.name,))
                status = threads.submit(player.bet, player.a_bet(100))
                wait_until_blocked(connection)
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wallet'"
                )
            assert status.result() == SUCCESS
        assert player.moved == -100


class TestKilling:
    """Players place, win and take back bets all the while; afterwards each has won 1 in every round."""

    @pytest.fixture
    def players(self, provider: Provider, unused_names: Iterator[str]) -> list[Player]:
        return [Player(provider, name) for name in itertools.islice(unused_names, 6)]

    def test_the_server_loses_nothing(self, operator: PostgresOperator, players: list[Player]) -> None:
        self.play_during(operator.kill_server, players)

    def test_the_database_loses_nothing_and_is_no_excuse(
        self, operator: PostgresOperator, players: list[Player]
    ) -> None:
        lost_connections = self.play_during(operator.kill_database, players)
        assert lost_connections == 0

    def play_during(self, accident: Callable[[], None], players: list[Player]) -> int:
        over = threading.Event()
        rounds = Counter[str]()
        finished: list[tuple[Player, Json, Json, Json]] = []
        seed = secrets.randbelow(1 << 32)
        print(f"seed {seed}")
        moment = random.Random(seed)

        def play(player: Player) -> int:
            lost = 0
            while not over.is_set():
                bet, void = player.a_bet(100), player.a_bet(10)
                lost += player.provider.insist("bet", bet, {SUCCESS, DUPLICATE})
                lost += player.provider.insist("bet", void, {SUCCESS, DUPLICATE})
                win = player.a_win(bet, 101)
                lost += player.provider.insist("win", win, {SUCCESS})
                lost += player.provider.insist("rollback", player.a_rollback(void), {SUCCESS})
                rounds[player.name] += 1
                finished.append((player, bet, win, void))
            return lost

        def until_all_played(more: int) -> None:
            goals = {player.name: rounds[player.name] + more for player in players}
            while any(rounds[name] < goal for name, goal in goals.items()):
                assert all(not result.done() for result in playing)
                time.sleep(0.01)

        with ThreadPoolExecutor(len(players)) as threads:
            playing = [threads.submit(play, player) for player in players]
            try:
                for _ in range(3):
                    until_all_played(3)
                    time.sleep(moment.uniform(0, 0.2))
                    accident()
                until_all_played(3)
            finally:
                over.set()
            lost = sum(result.result() for result in playing)
        assert {player.name: player.moved for player in players} == rounds
        for player, bet, win, void in finished:
            player.provider.insist("bet", bet, {DUPLICATE})
            player.provider.insist("win", win, {SUCCESS})
            player.provider.insist("rollback", player.a_rollback(void), {SUCCESS})
        assert {player.name: player.moved for player in players} == rounds
        return lost


INSERT_TRANSACTION = "INSERT INTO transactions SELECT 'w', 'win', bet_id, player_id, '', '', 'SUCCESS', "
CLAIM_BETS = "INSERT INTO transactions SELECT 'w', 'win', bet_id, 'rich', '', '', 'SUCCESS', 1, 0 FROM bets "
FORBIDDEN = {
    "players_balance_check": "UPDATE players SET balance = -1",
    "one_payment_for_a_bet": INSERT_TRANSACTION + "1, 0 FROM bets WHERE state = 'refunded' AND stake > 0 LIMIT 1",
    "one_win_for_a_bet": INSERT_TRANSACTION + "0, 0 FROM bets WHERE state = 'settled' LIMIT 1",
    "transactions_bet_id_player_id_fkey": CLAIM_BETS + "WHERE state = 'open' AND player_id <> 'rich' LIMIT 1",
    "bets_check": "UPDATE bets SET stake = 1 WHERE state = 'declined'",
}


class TestBooks:
    def test_add_up(self, operator: PostgresOperator) -> None:
        with psycopg.connect(operator.database_url) as connection:
            wrong = connection.execute(
                """
                SELECT player_id, balance, sum(delta) FROM players JOIN transactions USING (player_id)
                GROUP BY player_id
                HAVING balance <> sum(delta) + (CASE player_id WHEN 'rich' THEN %s ELSE %s END)
                """,
                (RICH, OPENING),
            ).fetchall()
        assert wrong == []

    @pytest.mark.parametrize("constraint", FORBIDDEN)
    def test_are_guarded_by_constraints(self, operator: PostgresOperator, player: Player, constraint: str) -> None:
        refunded, settled, still_open, declined = (player.a_bet(amount) for amount in (1, 2, 3, -4))
        for bet in (refunded, settled, still_open, declined):
            player.bet(bet)
        player.rollback(player.a_rollback(refunded))
        player.win(player.a_win(settled))
        with psycopg.connect(operator.database_url) as connection:
            with pytest.raises(psycopg.IntegrityError) as error:
                connection.execute(FORBIDDEN[constraint])
            assert error.value.diag.constraint_name == constraint


class TestServeLocally:
    def test_keeps_the_data(self, public_key: Path) -> None:
        data = Path(tempfile.mkdtemp(prefix="wallet-test-"))
        try:
            with postgres_operator(public_key, [f"anna:session-of-anna:EUR:{OPENING}"], data=data) as operator:
                anna = Player(Provider(operator.url), "anna")
                bet = anna.a_bet(100)
                assert anna.bet(bet) == SUCCESS
                operator.process.send_signal(signal.SIGTERM)
                assert operator.process.wait(20) == 0
            with postgres_operator(public_key, [f"anna:session-of-anna:EUR:{OPENING}"], data=data) as operator:
                anna = Player(Provider(operator.url), "anna")
                assert anna.bet(bet) == DUPLICATE
                assert anna.moved == -100
        finally:
            shutil.rmtree(data)

    def test_leaves_nothing_behind(self, public_key: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="wallet-test-") as directory:
            os.chmod(directory, 0o755)  # noqa: S103, PTH101 - PostgreSQL may run as `nobody`
            done = subprocess.run(
                [sys.executable, SERVE_LOCALLY, "--public-key", public_key],
                check=False,
                input="",
                capture_output=True,
                text=True,
                env={**os.environ, "TMPDIR": directory},
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.startswith("listening on http://127.0.0.1:")
            assert os.listdir(directory) == []  # noqa: PTH208

    def test_says_what_is_wrong(self, public_key: Path) -> None:
        for arguments in (["--public-key", "/no/such/file"], ["--public-key", public_key, "--player", "x"]):
            done = subprocess.run(
                [sys.executable, SERVE_LOCALLY, *arguments], check=False, capture_output=True, text=True
            )
            assert done.returncode == 2
            assert "error: " in done.stderr
