"""The catalogue of rules: the one place where an id, its level, sentence and source stand.

Ids are stable: they are never renumbered and never reused. The chapter is the part of the
id before the dash; chapters appear in reports in the order of `CHAPTERS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["MUST", "SHOULD"]
Part = Literal["preflight", "suite", "launch"]
Need = Literal["second player", "reward", "signature", "large stakes"]

CHAPTERS: dict[str, str] = {
    "REPLY": "Always 200, and the shape of a reply",
    "SIG": "Signature",
    "BALANCE": "Balance",
    "BET": "Bet",
    "WIN": "Win",
    "ROLLBACK": "Rollback",
    "IDEM": "Idempotency and conflicts",
    "ORDER": "Order of delivery",
    "PLAYER": "Players",
    "FREE": "Free bets",
    "AMOUNT": "Amounts",
    "RACE": "Callbacks at the same time",
    "LOST": "Lost replies and retries",
    "TIME": "Time",
    "SEQ": "Generated sequences",
    "PREFLIGHT": "A first look before the suite",
    "LAUNCH": "Launch: the operator as client",
}

# What puts a chapter to the test, where it is not the wallet's suite.
_PARTS: dict[str, Part] = {"PREFLIGHT": "preflight", "LAUNCH": "launch"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of the contract.

    Attributes:
        id: Stable name such as ``ROLLBACK-03``.
        level: ``MUST`` fails a run, ``SHOULD`` only with ``--operator-strict``.
        text: The rule as one sentence.
        source: Where it comes from: T, D, O or I as in the contract's list of sources.
        needs: What the options must provide before the rule can be tested, or None.
    """

    id: str
    level: Level
    text: str
    source: str
    needs: Need | None = None

    @property
    def chapter(self) -> str:
        """The chapter's short name, for instance ``ROLLBACK``."""
        return self.id.partition("-")[0]

    @property
    def part(self) -> Part:
        """What puts the rule to the test: the wallet's suite, the look before it, or a launch."""
        return _PARTS.get(self.chapter, "suite")


