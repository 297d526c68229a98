"""The wallet half: four signed callbacks on SQLite, one after the other."""

import base64
import json
import sqlite3
import threading

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

SCHEMA = """
CREATE TABLE players  (id TEXT PRIMARY KEY, currency TEXT NOT NULL, balance INTEGER NOT NULL CHECK (balance >= 0));
CREATE TABLE sessions (id TEXT PRIMARY KEY, player TEXT NOT NULL REFERENCES players);
-- A bet without content is a tombstone: its rollback came first.
CREATE TABLE bets     (id TEXT, player TEXT NOT NULL, amount INTEGER NOT NULL, content TEXT, state TEXT NOT NULL,
                       PRIMARY KEY (id, player));
CREATE TABLE wins     (id TEXT PRIMARY KEY, content TEXT NOT NULL);
"""
MAX_AMOUNT = 2**63 - 1


class RefusedError(Exception):
    """A callback that is answered with an error status; nothing moves."""


class Wallet:
    """Answers callbacks. Every answer is a JSON object; the HTTP status is always 200."""

    def __init__(self, public_pem: bytes, path: str = ":memory:") -> None:
        self._provider = serialization.load_pem_public_key(public_pem)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def register(self, player: str, currency: str, balance: int) -> None:
        with self._lock:
            self._db.execute("INSERT INTO players VALUES (?, ?, ?)", (player, currency, balance))

    def start_session(self, session: str, player: str) -> None:
        with self._lock:
            self._db.execute("INSERT INTO sessions VALUES (?, ?)", (session, player))

    def currency(self, player: str) -> str:
        with self._lock:
            return self._one("SELECT currency FROM players WHERE id = ?", player)[0]

    def balance(self, player: str) -> int:
        with self._lock:
            return self._one("SELECT balance FROM players WHERE id = ?", player)[0]

    def pending(self) -> list[str]:
        """The debits that nothing has settled yet."""
        with self._lock:
            return [row[0] for row in self._db.execute("SELECT id FROM bets WHERE state = 'open'")]

    def void(self, bet: str) -> None:
        """Give the money of a pending debit back, after the provider said that it does not know the bet."""
        with self._lock:
            player, amount = self._one("SELECT player, amount FROM bets WHERE id = ? AND state = 'open'", bet)
            self._move(player, amount)
            self._db.execute("UPDATE bets SET state = 'refunded' WHERE id = ?", (bet,))

    def answer(self, name: str, body: bytes, signature: str) -> dict[str, object]:
        """The reply to one callback, whatever is wrong with it."""
        told: dict[str, object] = {"status": "UNKNOWN_ERROR", "requestId": None, "clientPlayerId": None}
        try:
            self._provider.verify(base64.b64decode(signature, validate=True), body, padding.PKCS1v15(), hashes.SHA256())
            fields = json.loads(body)
            told |= {"requestId": fields["requestId"], "clientPlayerId": fields["clientPlayerId"]}
            with self._lock:
                told |= self._transaction(name, fields)
        except (InvalidSignature, RecursionError, ValueError, TypeError, LookupError, sqlite3.Error):
            pass  # told by the status; a real wallet writes a log line here
        return told

    def _transaction(self, name: str, fields: dict) -> dict[str, object]:
        player = _text(fields, "clientPlayerId")
        _text(fields, "requestId")
        currency = self._one("SELECT currency FROM players WHERE id = ?", player)[0]
        self._db.execute("BEGIN IMMEDIATE")
        try:
            handle = {"balance": self._balance, "bet": self._bet, "win": self._win, "rollback": self._rollback}[name]
            handle(player, fields)
        except RefusedError as error:
            self._db.execute("ROLLBACK")
            status = str(error)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        else:
            self._db.execute("COMMIT")
            status = "SUCCESS"
        balance = self._one("SELECT balance FROM players WHERE id = ?", player)[0]
        return {"status": status, "currency": currency, "balance": balance}

    def _balance(self, player: str, fields: dict) -> None:
        self._session(player, fields)

    def _bet(self, player: str, fields: dict) -> None:
        bet, content, amount = _text(fields, "transactionId"), _content(fields), _amount(fields)
        if fields.get("isFree"):
            raise RefusedError("BONUS_ERROR")  # no free bets here
        known = self._maybe("SELECT content, state FROM bets WHERE id = ? AND player = ?", bet, player)
        if known in ((content, "open"), (content, "settled")):
            return
        if known is not None:
            raise RefusedError("DUPLICATE_TRANSACTION_ERROR")
        self._session(player, fields)
        if fields["currency"] != self._one("SELECT currency FROM players WHERE id = ?", player)[0]:
            raise RefusedError("UNKNOWN_ERROR")
        if amount > self._one("SELECT balance FROM players WHERE id = ?", player)[0]:
            raise RefusedError("INSUFFICIENT_BALANCE_ERROR")
        self._move(player, -amount)
        self._db.execute("INSERT INTO bets VALUES (?, ?, ?, ?, 'open')", (bet, player, amount, content))

    def _win(self, player: str, fields: dict) -> None:
        win, content, amount = _text(fields, "transactionId"), _content(fields), _amount(fields)
        known = self._maybe("SELECT content FROM wins WHERE id = ?", win)
        if known is not None:
            if known[0] != content:
                raise RefusedError("DUPLICATE_TRANSACTION_ERROR")
            return
        bet = _text(fields, "referenceTransactionId")
        state = self._maybe("SELECT state FROM bets WHERE id = ? AND player = ?", bet, player)
        if state is None or state[0] not in ("open", "settled"):
            raise RefusedError("UNKNOWN_ERROR")
        self._move(player, amount)
        self._db.execute("INSERT INTO wins VALUES (?, ?)", (win, content))
        self._db.execute("UPDATE bets SET state = 'settled' WHERE id = ? AND player = ?", (bet, player))

    def _rollback(self, player: str, fields: dict) -> None:
        bet = _text(fields, "referenceTransactionId")
        _text(fields, "transactionId")
        known = self._maybe("SELECT amount, state FROM bets WHERE id = ? AND player = ?", bet, player)
        if known is None:
            self._db.execute("INSERT INTO bets VALUES (?, ?, 0, NULL, 'refunded')", (bet, player))
        elif known[1] == "settled":
            raise RefusedError("UNKNOWN_ERROR")
        elif known[1] == "open":
            self._move(player, known[0])
            self._db.execute("UPDATE bets SET state = 'refunded' WHERE id = ? AND player = ?", (bet, player))

    def _session(self, player: str, fields: dict) -> None:
        self._one("SELECT id FROM sessions WHERE id = ? AND player = ?", _text(fields, "clientSessionId"), player)

    def _move(self, player: str, amount: int) -> None:
        self._db.execute("UPDATE players SET balance = balance + ? WHERE id = ?", (amount, player))

    def _maybe(self, query: str, *values: object) -> tuple | None:
        return self._db.execute(query, values).fetchone()

    def _one(self, query: str, *values: object) -> tuple:
        row = self._maybe(query, *values)
        if row is None:
            raise LookupError(query)
        return row


def _text(fields: dict, name: str) -> str:
    value = fields[name]
    if not isinstance(value, str) or not value:
        raise ValueError(name)
    return value


def _amount(fields: dict) -> int:
    amount = fields["amount"]
    if type(amount) is not int or not 0 <= amount <= MAX_AMOUNT:
        raise ValueError("amount")
    return amount


def _content(fields: dict) -> str:
    """What must not change when a transaction is sent again."""
    names = ("clientPlayerId", "referenceTransactionId", "roundId", "gameId", "amount", "currency")
    return json.dumps([fields.get(name) for name in names])
