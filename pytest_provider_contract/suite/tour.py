"""A tour of the contract for slow operators: nearly every rule, in about 150 callbacks.

Some 140 more, if time allows, are for what has many ways to go wrong, one at a time. Where each
test could play a scenario of its own, this is left out: a violation is easier to read there.
"""

from __future__ import annotations

from pytest_provider_contract.callbacks import Spelling
from pytest_provider_contract.history import UNKNOWN_PLAYER
from pytest_provider_contract.ledger import HUGE, LARGE, MAX_AMOUNT
from pytest_provider_contract.run import Stage
from pytest_provider_contract.scenario import BetPlan, Damage, balance, bet, rollback, scenario, together, win
from pytest_provider_contract.signing import Forgery
from pytest_provider_contract.transport import Fault

REPLAYS = scenario(
    BetPlan(500, 800),
    bet(),
    bet(),
    bet(conflict="amount"),
    win(),
    win(),
    win(conflict="amount"),
    bet(),
    rollback(),
    rollback(of_win=True),
    balance(),
)
REFUND = scenario(
    BetPlan(640, 300), bet(), rollback(closed=False), rollback(closed=False), rollback(0, 1), bet(), win()
)
ORDER = scenario(
    [BetPlan(900), BetPlan(700, 1500), BetPlan(300, 0)],
    rollback(0),
    bet(0),
    rollback(0, 1),
    # An early win is none of the bet that its round holds already.
    bet(2),
    win(1, closed=False),
    bet(1),
    win(1, closed=False),
    win(2),
)
DECLINED = scenario(
    [BetPlan(1, of_balance=True), BetPlan(0, reward="unknown"), BetPlan(0), BetPlan(100), BetPlan(100)],
    bet(0),
    bet(0),
    rollback(0),
    bet(1),
    bet(2),
    win(2),
    bet(3, damage=Damage("BET-04", "amount", "-1")),
    bet(4, damage=Damage("BET-05", "currency", '"XTS"')),
    balance(),
)
ROUNDS = scenario(
    [BetPlan(307, 401), BetPlan(307, 0), BetPlan(113, 77, round=1), BetPlan(58)],
    bet(0),
    bet(3),
    bet(1),
    bet(2),
    # Neither the first, nor the newest, nor the largest of the round's open bets.
    rollback(3, closed=False),
    win(0),
    win(1, closed=False),
    win(2),
)
ALL_THE_MONEY = scenario([BetPlan(0, of_balance=True), BetPlan(MAX_AMOUNT)], bet(0), rollback(0), bet(1))
FREE = scenario([BetPlan(0, 777, reward="granted"), BetPlan(0, reward="granted")], bet(0), win(0), bet(1), rollback(1))
LARGE_AMOUNTS = scenario(
    [BetPlan(1, HUGE + LARGE), BetPlan(LARGE + 1), BetPlan(HUGE + LARGE - 1)],
    bet(0),
    win(0),
    bet(1),
    rollback(1),
    bet(2),
    win(2),
)
PLAYERS = scenario(
    [BetPlan(1000, 300), BetPlan(450, 0, player=1)],
    bet(0),
    bet(1),
    win(0, player=UNKNOWN_PLAYER),
    rollback(0, 5, player=1),
    win(0),
    rollback(1),
)
SIGNATURES = scenario(
    [BetPlan(377, 50), BetPlan(59)],
    bet(0, forgery=Forgery.ABSENT),
    balance(forgery=Forgery.EMPTY),
    bet(0),
    win(0, forgery=Forgery.OTHER_KEY),
    win(0, forgery=Forgery.CHANGED_AMOUNT),
    win(0, header_case="lower"),
    bet(1, spelling=Spelling.ESCAPED),
    rollback(1, forgery=Forgery.TRUNCATED),
    rollback(1, forgery=Forgery.PSS),
    rollback(1, forgery=Forgery.STRAY),
    rollback(1, spelling=Spelling.REORDERED),
)
FORGERIES = tuple(forgery for forgery in Forgery if forgery is not Forgery.STRAY)
FORGED_BALANCES = scenario([], *(balance(forgery=forgery) for forgery in FORGERIES), balance())
FORGED_BETS = scenario(BetPlan(411), *(bet(forgery=forgery) for forgery in FORGERIES), bet(), rollback())
FORGED_WINS = scenario(
    [BetPlan(377, 50), BetPlan(90)],
    *(bet(0), *(win(0, forgery=forgery) for forgery in FORGERIES), win(0)),
    # A win of nothing moves no money, and settles its bet all the same.
    *(bet(1), win(1, forgery=Forgery.OTHER_KEY), rollback(1)),
)
FORGED_ROLLBACKS = scenario(BetPlan(411), bet(), *(rollback(forgery=forgery) for forgery in FORGERIES), rollback())
# A bet may be declined, and so shows nothing.
SPELLINGS = scenario(
    BetPlan(377, 50),
    bet(),
    *(balance(spelling=spelling, focus=True) for spelling in Spelling),
    win(spelling=Spelling.NON_ASCII),
    rule="SIG-06",
    via="BALANCE-01",
)
CONFLICTS = scenario(
    [BetPlan(500, 800), BetPlan(60)],
    bet(),
    bet(conflict="lower amount"),
    bet(conflict="round"),
    bet(conflict="game"),
    bet(damage=Damage("IDEM-01", "clientSessionId", '"session-that-is-another"')),
    win(),
    win(conflict="round"),
    win(conflict="game"),
    win(conflict="bet"),
    win(conflict="lower amount"),
    bet(1),
    win(conflict="next bet"),
    rollback(1),
    win(damage=Damage("IDEM-02", "clientSessionId", '"session-that-is-another"')),
    balance(),
)
# Sent again and again after a rollback that came first, also with no rollback in between.
EARLY_REFUNDS = scenario(
    [BetPlan(340, 190), BetPlan(270, 130)], *(rollback(0), bet(0), bet(0), win(0)), *(rollback(1), win(1)), balance()
)
NOTHING = scenario(
    [BetPlan(419, 0), BetPlan(0), BetPlan(0, 83)],
    *(bet(0), win(0), win(0), win(0, conflict="amount"), rollback(0)),
    *(bet(1), bet(1), bet(1, conflict="amount"), rollback(1), rollback(1, 1)),
    *(bet(2), win(2), win(2)),
)
# A bet is replayed and two are settled while the player has nothing.
BROKE = scenario(
    [BetPlan(120, 300), BetPlan(110, 0, round=1), BetPlan(0, of_balance=True, round=2)],
    *(bet(0), bet(1), bet(2), bet(2), win(1), win(1), win(0), rollback(2)),
)
# A free bet shares its round with a bet for money.
FREE_BESIDE_OTHERS = scenario(
    [
        *(BetPlan(0, 777, reward="granted"), BetPlan(0, reward="granted", round=1)),
        *(BetPlan(120, 45, round=1), BetPlan(130, round=2)),
    ],
    *(bet(0), bet(0, conflict="free"), win(0), win(0, conflict="amount")),
    *(bet(2), bet(1), rollback(1), win(2)),
    *(bet(3), bet(3, conflict="free"), rollback(3)),
)
# The other player's rollback comes first, and is none of its own; nor is the other player's win.
OTHERS_EARLY = scenario(
    [BetPlan(260), BetPlan(230, 80)],
    rollback(0, 5, player=1),
    bet(0),
    rollback(0),
    bet(1),
    win(1, player=1),
    rollback(1),
)
STRANGERS = scenario(
    [BetPlan(300), BetPlan(410, 130)],
    balance(UNKNOWN_PLAYER),
    *(bet(0, player=UNKNOWN_PLAYER), balance()),
    *(bet(1), win(1, player=UNKNOWN_PLAYER), balance()),
    *(rollback(1, player=UNKNOWN_PLAYER), balance(), rollback(1, 1)),
)
NO_AMOUNTS = scenario(
    [BetPlan(100)] * 3,
    bet(0, damage=Damage("BET-04", "amount", "-1000")),
    bet(1, damage=Damage("BET-04", "amount", "1.5")),
    bet(1, damage=Damage("BET-04", "amount", '"\\u0661\\u0660\\u0660"')),
    balance(),
    bet(2),
    win(2, damage=Damage("WIN-06", "amount", "-700")),
    win(2, damage=Damage("WIN-06", "amount", "10.5")),
    win(2, damage=Damage("WIN-06", "amount", "0.01")),
    balance(),
    rollback(2),
)
BODIES = scenario(
    [BetPlan(100, 150), BetPlan(90)],
    balance(damage=Damage("REPLY-02", raw="")),
    balance(damage=Damage("REPLY-03", "clientPlayerId", None)),
    bet(0, damage=Damage("REPLY-02", cut=True)),
    bet(1, damage=Damage("REPLY-03", "transactionId", "null")),
    bet(1, damage=Damage("REPLY-03", "amount", "9223372036854775808")),
    bet(1, damage=Damage("REPLY-03", "roundId", '"a\\u0000b"')),
    bet(0),
    win(0, damage=Damage("REPLY-02", raw="[]")),
    win(0, damage=Damage("REPLY-03", "amount", '"text"')),
    win(0, damage=Damage("WIN-06", "amount", "-1")),
    rollback(0, damage=Damage("REPLY-02", raw="{")),
    rollback(0, damage=Damage("REPLY-03", "referenceTransactionId", '""')),
    win(0),
)

