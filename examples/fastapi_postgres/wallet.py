"""The rules of the wallet: one function for each callback, each within one database transaction.

Every rule that moves money first locks the player's row, so that one player's callbacks are carried
out one after the other, in whatever order the locks are granted.
"""

import logging
from dataclasses import dataclass
from enum import StrEnum

from callbacks import BalanceInquiry, Bet, Callback, Rollback, Win
from store import KnownTransaction, Player, Store

MAX_BALANCE = 2**63 - 1  # bigint

log = logging.getLogger("wallet")


class Status(StrEnum):
    SUCCESS = "SUCCESS"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE_ERROR"
    DUPLICATE_TRANSACTION = "DUPLICATE_TRANSACTION_ERROR"
    BONUS = "BONUS_ERROR"
    BET_LIMIT_REACHED = "BET_LIMIT_REACHED_ERROR"
    UNKNOWN = "UNKNOWN_ERROR"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is answered: a status and, where there is one, the player as the callback left them."""

    status: Status
    player: Player | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The house's own choices."""

    max_stake: int | None = None


async def carry_out(callback: Callback, store: Store, rules: Rules) -> Outcome:
    match callback:
        case BalanceInquiry():
            return await balance(callback, store)
        case Bet():
            return await bet(callback, store, rules)
        case Win():
            return await win(callback, store)
        case Rollback():
            return await rollback(callback, store)


async def balance(inquiry: BalanceInquiry, store: Store) -> Outcome:
    player = await store.player(inquiry.player_id)
    return Outcome(Status.SUCCESS, player) if player else _unknown_player(inquiry)


async def bet(bet: Bet, store: Store, rules: Rules) -> Outcome:
    """Take the stake, or write down that the bet was declined and why."""
    player = await store.lock_player(bet.player_id)
    if player is None:
        return _unknown_player(bet)
    if earlier := await store.transaction(bet.transaction_id):
        return _repeated(bet, earlier, player)
    awaited = await store.bet(bet.bet_id)
    if awaited and awaited.player_id != player.player_id:
        return _refused(bet, player, "another player's win has claimed this bet")

    status = await _verdict(bet, player, store, rules)
    accepted = status is Status.SUCCESS
    stake = bet.amount if accepted and bet.amount else 0
    if awaited:
        state = "settled" if accepted else "declined"
        await store.move_bet(bet.bet_id, before="paid_ahead", after=state, stake=stake)
    else:
        await store.save_bet(bet, "open" if accepted else "declined", stake)
    return Outcome(status, await store.book(bet, player, -stake, status))


async def _verdict(bet: Bet, player: Player, store: Store, rules: Rules) -> Status:
    if bet.amount is None or bet.currency != player.currency:
        return Status.UNKNOWN
    if not await store.has_session(player.player_id, bet.session_id):
        log.warning("bet %r: player %r has no session %r", bet.bet_id, player.player_id, bet.session_id)
        return Status.UNKNOWN
    if bet.is_free:
        granted = bet.amount == 0 and bet.reward_id is not None and await store.has_reward(bet.reward_id)
        return Status.SUCCESS if granted else Status.BONUS
    if bet.amount == 0:
        return Status.UNKNOWN
    if bet.amount > player.balance:
        return Status.INSUFFICIENT_BALANCE
    if rules.max_stake is not None and bet.amount > rules.max_stake:
        return Status.BET_LIMIT_REACHED
    return Status.SUCCESS


async def win(win: Win, store: Store) -> Outcome:
    """Pay, once for each bet, also ahead of a bet that is still on its way."""
    player = await store.lock_player(win.player_id)
    if player is None:
        return _unknown_player(win)
    if earlier := await store.transaction(win.transaction_id):
        return _repeated(win, earlier, player)
    if win.currency != player.currency:
        return _refused(win, player, "not the player's currency")
    if win.transaction_id == win.bet_id:
        return _refused(win, player, "it names itself as its bet")
    if player.balance + win.amount > MAX_BALANCE:
        return _refused(win, player, "more money than a balance can hold")

    won = await store.bet(win.bet_id)
    if won is None:
        await store.save_bet(win, "paid_ahead")
    elif won.player_id != player.player_id:
        return _refused(win, player, "another player's bet")
    elif won.state != "open":
        return _refused(win, player, f"the bet is {won.state}")
    else:
        await store.move_bet(win.bet_id, before="open", after="settled", stake=won.stake)
    return Outcome(Status.SUCCESS, await store.book(win, player, win.amount, Status.SUCCESS))


async def rollback(rollback: Rollback, store: Store) -> Outcome:
    """Give the stake back, once for each bet.

    A bet that is not here yet leaves no trace: the error makes the provider ask again, and by then the
    bet, if it comes at all, is there to be refunded.
    """
    player = await store.lock_player(rollback.player_id)
    if player is None:
        return _unknown_player(rollback)
    if earlier := await store.transaction(rollback.transaction_id):
        return _repeated(rollback, earlier, player)
    placed = await store.bet(rollback.bet_id)
    if placed is None or placed.player_id != player.player_id:
        return _refused(rollback, player, "no such bet of this player")
    if placed.state in {"settled", "paid_ahead"}:
        return _refused(rollback, player, "the bet is settled")

    refund = placed.stake if placed.state == "open" else 0
    if player.balance + refund > MAX_BALANCE:
        return _refused(rollback, player, "more money than a balance can hold")
    if placed.state == "open":
        await store.move_bet(rollback.bet_id, before="open", after="refunded", stake=placed.stake)
    return Outcome(Status.SUCCESS, await store.book(rollback, player, refund, Status.SUCCESS))


def _repeated(callback: Bet | Win | Rollback, earlier: KnownTransaction, player: Player) -> Outcome:
    """Answer a transactionId that is in the books already. Nothing moves."""
    if earlier.content != callback.content:
        log.warning("%s %r: transactionId used before with other content", callback.kind, callback.transaction_id)
        return Outcome(Status.DUPLICATE_TRANSACTION, player)
    status = Status(earlier.status)
    # The very same HTTP request again is not a replay. It is a proxy's second attempt, or our own after
    # the connection to the database was lost during COMMIT: it gets the answer it would have got.
    is_replay = earlier.request_id != callback.request_id
    if is_replay and isinstance(callback, Bet) and status is Status.SUCCESS:
        return Outcome(Status.DUPLICATE_TRANSACTION, player)
    return Outcome(status, player)


def _refused(callback: Bet | Win | Rollback, player: Player, reason: str) -> Outcome:
    """Answer a callback that is not written down: asked again, it is judged again."""
    log.warning("%s %r of %r refused: %s", callback.kind, callback.transaction_id, player.player_id, reason)
    return Outcome(Status.UNKNOWN, player)


def _unknown_player(callback: Callback) -> Outcome:
    log.warning("%s of unknown player %r", callback.kind, callback.player_id)
    return Outcome(Status.UNKNOWN)
