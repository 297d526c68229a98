"""For each rule a short sequence that keeps it, and the same one answered so that it is broken.

Every player owns 10 000 at the start. An answer is written as one word: what the status is and
the balance that it reports, ``ok:9000``, ``funds:10000``; see `say` for the others. There may be
more answers than steps: they are those to the balance that is asked for at the end. A test has
the judge read every example.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_provider_contract.callbacks import Spelling
from pytest_provider_contract.checks import grouped
from pytest_provider_contract.history import UNKNOWN_PLAYER
from pytest_provider_contract.ledger import HUGE, LARGE
from pytest_provider_contract.profile import Status
from pytest_provider_contract.scenario import (
    BetPlan,
    Damage,
    Scenario,
    balance,
    bet,
    rollback,
    scenario,
    together,
    win,
)
from pytest_provider_contract.signing import Forgery
from pytest_provider_contract.transport import Fault
from pytest_provider_contract.wording import describe

OPENING = 10_000
_LARGEST = (1 << 63) - 1

STATUSES: dict[str, Status] = {
    "ok": Status.SUCCESS,
    "funds": Status.INSUFFICIENT_BALANCE,
    "dup": Status.DUPLICATE,
    "bonus": Status.BONUS,
    "limit": Status.BET_LIMIT,
    "err": Status.UNKNOWN,
}
ODDITIES: dict[str, str] = {
    "http400": "HTTP 400",
    "http422": "HTTP 422",
    "http500": "HTTP 500",
    "html": "HTTP 200 with an HTML page",
    "lost": "nobody reads the answer",
    "late": "no complete reply within 8 s",
    "no-balance": "SUCCESS without a balance",
    "other-id": "SUCCESS with the requestId of another request",
    "misspelt": "status OK",
    "retired": "INVALID_SIGNATURE, a status of an older edition",
    "dollars": "SUCCESS, balance 10 000 in USD to a player with EUR",
}


@dataclass(frozen=True, slots=True)
class Example:
    """One rule shown both ways.

    Attributes:
        plan: What the provider sends.
        holds: The answers of a wallet that keeps the rule, one word each.
        breaks: The answers of one that breaks it, up to the telling one.
    """

    plan: Scenario
    holds: str
    breaks: str

    def told(self, answers: str) -> list[tuple[str, str]]:
        """Steps and what is answered, in words, as far as there are answers."""
        steps = describe(self.plan)
        said = [say(word) for word in answers.split()]
        probes = [f"{number} balance" for number in range(len(steps) + 1, len(said) + 1)]
        return list(zip([*steps, *probes], said, strict=False))


def say(word: str) -> str:
    """An answer in words: a status with or without a balance, or one of `ODDITIES`."""
    if word in ODDITIES:
        return ODDITIES[word]
    status, _, amount = word.partition(":")
    return str(STATUSES[status]) + (f", balance {grouped(int(amount))}" if amount else "")


_ONE = BetPlan(1000)
_TOO_MUCH = BetPlan(1, of_balance=True)
_STRANGER = UNKNOWN_PLAYER


def _forged(rule: str, forgery: Forgery) -> Example:
    return Example(scenario(_ONE, bet(forgery=forgery), balance(), rule=rule), "err ok:10000", "ok:9000")


EXAMPLES: dict[str, Example] = {
    "REPLY-01": Example(scenario(_ONE, bet(), rule="REPLY-01"), "ok:9000", "http500"),
    "REPLY-02": Example(scenario(_ONE, bet(damage=Damage("REPLY-02", raw="{")), rule="REPLY-02"), "err", "http400"),
    "REPLY-03": Example(
        scenario(_ONE, bet(damage=Damage("REPLY-03", "roundId", None)), rule="REPLY-03"), "err", "http422"
    ),
    "REPLY-04": Example(scenario(_ONE, bet(), rule="REPLY-04"), "ok:9000", "html"),
    "REPLY-05": Example(scenario(_ONE, bet(), rule="REPLY-05"), "ok:9000", "no-balance"),
    "REPLY-06": Example(scenario(_ONE, bet(), rule="REPLY-06"), "ok:9000", "other-id"),
    "REPLY-07": Example(scenario(_ONE, bet(), rule="REPLY-07"), "ok:9000", "misspelt"),
    "REPLY-08": Example(scenario(_ONE, bet(forgery=Forgery.ABSENT), rule="REPLY-08"), "err", "retired"),
    "REPLY-09": Example(scenario(_TOO_MUCH, bet(), rule="REPLY-09"), "funds:10000", "funds"),
    "SIG-01": _forged("SIG-01", Forgery.ABSENT),
    "SIG-02": _forged("SIG-02", Forgery.TRUNCATED),
    "SIG-03": _forged("SIG-03", Forgery.OTHER_KEY),
    "SIG-04": _forged("SIG-04", Forgery.CHANGED_AMOUNT),
    "SIG-05": _forged("SIG-05", Forgery.PSS),
    "SIG-06": Example(
        scenario(BetPlan(1000, 700), bet(), win(spelling=Spelling.REORDERED), rule="SIG-06", via="WIN-01"),
        "ok:9000 ok:9700",
        "ok:9000 err:9000",
    ),
    "SIG-07": Example(
        scenario(BetPlan(1000, 700), bet(), win(header_case="lower"), rule="SIG-07", via="WIN-01"),
        "ok:9000 ok:9700",
        "ok:9000 err:9000",
    ),
    "SIG-08": Example(
        scenario(
            _ONE, bet(), rollback(forgery=Forgery.OTHER_KEY), rollback(focus=True), rule="SIG-08", via="ROLLBACK-01"
        ),
        "ok:9000 err ok:10000",
        "ok:9000 err ok:9000",
    ),
    "SIG-09": Example(
        scenario(BetPlan(1000, 700), bet(), win(forgery=Forgery.STRAY), balance(), rule="SIG-09"),
        "ok:9000 err ok:9000",
        "ok:9000 ok:9700",
    ),
    "BALANCE-01": Example(scenario([], balance(), rule="BALANCE-01"), "ok:10000", "err:10000"),
    "BALANCE-02": Example(
        scenario(_ONE, bet(), balance(focus=True), rule="BALANCE-02", via="BALANCE-01"),
        "ok:9000 ok:9000",
        "ok:9000 ok:10000",
    ),
    "BALANCE-03": Example(
        scenario([], balance(), balance(), rule="BALANCE-03", via="BALANCE-01"), "ok:10000 ok:10000", "ok:10000 ok:9990"
    ),
    "BALANCE-04": Example(scenario([], balance(), rule="BALANCE-04", via="BALANCE-01"), "ok:10000", "dollars"),
    "BET-01": Example(scenario(_ONE, bet(), rule="BET-01"), "ok:9000", "ok:8000"),
    "BET-02": Example(scenario(BetPlan(0, of_balance=True), bet(), rule="BET-02"), "ok:0", "funds:10000"),
    "BET-03": Example(scenario(_TOO_MUCH, bet(), rule="BET-03"), "funds:10000", "ok:-1"),
    "BET-04": Example(
        scenario(_ONE, bet(damage=Damage("BET-04", "amount", "-1000")), balance(), rule="BET-04"),
        "err ok:10000",
        "ok:11000",
    ),
    "BET-05": Example(
        scenario(_ONE, bet(damage=Damage("BET-05", "currency", '"JPY"')), balance(), rule="BET-05"),
        "err ok:10000",
        "ok:9000",
    ),
    "BET-06": Example(scenario(BetPlan(0), bet(), rule="BET-06"), "ok:10000", "ok:9999"),
    "BET-07": Example(
        scenario([_ONE, _ONE], bet(0), bet(1, focus=True), rule="BET-07", via="BET-01"),
        "ok:9000 ok:8000",
        "ok:9000 ok:9000",
    ),
    "BET-08": Example(
        scenario(_TOO_MUCH, bet(), bet(), balance(), rule="BET-08"),
        "funds:10000 funds:10000 ok:10000",
        "funds:10000 funds:10000 ok:-1",
    ),
    "WIN-01": Example(
        scenario(BetPlan(1000, 2500), bet(), win(), rule="WIN-01"), "ok:9000 ok:11500", "ok:9000 ok:14000"
    ),
    "WIN-02": Example(scenario(BetPlan(1000, 0), bet(), win(), rule="WIN-02"), "ok:9000 ok:9000", "ok:9000 err:9000"),
    "WIN-03": Example(
        scenario(
            [BetPlan(100, 300), BetPlan(200, 50)],
            bet(0),
            bet(1),
            win(1, focus=True),
            win(0, focus=True),
            rule="WIN-03",
            via="WIN-01",
        ),
        "ok:9900 ok:9700 ok:9750 ok:10050",
        "ok:9900 ok:9700 ok:9750 ok:9750",
    ),
    "WIN-04": Example(
        scenario(BetPlan(500, 300), bet(), rollback(), win(), rule="WIN-04", via="WIN-05"),
        "ok:9500 ok:10000 err:10000",
        "ok:9500 ok:10000 ok:10300",
    ),
    "WIN-05": Example(
        scenario(BetPlan(500, 300), bet(), rollback(), win(), balance(), rule="WIN-05"),
        "ok:9500 ok:10000 err:10000 ok:10000",
        "ok:9500 ok:10000 err:10000 ok:10300",
    ),
    "WIN-06": Example(
        scenario(BetPlan(100), bet(), win(damage=Damage("WIN-06", "amount", "-700")), balance(), rule="WIN-06"),
        "ok:9900 err ok:9900",
        "ok:9900 err ok:9200",
    ),
    "WIN-07": Example(
        scenario(BetPlan(200, 450), bet(), win(closed=False), rule="WIN-07", via="WIN-01"),
        "ok:9800 ok:10250",
        "ok:9800 ok:9800",
    ),
    "ROLLBACK-01": Example(
        scenario(_ONE, bet(), rollback(), rule="ROLLBACK-01"), "ok:9000 ok:10000", "ok:9000 ok:9000"
    ),
    "ROLLBACK-02": Example(
        scenario(_ONE, bet(), rollback(), rollback(), rule="ROLLBACK-02"),
        "ok:9000 ok:10000 ok:10000",
        "ok:9000 ok:10000 ok:11000",
    ),
    "ROLLBACK-03": Example(
        scenario(_ONE, bet(), rollback(), rollback(0, 1), rule="ROLLBACK-03"),
        "ok:9000 ok:10000 ok:10000",
        "ok:9000 ok:10000 ok:11000",
    ),
    "ROLLBACK-04": Example(scenario(_ONE, rollback(), rule="ROLLBACK-04"), "err:10000", "ok:11000"),
    "ROLLBACK-05": Example(
        scenario(_ONE, rollback(), bet(), rule="ROLLBACK-05"), "ok:10000 err:10000", "ok:10000 ok:9000"
    ),
    "ROLLBACK-06": Example(
        scenario(_ONE, rollback(), bet(), rollback(0, 1), rule="ROLLBACK-06"),
        "err:10000 ok:9000 ok:10000",
        "err:10000 ok:9000 ok:9000",
    ),
    "ROLLBACK-07": Example(
        scenario(_TOO_MUCH, bet(), rollback(), rule="ROLLBACK-07"), "funds:10000 ok:10000", "funds:10000 ok:20001"
    ),
    "ROLLBACK-08": Example(
        scenario(_ONE, bet(), rollback(closed=False), rule="ROLLBACK-08", via="ROLLBACK-01"),
        "ok:9000 ok:10000",
        "ok:9000 ok:9000",
    ),
    "ROLLBACK-09": Example(
        scenario(BetPlan(400, 150), bet(), win(), rollback(), rule="ROLLBACK-09", via="ROLLBACK-11"),
        "ok:9600 ok:9750 err:9750",
        "ok:9600 ok:9750 ok:10150",
    ),
    "ROLLBACK-10": Example(
        scenario(BetPlan(200, 900), bet(), win(), rollback(of_win=True), rule="ROLLBACK-10"),
        "ok:9800 ok:10700 err:10700",
        "ok:9800 ok:10700 ok:9800",
    ),
    "ROLLBACK-11": Example(
        scenario(BetPlan(400, 150), bet(), win(), rollback(), rollback(0, 1), rule="ROLLBACK-11"),
        "ok:9600 ok:9750 err:9750 err:9750",
        "ok:9600 ok:9750 ok:10150 ok:10550",
    ),
    "IDEM-01": Example(scenario(_ONE, bet(), bet(), rule="IDEM-01"), "ok:9000 ok:9000", "ok:9000 ok:8000"),
    "IDEM-02": Example(
        scenario(BetPlan(1000, 700), bet(), win(), win(), rule="IDEM-02"),
        "ok:9000 ok:9700 ok:9700",
        "ok:9000 ok:9700 ok:10400",
    ),
    "IDEM-03": Example(
        scenario(BetPlan(500), bet(), bet(conflict="amount"), rule="IDEM-03"), "ok:9500 dup:9500", "ok:9500 ok:8999"
    ),
    "IDEM-04": Example(
        scenario(BetPlan(500, 800), bet(), win(), win(conflict="amount"), rule="IDEM-04"),
        "ok:9500 ok:10300 dup:10300",
        "ok:9500 ok:10300 ok:11101",
    ),
    "IDEM-05": Example(
        scenario(BetPlan(500), bet(), bet(conflict="amount"), rule="IDEM-05", via="IDEM-03"),
        "ok:9500 dup:9500",
        "ok:9500 ok:9500",
    ),
    "IDEM-06": Example(
        scenario(_ONE, bet(), rollback(), bet(), balance(), rule="IDEM-06"),
        "ok:9000 ok:10000 dup:10000 ok:10000",
        "ok:9000 ok:10000 ok:9000 ok:9000",
    ),
    "IDEM-07": Example(
        scenario(BetPlan(550, 1200), bet(), win(), bet(), rule="IDEM-07"),
        "ok:9450 ok:10650 dup:10650",
        "ok:9450 ok:10650 ok:10100",
    ),
    "IDEM-08": Example(
        scenario(
            [BetPlan(100, 90), BetPlan(10, 5), BetPlan(20)],
            bet(0),
            win(0),
            bet(1),
            win(1),
            bet(2),
            rollback(2),
            win(0, focus=True),
            rule="IDEM-08",
            via="IDEM-02",
        ),
        "ok:9900 ok:9990 ok:9980 ok:9985 ok:9965 ok:9985 ok:9985",
        "ok:9900 ok:9990 ok:9980 ok:9985 ok:9965 ok:9985 ok:10075",
    ),
    "IDEM-09": Example(
        scenario(BetPlan(1000, 700), bet(), win(), win(wait_ms=60_000), balance(), rule="IDEM-09", via="IDEM-02"),
        "ok:9000 ok:9700 ok:9700 ok:9700",
        "ok:9000 ok:9700 ok:10400",
    ),
    "ORDER-01": Example(
        scenario(BetPlan(700, 1500), win(closed=False, focus=True), bet(), rule="ORDER-01"),
        "err:10000 ok:9300",
        "ok:10000",
    ),
    "ORDER-02": Example(
        scenario(BetPlan(700, 1500), win(closed=False), bet(), win(closed=False), rule="ORDER-02"),
        "err:10000 ok:9300 ok:10800",
        "ok:11500 ok:10800 ok:12300",
    ),
    "ORDER-03": Example(
        scenario(
            [BetPlan(100, 300), BetPlan(200, 50, round=1)],
            bet(0),
            bet(1),
            win(0, focus=True),
            win(1),
            rule="ORDER-03",
            via="WIN-01",
        ),
        "ok:9900 ok:9700 ok:10000 ok:10050",
        "ok:9900 ok:9700 ok:9700",
    ),
    "PLAYER-01": Example(
        scenario(_ONE, bet(0, focus=True), balance(1), rule="PLAYER-01", via="BET-01"),
        "ok:9000 ok:10000",
        "ok:9000 ok:9000",
    ),
    "PLAYER-02": Example(
        scenario(_ONE, bet(player=_STRANGER), balance(), rule="PLAYER-02"), "err ok:10000", "err ok:9000"
    ),
    "PLAYER-03": Example(
        scenario(_ONE, bet(player=_STRANGER), rule="PLAYER-03", via="PLAYER-02"), "err", "ok:0 ok:10000"
    ),
    "PLAYER-04": Example(
        scenario(_ONE, bet(), rollback(player=1), balance(0), rule="PLAYER-04"),
        "ok:9000 err:10000 ok:9000",
        "ok:9000 ok:11000",
    ),
    "FREE-01": Example(scenario(BetPlan(0, reward="granted"), bet(), rule="FREE-01"), "ok:10000", "ok:9000"),
    "FREE-02": Example(scenario(BetPlan(0, reward="unknown"), bet(), rule="FREE-02"), "bonus:10000", "ok:10000"),
    "FREE-03": Example(
        scenario(BetPlan(0, 777, reward="granted"), bet(), win(), rule="FREE-03"),
        "ok:10000 ok:10777",
        "ok:10000 ok:10000",
    ),
    "FREE-04": Example(
        scenario(BetPlan(0, reward="granted"), bet(), rollback(), rule="FREE-04"),
        "ok:10000 ok:10000",
        "ok:10000 ok:11000",
    ),
    # 32 bits wrap around, and doubles have no odd numbers that large.
    "AMOUNT-01": Example(
        scenario(BetPlan(1000, LARGE + 5), bet(), win(), rule="AMOUNT-01"),
        f"ok:9000 ok:{9000 + LARGE + 5}",
        f"ok:9000 ok:{9000 + 5 - LARGE}",
    ),
    "AMOUNT-02": Example(scenario(BetPlan(333), bet(), rule="AMOUNT-02", via="BET-01"), "ok:9667", "ok:9700"),
    "AMOUNT-03": Example(
        scenario(BetPlan(1000, HUGE + 5), bet(), win(), rule="AMOUNT-03"),
        f"ok:9000 ok:{9000 + HUGE + 5}",
        f"ok:9000 ok:{9000 + HUGE + 4}",
    ),
    "AMOUNT-04": Example(
        scenario(BetPlan(_LARGEST), bet(), rule="AMOUNT-04"), "funds:10000", f"ok:{OPENING - _LARGEST}"
    ),
    "RACE-01": Example(
        scenario(_ONE, *together(bet(focus=True), bet(focus=True)), rule="RACE-01"),
        "ok:9000 dup:9000",
        "ok:9000 ok:8000",
    ),
    "RACE-02": Example(
        scenario(BetPlan(1000, 700), bet(), *together(win(focus=True), win(focus=True)), rule="RACE-02"),
        "ok:9000 ok:9700 ok:9700",
        "ok:9000 ok:9700 ok:10400",
    ),
    "RACE-03": Example(
        scenario(_ONE, bet(), *together(rollback(focus=True), rollback(0, 1, focus=True)), rule="RACE-03"),
        "ok:9000 ok:10000 ok:10000",
        "ok:9000 ok:10000 ok:11000",
    ),
    "RACE-04": Example(
        scenario([BetPlan(6000)] * 2, *together(bet(0, focus=True), bet(1, focus=True)), rule="RACE-04"),
        "ok:4000 funds:4000",
        "ok:4000 ok:-2000",
    ),
    "RACE-05": Example(
        scenario([BetPlan(100), BetPlan(200)], *together(bet(0, focus=True), bet(1, focus=True)), rule="RACE-05"),
        "ok:9900 ok:9700",
        "ok:9900 ok:9800",
    ),
    "RACE-06": Example(
        scenario(_ONE, *together(bet(focus=True), rollback(focus=True)), balance(), rule="RACE-06"),
        "ok:9000 ok:10000 ok:10000",
        "ok:9000 ok:10000 ok:9000",
    ),
    "RACE-07": Example(
        scenario(
            [BetPlan(1000), BetPlan(500, player=1)], *together(bet(0, focus=True), bet(1, focus=True)), rule="RACE-07"
        ),
        "ok:9000 ok:9500",
        "ok:9000 ok:8500",
    ),
    "LOST-01": Example(
        scenario(_ONE, bet(fault=Fault.REPLY_LOST), bet(focus=True), rule="LOST-01"),
        "lost ok:9000",
        "lost ok:8000 ok:8000",
    ),
    "LOST-02": Example(
        scenario(_ONE, bet(fault=Fault.REPLY_LOST), rollback(), bet(), rollback(0, 1, focus=True), rule="LOST-02"),
        "lost ok:10000 dup:10000 ok:10000",
        "lost ok:10000 ok:9000 ok:9000",
    ),
    "LOST-03": Example(
        scenario(BetPlan(1000, 700), bet(), win(fault=Fault.REPLY_LOST), win(focus=True), rule="LOST-03"),
        "ok:9000 lost ok:9700",
        "ok:9000 lost ok:10400 ok:10400",
    ),
    "LOST-04": Example(
        scenario(_ONE, bet(), rollback(fault=Fault.REPLY_LOST), rollback(0, 1, focus=True), rule="LOST-04"),
        "ok:9000 lost ok:10000",
        "ok:9000 lost ok:11000 ok:11000",
    ),
    "LOST-05": Example(
        scenario(_ONE, bet(fault=Fault.CUT), balance(focus=True), rule="LOST-05"), "lost ok:10000", "lost ok:9000"
    ),
    "LOST-07": Example(
        scenario(BetPlan(1000, 700), bet(), win(fault=Fault.SLOW_WRITE, focus=True), rule="LOST-07"),
        "ok:9000 ok:9700",
        "ok:9000 err:9000",
    ),
    "TIME-01": Example(scenario(_ONE, bet(), rule="TIME-01"), "ok:9000", "late"),
}

# Why a rule has no example of one sequence.
WITHOUT: dict[str, str] = {
    "TIME-02": "It is judged over all callbacks of a run, not by one sequence.",
    "RACE-08": "It is about answers, not about money: every one of many callbacks at the same time gets its HTTP 200.",
    "RACE-09": "It is tested with callbacks drawn at random and sent at the same time.",
    "LOST-06": "It is about one request with two answers; RACE-01 and IDEM-01 show what they must be.",
    "LOST-08": "It is tested with sequences drawn at random; the rules above name what they break.",
    "SEQ-01": "It is tested with sequences drawn at random; the rules above name what they break.",
    "SEQ-02": "It is tested with sequences drawn at random; the rules above name what they break.",
}
