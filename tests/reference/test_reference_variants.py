"""Every variant does what its name says."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fake_provider import ALICE, Provider, a_bet, a_rollback, a_win, new_id, together
from transcript import Clock, Differs, Script, build

from pytest_provider_contract.reference.gateway import Gateway
from pytest_provider_contract.reference.process import RunningOperator, running
from pytest_provider_contract.reference.server import Server
from pytest_provider_contract.reference.variants import Parts, parts, variant, variants
from pytest_provider_contract.rules import RULES

FAULTS = {name: each for name, each in variants().items() if each.kind == "fault"}
CONFORMING = {name: each for name, each in variants().items() if each.kind == "conforming"}
SERVERS = [name for name, each in variants().items() if issubclass(each.part, Server)]

# These show only if callbacks overlap, come late or are abandoned.
OVERLAPPING = {
    name for name in FAULTS if re.search(r"-race-|^busy-|-when-busy$|^no-transaction$", name) and name not in SERVERS
}
# The script has no second session, no meta, no money gone to 0, no hundred bets, none held open, no rounds of
# several fates, no amounts of 0 sent again, few conflicts and no bet after one, no other digits, currencies or
# rewards than usual, and not every declined callback is sent again; that the suite finds each of these is shown in
# tests/detection.
NOT_IN_THE_SCRIPT = {
    "bet-deduped-per-game",
    "bet-deduped-per-session",
    "bet-of-nothing-forgotten",
    "bet-replay-debits-again-after-conflict",
    "bet-replay-reopens-settled-bet",
    "bet-with-meta-refused",
    "closing-win-forgets-bets",
    "conflict-after-rollback-debits",
    "conflicting-free-win-credits",
    "digits-of-any-script",
    "early-win-settles-open-bet-of-round",
    "every-20th-refund-not-recorded",
    "foreign-currency-bet-succeeds-on-retry",
    "free-and-other-bets-apart",
    "free-bet-rollback-cancels-round",
    "free-conflict-takes-stake-away",
    "free-wins-cut-at-32-bits",
    "http-400-on-unsigned-invalid-json",
    "loss-refused-at-balance-0",
    "no-signature-check-on-free-bets",
    "no-signature-check-on-wins-of-nothing",
    "one-tombstone-per-round",
    "only-100-bets-can-be-settled",
    "others-early-rollback-blocks-refund",
    "others-early-rollback-taken-for-own",
    "others-refused-win-settles-bet",
    "others-rollback-blocks-win",
    "refused-win-succeeds-on-retry",
    "rewards-compared-in-part",
    "rollback-of-foreign-currency-bet-refunds",
    "rollback-refused-2-seconds-after-its-bet",
    "unknown-reward-succeeds-on-retry",
    "unlisted-currencies-taken-for-own",
    "win-credited-to-whoever-bet",
    "win-deduped-per-bet",
    "win-deduped-per-round",
    "win-of-nothing-forgotten",
    "win-refused-2-seconds-after-its-bet",
    "win-refused-at-balance-0",
    "win-replay-in-round-with-refund-refused",
    "win-replay-needs-money",
}
AFTER_RESTART = {name for name, each in FAULTS.items() if each.after_restart}


@pytest.fixture
def script(
    monkeypatch: pytest.MonkeyPatch, key: rsa.RSAPrivateKey, public_key: Path, tmp_path: Path
) -> Callable[..., Script]:
    def script(parts: Parts, others: Any = None) -> Script:
        clock = Clock()
        monkeypatch.setattr(time, "monotonic", lambda: clock.now)
        monkeypatch.setattr(time, "sleep", clock.wait)
        return Script(build(parts, public_key, tmp_path / f"{new_id()}.sqlite"), key, clock, others)

    return script


@pytest.fixture(scope="module")
def correct() -> list[Any]:
    """What the correct operator answers, once somebody has asked it."""
    return []


def test_catalogue() -> None:
    assert len(FAULTS) >= 90
    assert len(CONFORMING) >= 25
    for name, each in variants().items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert re.fullmatch(r"[A-Z0-9].*\.", each.sentence)
        assert bool(each.rules) == (each.kind == "fault")
        assert set(each.rules) <= RULES.keys(), name
    sentences = [each.sentence for each in variants().values()]
    assert len(set(sentences)) == len(sentences)


def test_every_variant_is_told_by_its_theme() -> None:
    # What takes luck or time is told by its module, in tests and benchmarks.
    themes = {each.name: each.part.__module__ for each in variants().values()}
    assert not {
        name for name, theme in themes.items() if ".reference.faults." not in theme and ".conforming." not in theme
    }


def test_list() -> None:
    command = [sys.executable, "-m", "pytest_provider_contract.reference", "--list"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name, each in variants().items():
        assert re.search(rf"^{name} +{each.kind}", text, re.MULTILINE)
        assert each.sentence in text


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="no pipes that break here")
def test_the_list_ends_quietly_when_no_more_of_it_is_wanted() -> None:
    command = [sys.executable, "-m", "pytest_provider_contract.reference", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listing:
        assert listing.stdout
        assert listing.stderr
        listing.stdout.close()
        assert listing.stderr.read() == ""


def test_a_name_that_is_nearly_right() -> None:
    with pytest.raises(ValueError, match=r"Did you mean 'no-tombstone'\?"):
        variant("no-tombstones")


def test_variants_of_different_parts_can_be_joined() -> None:
    joined = parts("http-2+refund-half")
    assert issubclass(joined.server, variant("http-2").part)
    assert issubclass(joined.wallet, variant("refund-half").part)
    assert joined == replace(Parts(), server=joined.server, wallet=joined.wallet)
    with pytest.raises(ValueError, match="two of them change the gateway"):
        parts("compressed-chunks+gzip-when-asked")
    with pytest.raises(ValueError, match="no variant 'nonsense'"):
        parts("http-2+nonsense")


@pytest.mark.parametrize("name", sorted(FAULTS.keys() - OVERLAPPING - AFTER_RESTART - NOT_IN_THE_SCRIPT - set(SERVERS)))
def test_fault_shows(name: str, script: Callable[..., Script], correct: list[Any]) -> None:
    """A fault answers otherwise than the correct operator, or later."""
    if not correct:
        first = script(Parts())
        first.play()
        correct.extend(first.answers)
    with pytest.raises(Differs):
        script(FAULTS[name].parts(), correct).play()


def test_same_again(script: Callable[..., Script]) -> None:
    """The correct operator answers the script the same way twice, so that a difference says something."""
    first = script(Parts())
    first.play()
    script(Parts(), first.answers).play()


def a_storm_goes_wrong(operator: RunningOperator, key: rsa.RSAPrivateKey) -> bool:
    """Whether callbacks at the same time come to something that no order of them would."""
    with closing(Provider(operator.url, key)) as provider:
        return _goes_wrong(provider)


def _goes_wrong(provider: Provider) -> bool:
    def all_at_once(calls: list[tuple[str, dict[str, Any]]], *moved: int) -> bool:
        before = provider.balance()
        answers = together(len(calls), lambda number: attempt(provider, *calls[number]))
        allowed = {"SUCCESS", "INSUFFICIENT_BALANCE_ERROR", "DUPLICATE_TRANSACTION_ERROR"}
        return not set(answers) <= allowed or provider.balance() - before not in moved

    copied, won, refunded, late = a_bet(100), a_bet(100), a_bet(100), a_bet(100)
    win = a_win(won, 300)
    provider.call("bet", **won)
    provider.call("bet", **refunded)
    several = [a_bet(10) for _ in range(4)]
    for bet in several:
        provider.call("bet", **bet)
    wrong = all_at_once([("bet", copied)] * 8, -100)
    wrong |= all_at_once([("win", win)] * 8, 300)
    wrong |= all_at_once([("rollback", a_rollback(refunded)) for _ in range(8)], 100)
    wrong |= all_at_once([("bet", a_bet(10)) for _ in range(6)], -60)
    wrong |= all_at_once([("win", a_win(bet, 30)) for bet in several], 120)
    wrong |= all_at_once([("bet", late), *[("rollback", a_rollback(late))] * 2], 0)
    conflict = a_bet(100)
    wrong |= all_at_once([("bet", conflict), ("bet", conflict | {"amount": 50})], -100, -50)
    half = provider.balance() // 2 + 1
    halves = [a_bet(half) for _ in range(4)]
    wrong |= all_at_once([("bet", bet) for bet in halves], -half)
    for bet in halves:  # so that the next storm finds as much money as this one
        provider.call("rollback", **a_rollback(bet))
    return wrong


def attempt(provider: Provider, name: str, fields: dict[str, Any]) -> str:
    body = json.dumps(
        {"requestId": "r", "clientPlayerId": "alice", "clientSessionId": "session-a", "timestamp": "t"} | fields
    ).encode()
    status, _, answer = provider.post(name, body, {"X-Marbles-Signature": provider.sign(body)})
    return str(json.loads(answer)["status"]) if status == 200 else f"HTTP {status}"


@pytest.mark.parametrize("name", sorted(n for n in OVERLAPPING if n.endswith("-5ms") or "busy" in n))
def test_overlap_shows(name: str, key: rsa.RSAPrivateKey, public_key: Path) -> None:
    """A race is lost when callbacks come at the same time, and the correct operator's is not."""
    with running(variant=name, public_key=public_key, players=[ALICE], rewards=[]) as operator:
        assert any(a_storm_goes_wrong(operator, key) for _ in range(20))