RACES = scenario(
    [BetPlan(1000, 300), BetPlan(500, 700), BetPlan(600), BetPlan(900)],
    *together(bet(1), bet(2)),
    *together(bet(0), bet(0), win(1), win(1), rollback(2), rollback(2, 1), bet(3), rollback(3)),
    rollback(3, 50),
    win(0),
    balance(),
)
# A replay and a new bet, each with its rollback in the midst. The replay's is the first to come again:
# what the new bet's would mend shows in the reply to it.
OVERTAKEN = scenario(
    [BetPlan(800), BetPlan(750)],
    bet(0),
    *together(bet(1), bet(1), rollback(1), bet(1), bet(0), bet(0), rollback(0), bet(0)),
    rollback(0, 50),
    rollback(1, 50),
    balance(),
)
FREE_AT_ONCE = scenario(BetPlan(0, 333, reward="granted"), bet(), *together(win(), win()))
OVERDRAFT = scenario(
    [BetPlan(-10, of_balance=True), *(BetPlan(6, round=round_) for round_ in (1, 1, 2))],
    bet(0),
    *together(*(bet(i) for i in (1, 2, 3))),
    *together(*(rollback(i) for i in range(4))),
    balance(),
)
TWO_AT_ONCE = scenario(
    [BetPlan(211 + 100 * i, 37 + 50 * i, player=i % 2, round=i) for i in range(4)],
    *together(*(bet(i) for i in range(4))),
    *together(win(0), win(1), rollback(2), rollback(3)),
)
# In two parts, because every lost reply leaves open what has happened.
RETRIED = scenario(
    [BetPlan(1000, 400), BetPlan(700)],
    bet(0, fault=Fault.REPLY_LOST),
    bet(0),
    win(0, fault=Fault.RESET),
    win(0),
    bet(1),
    rollback(1, fault=Fault.REPLY_LOST),
    rollback(1, 1),
    balance(),
)
DISTURBED = scenario(
    [BetPlan(800), BetPlan(900, 500)],
    bet(0, fault=Fault.REPLY_LOST),
    rollback(0),
    bet(0),
    rollback(0, 1),
    bet(1, fault=Fault.CUT),
    balance(wait_ms=50),
    bet(1, fault=Fault.TWICE),
    win(1, fault=Fault.SLOW_READ),
    balance(),
)

