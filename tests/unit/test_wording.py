"""The exact words for a scenario."""

from __future__ import annotations

import pytest

from pytest_provider_contract.callbacks import Spelling
from pytest_provider_contract.history import UNKNOWN_PLAYER
from pytest_provider_contract.scenario import BetPlan, Damage, Scenario, Step, balance, bet, rollback, win
from pytest_provider_contract.signing import Forgery
from pytest_provider_contract.wording import describe

ONE = (BetPlan(1000, 2500),)


@pytest.mark.parametrize(
    ("bets", "steps", "text"),
    [
        (ONE, (), ""),
        (ONE, (balance(),), "1 balance"),
        (
            ONE,
            (bet(), rollback(), rollback(0, 1)),
            "1 bet 1 000 · 2 rollback(1) · 3 rollback(1) with a new transactionId",
        ),
        (
            ONE,
            (bet(), bet(), rollback(), rollback()),
            "1 bet 1 000 · 2 bet(1) again · 3 rollback(1) · 4 rollback(1) again",
        ),
        (
            ONE,
            (win(), bet(), win()),
            "1 win(2) 2 500 before its bet · 2 bet 1 000 · 3 win(2) 2 500 again",
        ),
        (ONE, (win(closed=False),), "1 win(a bet never sent) 2 500 with roundClosed false"),
        (ONE, (rollback(), bet()), "1 rollback(2) before its bet · 2 bet 1 000"),
        (
            ONE,
            (bet(), win(), rollback(0, 7, of_win=True)),
            "1 bet 1 000 · 2 win(1) 2 500 · 3 rollback(1) naming the win",
        ),
        (
            ONE,
            (bet(), bet(conflict="amount"), win(conflict="bet")),
            "1 bet 1 000 · 2 bet(1) with another amount · 3 win(1) 2 500 with another bet",
        ),
        (ONE, (bet(conflict="round"),), "1 bet 1 000 with another round"),
        (
            ONE,
            (bet(), bet(conflict="lower amount"), bet(conflict="free"), win(conflict="next bet")),
            "1 bet 1 000 · 2 bet(1) with a lower amount · 3 bet(1) as a free bet · 4 win(1) 2 500 naming bet(2)",
        ),
        (
            (BetPlan(0, reward="granted"),),
            (bet(), bet(conflict="free")),
            "1 bet 0, free with a reward that is granted · 2 bet(1) as a bet for money",
        ),
        ((BetPlan(0, of_balance=True),), (bet(),), "1 bet of the whole balance"),
        ((BetPlan(1, of_balance=True),), (bet(),), "1 bet of the whole balance +1"),
        ((BetPlan(-5, of_balance=True),), (bet(),), "1 bet of the whole balance -5"),
        ((BetPlan(0, reward="granted"),), (bet(),), "1 bet 0, free with a reward that is granted"),
        (
            (BetPlan(5, round=0), BetPlan(7, round=1)),
            (bet(0), bet(1)),
            "1 bet 5 in round 1 · 2 bet 7 in round 2",
        ),
        (
            (BetPlan(5), BetPlan(7, player=1)),
            (bet(0), bet(1), rollback(1, 5, player=0), balance(1)),
            "1 bet 5 of player 1 · 2 bet 7 of player 2 · 3 rollback(2) of player 1 · 4 balance of player 2",
        ),
        (ONE, (rollback(player=UNKNOWN_PLAYER),), "1 rollback(a bet never sent) of an unknown player"),
        (ONE, (balance(UNKNOWN_PLAYER),), "1 balance of an unknown player"),
        (
            ONE,
            (bet(forgery=Forgery.PSS), bet(spelling=Spelling.ESCAPED), bet(header_case="upper"), bet(wait_ms=500)),
            (
                "1 bet 1 000 with a bad signature (pss) · 2 bet(1) spelled escaped · "
                "3 bet(1) again with the header in upper case · 4 bet(1) again after 500 ms"
            ),
        ),
        (
            ONE,
            (
                bet(damage=Damage(field="amount", json='"7"')),
                bet(damage=Damage(field="currency")),
                bet(damage=Damage(cut=True)),
                bet(damage=Damage(raw="[]\x00\xff")),
            ),
            (
                '1 bet 1 000 with amount "7" · 2 bet(1) without currency · 3 bet(1) with half a body · '
                r"4 bet(1) with the body '[]\x00\xff'"
            ),
        ),
    ],
)
def test_every_step_reads_so(bets: tuple[BetPlan, ...], steps: tuple[Step, ...], text: str) -> None:
    assert " · ".join(describe(Scenario(bets, steps))) == text


def test_hostile_damage_stays_on_one_short_line() -> None:
    steps = (bet(damage=Damage(field="amount", json="9" * 10_000)), bet(damage=Damage(raw="\n\x1b" * 5000)))
    for line in describe(Scenario(ONE, steps)):
        assert line.isprintable()
        assert len(line) < 120
