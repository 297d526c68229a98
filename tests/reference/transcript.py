"""A long script for one operator inside of this process, and what it answered.

The script visits every corner of the contract that a single thread can reach. It judges nothing:
a fault shows by answers that differ from the correct operator's.
"""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.gateway import Gateway
from pytest_provider_contract.reference.variants import Parts

PLAYERS = [
    Account("alice", "session-a", "EUR", 100_000),
    Account("bob", "session-b", "EUR", 50_000),
    Account("carol", "session-c", "EUR", 1 << 60),
    Account("dave", "session-d", "EUR", 1_000),
]
REWARD = "7d0c0f5e-5bd1-4f0c-9a37-0d6f6c1c7a11"


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def wait(self, seconds: float) -> None:
        self.now = round(self.now + seconds, 3)


_OTHER = rsa.generate_private_key(65537, 2048)


def build(parts: Parts, public_key: Path, database: Path) -> Gateway:
    """The operator without a server."""
    store = parts.wallet.store_class(database)
    for account in PLAYERS:
        store.open_account(account)
    return parts.gateway(parts.wallet(store, frozenset({REWARD})), parts.verifier.load(public_key), parts.reader())


Answer = tuple[str, str, bytes, float]


class Differs(Exception):  # noqa: N818  no error, the end of a comparison
    """The operator does not answer as the other one did."""