# What moves money, and in the field does so wrongly most often, comes first.
TOUR = (
    Stage(REPLAYS, shows="BALANCE-02"),
    Stage(REFUND, shows="ROLLBACK-08"),
    Stage(ORDER),
    Stage(ROUNDS, shows="BET-07 WIN-03 WIN-07 ORDER-03 AMOUNT-02"),
    Stage(SIGNATURES, shows="SIG-06 SIG-07 SIG-08", needs="signature"),
    Stage(DECLINED),
    Stage(PLAYERS, shows="PLAYER-01", needs="second player"),
    Stage(BODIES),
    Stage(ALL_THE_MONEY, needs="large stakes"),
    Stage(LARGE_AMOUNTS, needs="large stakes"),
    Stage(FREE, needs="reward"),
    Stage(RACES, shows="RACE-01 RACE-02 RACE-03 RACE-05 RACE-06 RACE-08"),
    Stage(OVERTAKEN),
    Stage(FREE_AT_ONCE, needs="reward"),
    Stage(OVERDRAFT, shows="RACE-04", needs="large stakes"),
    Stage(TWO_AT_ONCE, shows="RACE-07", needs="second player"),
    Stage(RETRIED, shows="LOST-01 LOST-03 LOST-04"),
    Stage(DISTURBED, shows="LOST-02 LOST-05 LOST-06 LOST-07"),
    # What has many ways to go wrong, of which wallets go one.
    Stage(CONFLICTS, is_spare=True),
    Stage(EARLY_REFUNDS, is_spare=True),
    Stage(NOTHING, is_spare=True),
    Stage(BROKE, needs="large stakes", is_spare=True),
    Stage(FREE_BESIDE_OTHERS, needs="reward", is_spare=True),
    Stage(OTHERS_EARLY, needs="second player", is_spare=True),
    Stage(STRANGERS, is_spare=True),
    Stage(NO_AMOUNTS, is_spare=True),
    Stage(SPELLINGS, needs="signature", is_spare=True),
    Stage(FORGED_BETS, needs="signature", is_spare=True),
    Stage(FORGED_WINS, needs="signature", is_spare=True),
    Stage(FORGED_ROLLBACKS, needs="signature", is_spare=True),
    Stage(FORGED_BALANCES, needs="signature", is_spare=True),
)