def test_correct_operator_weathers_storms(shared_operator: RunningOperator, key: rsa.RSAPrivateKey) -> None:
    assert not any(a_storm_goes_wrong(shared_operator, key) for _ in range(15))


def test_windows() -> None:
    """Each race comes in five sizes."""
    races = {name for name in FAULTS if "-race-" in name}
    assert {name.rpartition("-")[2] for name in races} == {"5ms", "1ms", "500us", "200us", "100us"}
    for name in races:
        assert vars(FAULTS[name].part)["window"] > 0


class WithoutServer(Provider):
    """A provider of an operator inside of this process."""

    def __init__(self, gateway: Gateway, key: rsa.RSAPrivateKey) -> None:
        super().__init__("", key)
        self.gateway = gateway

    def post(self, name: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        lower = {name.lower(): value for name, value in headers.items()}
        response = self.gateway.serve("POST", f"/{name}", lower, body)
        return response.status, dict(response.headers)["Content-Type"], response.body


@pytest.mark.parametrize("name", sorted(CONFORMING.keys()))
def test_conforming_keeps_the_books(name: str, key: rsa.RSAPrivateKey, public_key: Path, tmp_path: Path) -> None:
    """A bet, a win, a rollback and their repetitions come to the same everywhere."""
    with ExitStack() as stack:
        if name in SERVERS:
            operator = stack.enter_context(running(variant=name, public_key=public_key, players=[ALICE]))
            provider = stack.enter_context(closing(Provider(operator.url, key, operator.certificate)))
        else:
            provider = WithoutServer(build(CONFORMING[name].parts(), public_key, tmp_path / "wallet.sqlite"), key)
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        common = {"timestamp": now, "gameId": new_id()}
        before = int(provider.call("balance", timestamp=now)["balance"])
        won, refunded = a_bet(100) | common, a_bet(200) | common
        win, rollback = a_win(won, 250) | common, a_rollback(refunded) | common
        calls = [("bet", won), ("bet", won), ("bet", refunded), ("win", win), ("win", win)]
        calls += [("rollback", rollback), ("rollback", rollback | {"transactionId": new_id()}), ("bet", won)]
        for call, fields in calls:
            reply = provider.call(call, **fields)
            assert reply["status"] == "SUCCESS" or (call, reply["status"]) == ("bet", "DUPLICATE_TRANSACTION_ERROR")
        assert provider.call("balance", timestamp=now)["balance"] == before + 150


def exchange(provider: Provider, head: str, body: bytes) -> bytes:
    """Sends bytes, and reads until the connection is closed or silent."""
    host, port = provider.address.split(":")
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        connection.sendall(head.encode() + body)
        answer = b""
        connection.settimeout(0.3)
        try:
            while part := connection.recv(65536):
                answer += part
        except TimeoutError:
            answer += b"<open>"
    return answer


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("closes-after-each-reply", rb"(?s)HTTP/1.1 200 OK\r\n.*Connection: close\r\n.*\}"),
        ("closes-idle-connections", rb"(?s)HTTP/1.1 200 OK\r\n.*\}"),
        ("standard-library-server", rb"(?s)HTTP/1.1 200 OK\r\nServer: BaseHTTP.*\}<open>"),
        ("asyncio-server", rb"(?s)HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n.*\}<open>"),
        ("chunked-replies", rb"(?s)HTTP/1.1 200 OK\r\n.*transfer-encoding: chunked\r\n\r\n10\r\n.*\r\n0\r\n\r\n<open>"),
        ("signature-header-in-exact-case", rb"(?s)HTTP/1.1 200 OK\r\n.*UNKNOWN_ERROR.*<open>"),
    ],
)
def test_servers(name: str, expected: bytes, key: rsa.RSAPrivateKey, public_key: Path) -> None:
    with (
        running(variant=name, public_key=public_key, players=[ALICE], rewards=[]) as operator,
        closing(Provider(operator.url, key)) as provider,
    ):
        assert provider.balance() == ALICE.balance
        body = b'{"requestId": "r", "clientPlayerId": "alice", "clientSessionId": "s", "timestamp": "t"}'
        head = f"POST /balance HTTP/1.1\r\nHost: x\r\nx-marbles-signature: {provider.sign(body)}\r\n"
        answer = exchange(provider, f"{head}Content-Length: {len(body)}\r\n\r\n", body)
        assert re.fullmatch(expected, answer), answer
        for broken in ("Content-Length: x", "Content-Length: -5"):
            answer = exchange(provider, f"{head}{broken}\r\n\r\n", b"")
            assert re.match(rb"(?s)HTTP/1.[01] 200 OK\r\n.*UNKNOWN_ERROR", answer.replace(b"\r\n10\r\n", b"")), answer


def test_abandoned_bet_forgotten(key: rsa.RSAPrivateKey, public_key: Path) -> None:
    with (
        running(variant="abandoned-bet-forgotten", public_key=public_key, players=[ALICE], rewards=[]) as operator,
        closing(Provider(operator.url, key)) as provider,
    ):
        bet = a_bet(100)
        provider.call("bet", **bet)
        provider.call("bet", **bet)
        assert provider.balance() == ALICE.balance - 100
        bet = a_bet(100)
        body = json.dumps(
            {"requestId": "r", "clientPlayerId": "alice", "clientSessionId": "s", "timestamp": "t"} | bet
        ).encode()
        abandoned = http.client.HTTPConnection(provider.address)
        abandoned.request("POST", "/bet", body, {"X-Marbles-Signature": provider.sign(body)})
        time.sleep(0.005)
        abandoned.close()
        time.sleep(0.1)
        provider.call("bet", **bet)
        assert provider.balance() == ALICE.balance - 300