class Script:
    """Plays the script; what was answered gathers in `answers`, each with its time.

    With the answers of another operator it ends at the first that differs.
    """

    _signatures: ClassVar[dict[bytes, str]] = {}

    def __init__(
        self,
        gateway: Gateway,
        key: rsa.RSAPrivateKey,
        clock: Clock,
        others: list[tuple[str, Answer]] | None = None,
    ) -> None:
        self.gateway, self.key, self.clock, self.others = gateway, key, clock, others
        self.answers: list[tuple[str, Answer]] = []
        self.topic = ""
        self._ids = 0

    # -- sending ----------------------------------------------------------------------------

    def new_id(self) -> str:
        self._ids += 1
        return str(UUID(int=self._ids, version=4))

    def sign(self, body: bytes) -> str:
        if body not in self._signatures:
            signed = self.key.sign(body, padding.PKCS1v15(), hashes.SHA256())
            self._signatures[body] = base64.b64encode(signed).decode()
        return self._signatures[body]

    def post(self, name: str, body: bytes, signature: str | None) -> None:
        head: list[Any] = []
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": f"/{name}", "wsgi.input": BytesIO(body)}
        if signature is not None:
            environ["HTTP_X_MARBLES_SIGNATURE"] = signature
        answer = b"".join(self.gateway(environ, lambda status, headers: head.extend((status, headers))))
        content_type = dict(head[1]).get("Content-Type", "")
        self.answers.append((self.topic, (head[0], content_type, answer, self.clock.now)))
        if self.others is not None and self.others[len(self.answers) - 1] != self.answers[-1]:
            raise Differs

    def wait(self, seconds: float) -> None:
        self.clock.wait(seconds)

    def fields(self, **fields: Any) -> dict[str, Any]:
        self.wait(0.001)
        common = {"requestId": self.new_id(), "clientPlayerId": "alice", "clientSessionId": "session-a"}
        return common | {"timestamp": f"2026-11-23T09:00:{self._ids // 1000:02}.{self._ids % 1000:03}Z"} | fields

    def call(self, name: str, **fields: Any) -> None:
        body = json.dumps(self.fields(**fields)).encode()
        self.post(name, body, self.sign(body))
        if name != "balance":
            self.balance(fields.get("clientPlayerId", "alice"))

    def balance(self, player: str = "alice") -> None:
        body = json.dumps(self.fields(clientPlayerId=player)).encode()
        self.post("balance", body, self.sign(body))

    def bet(self, amount: Any = 1_234, **fields: Any) -> dict[str, Any]:
        bet = {"transactionId": self.new_id(), "roundId": self.new_id(), "gameId": "g", "amount": amount}
        bet |= {"currency": "EUR", **fields}
        self.call("bet", **bet)
        return bet

    def a_win(self, bet: dict[str, Any], amount: Any = 2_345, **fields: Any) -> dict[str, Any]:
        win = self.a_rollback(bet) | {"amount": amount, "currency": "EUR"}
        return win | fields

    def win(self, bet: dict[str, Any], amount: Any = 2_345, **fields: Any) -> dict[str, Any]:
        win = self.a_win(bet, amount, **fields)
        self.call("win", **win)
        return win

    def a_rollback(self, bet: dict[str, Any], **fields: Any) -> dict[str, Any]:
        rollback = {"transactionId": self.new_id(), "referenceTransactionId": bet["transactionId"]}
        rollback |= {"roundId": bet["roundId"], "gameId": "g", "roundClosed": True}
        if "clientPlayerId" in bet:
            rollback["clientPlayerId"] = bet["clientPlayerId"]
        return rollback | fields

    def rollback(self, bet: dict[str, Any], **fields: Any) -> dict[str, Any]:
        rollback = self.a_rollback(bet, **fields)
        self.call("rollback", **rollback)
        return rollback

    # -- the script -------------------------------------------------------------------------

    def play(self) -> None:
        """Everything, one topic after the other."""
        for topic in (
            self.plain,
            self.repetitions,
            self.conflicts,
            self.rollbacks,
            self.unknown_bets,
            self.rounds,
            self.early_wins,
            self.settled,
            self.funds,
            self.amounts,
            self.players,
            self.free,
            self.signatures,
            self.malformed,
            self.long_memory,
            self.late_memory,
            self.odds_and_ends,
        ):
            self.topic = topic.__name__
            topic()

    def plain(self) -> None:
        self.balance()
        self.win(self.bet())
        self.win(self.bet(), 0)
        self.wait(1.5)
        self.balance()
        self.win(self.bet(), roundClosed=False)
        self.rollback(self.bet(), roundClosed=False)
        self.rollback(self.bet(), roundClosed=True)
        self.rollback(self.bet(0))
        for _ in range(12):
            self.win(self.bet())

    def repetitions(self) -> None:
        bet = self.bet()
        self.call("bet", **bet)
        win = self.win(bet)
        self.call("win", **win)
        self.call("win", **win)
        self.call("bet", **bet)
        bet = self.bet()
        rollback = self.rollback(bet)
        self.call("rollback", **rollback)
        self.rollback(bet)
        self.rollback(bet)
        self.call("bet", **bet)
        self.wait(3)
        self.call("bet", **bet)

    def conflicts(self) -> None:
        bet = self.bet(100)
        self.call("bet", **bet | {"amount": 1})
        self.call("bet", **bet | {"amount": 1_000})
        self.call("bet", **bet | {"roundId": self.new_id()})
        win = self.win(bet, 200)
        self.call("win", **win | {"amount": 1})
        self.call("win", **win | {"amount": 1_000})
        self.call("win", **self.a_win(self.bet()) | {"transactionId": bet["transactionId"]})
        self.call("bet", **bet | {"transactionId": win["transactionId"]})

    def rollbacks(self) -> None:
        round_id = self.new_id()
        bets = [self.bet(amount, roundId=round_id) for amount in (100, 300, 200)]
        self.rollback(bets[2])
        self.rollback(bets[0])
        self.rollback(bets[1])
        bets = [self.bet(amount) for amount in (110, 330)]
        self.rollback(bets[0])
        self.rollback(bets[1])

    def unknown_bets(self) -> None:
        for wait in (0, 2):
            late = self.a_bet()
            self.rollback(late)
            self.rollback(late)
            self.wait(wait)
            self.call("bet", **late)
            self.call("bet", **late)
            self.rollback(late)
            self.win(late)

    def rounds(self) -> None:
        round_id = self.new_id()
        first, second, third = (self.bet(roundId=round_id) for _ in range(3))
        self.win(second, 10, roundClosed=False)
        self.rollback(first)
        self.win(third, 10)
        round_id = self.new_id()
        first, second = (self.bet(roundId=round_id) for _ in range(2))
        self.win(first)
        self.win(second)

    def early_wins(self) -> None:
        bet = self.a_bet()
        win = self.win(bet)
        self.call("win", **win)
        self.call("bet", **bet)
        self.call("win", **win)
        self.call("win", **win)

    def settled(self) -> None:
        bet = self.bet()
        win = self.win(bet)
        self.rollback(bet)
        self.rollback(bet)
        self.rollback(win)
        self.win(bet)
        bet = self.bet()
        self.win(bet, 0)
        self.rollback(bet)

    def funds(self) -> None:
        dave = {"clientPlayerId": "dave"}
        declined = self.bet(1_001, **dave)
        self.call("bet", **declined)
        self.win(declined)
        self.rollback(declined)
        self.call("bet", **declined)
        self.rollback(self.bet(1_000, **dave))
        bet = self.bet(999, **dave)
        self.call("bet", **bet)
        self.call("bet", **bet | {"amount": 1})
        self.rollback(bet)
        declined = self.bet(5_000, **dave)
        self.win(self.bet(1, **dave), 10_000)
        self.call("bet", **declined)
        self.bet(5, currency="USD")
        self.balance()

    def amounts(self) -> None:
        carol = {"clientPlayerId": "carol"}
        for amount in (1, 29, 99, 101, 1 << 31, (1 << 31) + 1, (1 << 53) + 1, (1 << 63) - 1, 1 << 63):
            bet = self.bet(amount, **carol)
            self.win(bet, amount)
        self.bet((1 << 63) - 1)
        for amount in (-5, 7.5, "8", True, None):
            self.bet(amount)
            self.win(self.bet(), amount)

    def players(self) -> None:
        round_id = self.new_id()
        hers = self.bet(roundId=round_id)
        his = self.bet(roundId=round_id, clientPlayerId="bob")
        self.rollback(hers, clientPlayerId="bob")
        self.balance("alice")
        self.win(his)
        self.balance("alice")
        self.rollback(hers)
        self.rollback(self.bet(roundId=round_id, clientPlayerId="bob"))
        for name in ("bet", "win", "rollback", "balance"):
            bet = self.bet()
            self.call(name, **{**self.a_win(bet), **bet, "transactionId": self.new_id(), "clientPlayerId": "nobody"})
            self.balance("alice")

    def free(self) -> None:
        self.win(self.bet(0, isFree=True, rewardUuid=REWARD))
        self.rollback(self.bet(0, isFree=True, rewardUuid=REWARD))
        self.bet(0, isFree=True, rewardUuid=self.new_id())

    def signatures(self) -> None:
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        for name in ("balance", "bet", "win", "rollback"):
            for amount in range(8):
                bet = self.bet(amount)
                fields = {**self.a_win(bet), **self.fields()}
                if name == "bet":
                    fields |= {"transactionId": self.new_id()}
                body = json.dumps(fields).encode()
                good = self.sign(body)
                made = [
                    None,
                    "",
                    "@" * 344,
                    good[:-8],
                    base64.b64encode(_OTHER.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode(),
                    base64.b64encode(self.key.sign(body, pss, hashes.SHA256())).decode(),
                    base64.b64encode(self.key.sign(body, padding.PKCS1v15(), hashes.SHA1())).decode(),
                    good[:8] + "-" + good[8:],
                ][amount]
                self.post(name, body, made)
                self.balance()
                self.post(name, body, good)
                self.post(name, body.replace(b"2345", b"9345"), good)
                self.post(name, body + b" ", good)
                self.balance()
        fields = self.fields()
        for spelled in (
            json.dumps(dict(reversed(fields.items()))),
            json.dumps(fields, indent=2),
            json.dumps(fields) + "\n",
            json.dumps(fields).replace("alice", "\\u0061lice"),
            json.dumps(fields | {"extra": "☃"}, ensure_ascii=False),
            json.dumps(fields | {"extra": "☃"}),
            json.dumps(fields | {"extra": 1}),
        ):
            self.post("balance", spelled.encode(), self.sign(spelled.encode()))

    def malformed(self) -> None:
        for name in ("balance", "bet", "win", "rollback"):
            for body in (b"", b"null", b"[]", b"{", b"\xff", b"[" * 100_000, b"{}"):
                self.post(name, body, self.sign(body))
            for change in ({"timestamp": None}, {"transactionId": 5}, {"requestId": ""}, {"roundClosed": 1}):
                self.call(name, **{**self.a_win(self.bet()), **change})

    def long_memory(self) -> None:
        bet = self.bet()
        win = self.win(bet)
        for number in range(210):
            fields = self.fields() | bet | {"transactionId": self.new_id(), "amount": 1}
            bodies = [("bet", fields), ("win", self.fields() | self.a_win(fields, 1))]
            for name, sent in bodies * (2 if number < 25 else 1):
                body = json.dumps(sent).encode()
                self.post(name, body, self.sign(body))
        self.call("bet", **bet)
        self.call("win", **win)

    def late_memory(self) -> None:
        settled, refunded, awaited = self.bet(), self.bet(), self.a_bet()
        win = self.win(settled)
        self.rollback(refunded)
        self.rollback(awaited)
        for _ in range(55):
            self.rollback(self.bet(1))
        self.rollback(refunded)
        self.call("bet", **awaited)
        self.wait(3)
        self.call("win", **win)
        self.rollback(refunded)

    def odds_and_ends(self) -> None:
        forged = self.a_bet()
        body = json.dumps(self.fields() | self.a_rollback(forged)).encode()
        self.post("rollback", body, None)
        self.call("bet", **forged)
        free = self.bet(0, isFree=True, rewardUuid=REWARD)
        self.call("bet", **free)
        self.call("bet", **self.a_bet() | {"gameId": "g\0"})
        round_id = self.new_id()
        self.rollback(self.a_bet() | {"roundId": round_id})
        self.bet(roundId=round_id)

    def a_bet(self) -> dict[str, Any]:
        """A bet that is not sent yet."""
        late = {"transactionId": self.new_id(), "roundId": self.new_id(), "gameId": "g"}
        return late | {"amount": 500, "currency": "EUR"}