_M: Level = "MUST"
_S: Level = "SHOULD"

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("REPLY-01", _M, "Every callback is answered with HTTP 200.", "T"),
        Rule("REPLY-02", _M, "A body that is no JSON object gets HTTP 200 and an error status.", "T"),
        Rule("REPLY-03", _M, "A missing, empty, null or mistyped field gets HTTP 200 and a status.", "T"),
        Rule("REPLY-04", _M, "A reply is one JSON object, sent as application/json.", "D"),
        Rule("REPLY-05", _M, "A reply has every field its status needs, each of its type.", "D"),
        Rule("REPLY-06", _M, "A reply echoes this request's requestId and clientPlayerId.", "D"),
        Rule("REPLY-07", _M, "The status is one of the contract's, spelt exactly so.", "D"),
        Rule("REPLY-08", _S, "The status is one of the current contract, on a callback that has it.", "D"),
        Rule("REPLY-09", _S, "An error reply carries currency and balance too.", "D"),
        Rule("SIG-01", _M, "A callback without a signature is refused.", "D", "signature"),
        Rule("SIG-02", _M, "A signature that is not base64 or is cut short is refused.", "D", "signature"),
        Rule("SIG-03", _M, "A signature made with another key is refused.", "D", "signature"),
        Rule("SIG-04", _M, "A signature made for another body is refused.", "D", "signature"),
        Rule("SIG-05", _M, "A signature with PSS padding or SHA-1 is refused.", "D", "signature"),
        Rule("SIG-06", _M, "A correct signature is accepted however the body is spelled.", "D"),
        Rule("SIG-07", _M, "The signature header is found in any letter case.", "D", "signature"),
        Rule("SIG-08", _M, "Nothing happens before the signature is verified.", "D", "signature"),
        Rule("SIG-09", _S, "A correct signature with stray characters in its base64 is refused.", "I", "signature"),
        Rule("BALANCE-01", _M, "Balance reports the player's money and changes nothing.", "T"),
        Rule("BALANCE-02", _M, "Balance reports the money as it is now, not as it was.", "D"),
        Rule("BALANCE-03", _M, "Money moves only by a callback.", "D"),
        Rule("BALANCE-04", _M, "Balance is in the player's currency.", "D"),
        Rule("BET-01", _M, "An accepted bet debits exactly its amount, once.", "D"),
        Rule("BET-02", _M, "A bet of exactly the balance is accepted.", "D"),
        Rule("BET-03", _M, "A bet above the balance gets INSUFFICIENT_BALANCE_ERROR and moves nothing.", "D"),
        Rule("BET-04", _M, "A negative, fractional or string amount is declined and moves nothing.", "D"),
        Rule("BET-05", _M, "A bet in another currency than the player's is declined and moves nothing.", "D"),
        Rule("BET-06", _M, "A bet of amount 0 moves nothing, accepted or not.", "D"),
        Rule("BET-07", _M, "Different bets of equal amount, round and player are different bets.", "I"),
        Rule("BET-08", _M, "A declined bet costs nothing, also when it is sent again.", "D"),
        Rule("WIN-01", _M, "A win credits exactly its amount, once.", "D"),
        Rule("WIN-02", _M, "A win of amount 0 succeeds and settles the bet.", "T"),
        Rule("WIN-03", _M, "Wins of one round's bets each pay their own bet, in any order.", "T"),
        Rule("WIN-04", _S, "A win for a declined or rolled back bet is refused.", "I"),
        Rule("WIN-05", _M, "The answer to a win is true: SUCCESS means credited, an error means not.", "D"),
        Rule("WIN-06", _M, "A win of a negative or fractional amount moves nothing.", "D"),
        Rule("WIN-07", _M, "A win is credited with roundClosed true or false alike.", "D"),
        Rule("ROLLBACK-01", _M, "A rollback refunds the referenced bet's own amount.", "T"),
        Rule("ROLLBACK-02", _M, "A rollback repeated with the same transactionId refunds once.", "D"),
        Rule("ROLLBACK-03", _M, "A rollback repeated with a new transactionId refunds once.", "T"),
        Rule("ROLLBACK-04", _M, "A rollback of an unknown bet moves nothing.", "D"),
        Rule("ROLLBACK-05", _M, "A bet that arrives after its successful rollback costs nothing.", "D"),
        Rule("ROLLBACK-06", _M, "A rollback that was refused before its bet refunds when retried after it.", "T"),
        Rule("ROLLBACK-07", _M, "A rollback of a declined bet moves nothing.", "D"),
        Rule("ROLLBACK-08", _M, "A rollback refunds with roundClosed true or false alike.", "D"),
        Rule("ROLLBACK-09", _S, "A rollback of a settled bet moves nothing.", "I"),
        Rule("ROLLBACK-10", _M, "A rollback that names a transaction which is no bet moves nothing.", "T"),
        Rule("ROLLBACK-11", _M, "A settled bet is refunded at most once, and an error refunds nothing.", "D"),
        Rule("IDEM-01", _M, "A replayed bet moves nothing.", "D"),
        Rule("IDEM-02", _M, "A replayed win succeeds and moves nothing.", "T"),
        Rule("IDEM-03", _M, "A bet with a known transactionId and other content moves nothing.", "D"),
        Rule("IDEM-04", _M, "A win with a known transactionId and other content moves nothing.", "D"),
        Rule("IDEM-05", _S, "A known transactionId with other content gets DUPLICATE_TRANSACTION_ERROR.", "D"),
        Rule("IDEM-06", _M, "A bet replayed after its rollback moves nothing.", "D"),
        Rule("IDEM-07", _M, "A bet or win replayed after settlement moves nothing.", "T"),
        Rule("IDEM-08", _M, "A replay is still a replay after many other transactions.", "T"),
        Rule("IDEM-09", _M, "A replay is still a replay later: at the run's end, after a restart, after a day.", "T"),
        Rule("ORDER-01", _M, "A win before its bet is credited with SUCCESS or refused with an error.", "D"),
        Rule("ORDER-02", _M, "A win retried after its late bet leaves the bet settled exactly once.", "D"),
        Rule("ORDER-03", _M, "Callbacks of different bets and rounds may interleave.", "T"),
        Rule("PLAYER-01", _M, "One player's callbacks never touch another's money.", "D", "second player"),
        Rule("PLAYER-02", _M, "A callback of an unknown player moves nobody's money.", "D"),
        Rule("PLAYER-03", _S, "A callback of an unknown player gets an error status.", "O"),
        Rule("PLAYER-04", _M, "A rollback naming another player's bet moves nothing for either.", "D", "second player"),
        Rule("FREE-01", _M, "A free bet moves nothing.", "D", "reward"),
        Rule("FREE-02", _M, "A free bet with an unknown rewardUuid gets BONUS_ERROR.", "D"),
        Rule("FREE-03", _M, "A free bet's win is real money and is credited.", "D", "reward"),
        Rule("FREE-04", _M, "A rollback of a free bet moves nothing.", "D", "reward"),
        Rule("AMOUNT-01", _M, "Amounts above 2**31 are exact.", "D", "large stakes"),
        Rule("AMOUNT-02", _M, "Every minor unit counts: amounts are neither rounded nor rescaled.", "D"),
        Rule("AMOUNT-03", _M, "Amounts above 2**53, where doubles lose units, are exact.", "D", "large stakes"),
        Rule("AMOUNT-04", _M, "A bet of the largest 64 bit amount is declined, not wrapped around.", "D"),
        Rule("RACE-01", _M, "Copies of a bet that arrive at the same time debit once.", "D"),
        Rule("RACE-02", _M, "Copies of a win that arrive at the same time credit once.", "T"),
        Rule("RACE-03", _M, "Rollbacks of a bet that arrive at the same time refund once.", "T"),
        Rule("RACE-04", _M, "Bets that arrive at the same time never overdraw the balance.", "D"),
        Rule("RACE-05", _M, "Callbacks of several bets that arrive at the same time lose no update.", "D"),
        Rule("RACE-06", _M, "A bet that races its own rollback costs nothing once the rollback succeeded.", "T"),
        Rule("RACE-07", _M, "Two players' callbacks at the same time stay apart.", "D", "second player"),
        Rule("RACE-08", _M, "Callbacks that arrive at the same time each get their HTTP 200 in time.", "T"),
        Rule("RACE-09", _M, "Whatever arrives at the same time, some order of it explains the outcome.", "D"),
        Rule("LOST-01", _M, "A bet whose reply was lost has happened once or not at all; its retry finds out.", "D"),
        Rule("LOST-02", _M, "A bet whose reply was lost costs nothing after its rollback, however late it comes.", "T"),
        Rule("LOST-03", _M, "A win whose reply was lost is credited once, however often it is retried.", "T"),
        Rule("LOST-04", _M, "A rollback whose reply was lost refunds once, however often it is retried.", "T"),
        Rule("LOST-05", _M, "Half a request has no effect.", "D"),
        Rule("LOST-06", _M, "A request that is delivered twice takes effect once.", "D"),
        Rule("LOST-07", _M, "A request that comes slowly is carried out like any other.", "D"),
        Rule("LOST-08", _M, "Any sequence with lost replies and retries is explained by the rules above.", "D"),
        Rule("TIME-01", _M, "A bet is answered within its deadline, the whole reply included.", "T"),
        Rule("TIME-02", _S, "The 95th percentile of every callback's time stays under one second.", "D"),
        Rule("SEQ-01", _M, "Any sequence of a player's callbacks is explained by the rules above.", "T"),
        Rule(
            "SEQ-02",
            _M,
            "Any sequence of two players' callbacks is explained by the rules above.",
            "T",
            "second player",
        ),
        Rule("PREFLIGHT-01", _M, "The wallet's host name resolves.", "I"),
        Rule("PREFLIGHT-02", _M, "The wallet's port accepts connections.", "I"),
        Rule("PREFLIGHT-03", _M, "TLS works: the certificate is valid, for this host, of a known authority.", "I"),
        Rule("PREFLIGHT-04", _M, "Callbacks reach the wallet: nothing in front of it refuses them.", "T"),
        Rule("PREFLIGHT-05", _M, "The callbacks are where the base URL says.", "T"),
        Rule("PREFLIGHT-06", _M, "Callbacks are answered where they are sent: no redirect, no login page.", "D"),
        Rule("PREFLIGHT-07", _M, "The wallet itself answers callbacks, with JSON.", "D"),
        Rule("PREFLIGHT-08", _M, "A callback with a correct signature is accepted.", "D", "signature"),
        Rule("PREFLIGHT-09", _M, "A callback that is signed with another key is refused.", "D", "signature"),
        Rule("PREFLIGHT-10", _M, "The test players and their sessions are known to the wallet.", "D"),
        Rule("PREFLIGHT-11", _M, "The test players' currencies are those of the options.", "D"),
        Rule("PREFLIGHT-12", _M, "/balance of a test player works, as the other callbacks do.", "T"),
        Rule("PREFLIGHT-13", _S, "The wallet's clock and this machine's agree.", "I"),
        Rule("PREFLIGHT-14", _M, "The test players have money.", "I"),
        Rule("PREFLIGHT-15", _M, "Bets are accepted.", "D"),
        Rule("PREFLIGHT-16", _S, "The first look leaves the players' money as it was.", "D"),
        Rule("LAUNCH-01", _M, "A game is launched with POST /game/url.", "T"),
        Rule("LAUNCH-02", _M, "A launch request is a JSON object with every field, each of its type.", "D"),
        Rule("LAUNCH-03", _M, "lobbyUrl and depositUrl are absolute URLs, null or left out.", "T"),
        Rule("LAUNCH-04", _M, "partnerId is the brand's own name, never the operatorId.", "T"),
        Rule("LAUNCH-05", _M, "operatorId is the one that the provider issued.", "D"),
        Rule("LAUNCH-06", _M, "A launch of real play names the player and the session.", "D"),
        Rule("LAUNCH-07", _M, "A launch of demo play names neither player nor session.", "D"),
        Rule("LAUNCH-08", _M, "gameId is an enabled game of the provider's list.", "D"),
        Rule("LAUNCH-09", _M, "language is a code of ISO 639-1.", "D"),
        Rule("LAUNCH-10", _M, "country is a code of ISO 3166-1 alpha-2.", "D"),
        Rule("LAUNCH-11", _M, "currency is a code of ISO 4217, the player's own; XXX is demo play.", "D"),
        Rule("LAUNCH-12", _M, "platform is MOBILE or DESKTOP.", "D"),
        Rule("LAUNCH-13", _M, "Calls come from an address that is registered with the provider.", "T"),
        Rule("LAUNCH-14", _M, "A launch URL is opened once.", "T"),
        Rule("LAUNCH-15", _M, "A launch URL is opened within two hours.", "T"),
        Rule("LAUNCH-16", _M, "A URL is asked for anew for every launch, never cached.", "T"),
        Rule("LAUNCH-17", _M, "A retry after a failed launch has a clientSessionId of its own.", "T"),
        Rule("LAUNCH-18", _S, "Every launch has a clientSessionId of its own.", "T"),
        Rule("LAUNCH-19", _M, "A clientSessionId belongs to one player.", "D"),
        Rule("LAUNCH-20", _M, "A launch of real play finds a working /balance.", "T"),
        Rule("LAUNCH-21", _M, "Where demo play works, real play does.", "T"),
        Rule("LAUNCH-22", _M, "No round stays open: its /win or /rollback is answered in time, with 200.", "T"),
        Rule("LAUNCH-23", _M, "A pending debit of a bet that the provider does not know is voided.", "T"),
    )
}

# How the operator answers a rollback of an unknown bet decides which of the two applies.
ALTERNATIVES: dict[str, str] = {"ROLLBACK-05": "ROLLBACK-06", "ROLLBACK-06": "ROLLBACK-05"}


def select(patterns: Iterable[str]) -> frozenset[str]:
    """The ids of the suite's rules that a selection names.

    Args:
        patterns: Chapters (``ROLLBACK``) or rules (``SIG-03``), in any letter case.

    Raises:
        ValueError: A pattern names neither a chapter nor a rule, or one that the suite does not test.
    """
    chosen: set[str] = set()
    for pattern in (p.strip().upper() for p in patterns):
        found = {id_ for id_, rule in RULES.items() if pattern in (id_, rule.chapter)}
        if not found:
            known = ", ".join(chapter for chapter in CHAPTERS if chapter not in _PARTS)
            raise ValueError(f"{pattern!r} is neither a rule nor one of the chapters {known}")
        if others := sorted(id_ for id_ in found if RULES[id_].part != "suite"):
            raise ValueError(f"{pattern!r} is tested by the {RULES[others[0]].part}, not by the suite")
        chosen |= found
    return frozenset(chosen)
