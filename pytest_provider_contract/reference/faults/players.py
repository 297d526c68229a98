"""Players that are taken for one another, and bets that are free."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.faults.lax import LaxWallet
from pytest_provider_contract.reference.messages import BONUS, UNKNOWN, Balance, Bet, Callback, Reply, Rollback, Win
from pytest_provider_contract.reference.store import ROLLED_BACK, BetRecord, WinRecord
from pytest_provider_contract.reference.variants import fault
from pytest_provider_contract.reference.wallet import DeclinedError, Wallet

_FACE_VALUE = 100


class _Mixed(LaxWallet):
    """Finds accounts in another way."""

    def _one(self, where: str, *values: object) -> Account | None:
        query = f"SELECT * FROM players WHERE {where} ORDER BY rowid LIMIT 1"  # noqa: S608  never of a request
        row = self._store.connection.execute(query, values).fetchone()
        return None if row is None else Account(*row)


@fault("balance-of-first-player", "PLAYER-01", "SEQ-02")
class BalanceOfFirstPlayer(_Mixed):
    """Balance answers every player with the first player's money."""

    def _success(self, callback: Callback, account: Account) -> Reply:
        reply = super()._success(callback, account)
        first = self._one("1")
        return replace(reply, balance=first.balance) if first and isinstance(callback, Balance) else reply


@fault("accounts-found-by-session", "PLAYER-02", "PLAYER-03")
class AccountsFoundBySession(_Mixed):
    """The account is the session's, whoever the player is said to be."""

    def _account(self, callback: Callback) -> Account | None:
        return self._one("session_id = ?", callback.session_id) or super()._account(callback)


@fault("unknown-player-is-first-player", "PLAYER-02", "PLAYER-03")
class UnknownPlayerIsFirstPlayer(_Mixed):
    """A callback of an unknown player is carried out for the first player."""

    def _account(self, callback: Callback) -> Account | None:
        return super()._account(callback) or self._one("1")


@fault("unknown-player-created", "PLAYER-03")
class UnknownPlayerCreated(LaxWallet):
    """An unknown player is given an account and gets SUCCESS."""

    def _account(self, callback: Callback) -> Account | None:
        currency = getattr(callback, "currency", "EUR")
        self._store.open_account(Account(callback.player_id, callback.session_id, currency, 0))
        return super()._account(callback)


@fault("win-credited-to-rounds-first-player", "PLAYER-01", "SEQ-02")
class WinCreditedToRoundsFirstPlayer(LaxWallet):
    """A win is credited to the player who bet first in the round, which may be another's."""

    def _pay(self, win: Win, account: Account) -> None:
        first = self._store.account(self._store.bets("round_id = ?", win.round_id)[0].player_id)
        super()._pay(win, first or account)


@fault("win-credited-to-whoever-bet", "PLAYER-01", "ORDER-01", "WIN-05")
class WinCreditedToWhoeverBet(LaxWallet):
    """A win is credited to the player of the bet it names, not to the player it is for."""

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        super()._check_won_bet(replace(win, player_id=record.player_id) if record else win, record)

    def _pay(self, win: Win, account: Account) -> None:
        record = self._store.bet(win.bet_id)
        super()._pay(win, (self._store.account(record.player_id) if record else None) or account)


@fault("rollback-refunds-rounds-first-player", "PLAYER-01", "SEQ-02")
class RollbackRefundsRoundsFirstPlayer(LaxWallet):
    """A refund goes to the player who bet first in the round, which may be another's."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        first = self._store.account(self._store.bets("round_id = ?", record.round_id)[0].player_id)
        super()._refund(rollback, record, first or account)


@fault("round-belongs-to-first-player", "PLAYER-01", "SEQ-02")
class RoundBelongsToFirstPlayer(LaxWallet):
    """A second player's bet in the same round is taken for a retry of the first player's."""

    def _find_bet(self, bet: Bet) -> BetRecord | None:
        others = self._store.bets("round_id = ? AND player_id <> ?", bet.round_id, bet.player_id)
        return others[0] if others else super()._find_bet(bet)

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        if record.player_id == bet.player_id:
            super()._repeated_bet(bet, record, account)


@fault("bet-debits-last-player-seen", "PLAYER-01", "SEQ-02")
class BetDebitsLastPlayerSeen(LaxWallet):
    """A bet debits the player whom balance was asked for last, as if there were one at a time."""

    _last: ClassVar[list[str]] = []

    def _carry_out(self, callback: Callback, account: Account) -> None:
        if isinstance(callback, Balance):
            self._last[:] = [callback.player_id]
        super()._carry_out(callback, account)

    def _place(self, bet: Bet, account: Account) -> None:
        current = self._store.account(self._last[0]) if self._last else None
        super()._place(bet, current if current and current.balance >= bet.stake else account)


@fault("rollback-deduped-on-round-of-all-players", "PLAYER-01", "SEQ-02")
class RollbackDedupedOnRoundOfAllPlayers(LaxWallet):
    """After one player's rollback that of another player in the same round is taken for a retry."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        others = "round_id = ? AND player_id <> ? AND state = ?"
        if not self._store.bets(others, record.round_id, record.player_id, ROLLED_BACK):
            super()._refund(rollback, record, account)


# -- free bets ----------------------------------------------------------------------------------


@fault("free-bet-debits-face-value", "FREE-01")
class FreeBetDebitsFaceValue(LaxWallet):
    """A free bet debits its face value as if the player had paid."""

    def _place(self, bet: Bet, account: Account) -> None:
        super()._place(bet, account)
        if bet.is_free:
            self._move(bet, account, -_FACE_VALUE)


@fault("free-bet-win-not-credited", "FREE-03", "WIN-05")
class FreeBetWinNotCredited(Wallet):
    """A free bet's win gets SUCCESS, but goes to a bonus account instead of the balance."""

    def _pay(self, win: Win, account: Account) -> None:
        super()._pay(win, account)
        bet = self._store.bet(win.bet_id)
        if bet is not None and bet.is_free:
            self._move(win, account, -win.amount)


@fault("free-bet-win-less-face-value", "FREE-03")
class FreeBetWinLessFaceValue(Wallet):
    """A free bet's win is credited less the face value."""

    def _pay(self, win: Win, account: Account) -> None:
        super()._pay(win, account)
        bet = self._store.bet(win.bet_id)
        if bet is not None and bet.is_free:
            self._move(win, account, -min(win.amount, _FACE_VALUE))


@fault("conflicting-free-win-credits", "IDEM-04", "FREE-03")
class ConflictingFreeWinCredits(LaxWallet):
    """A known win of a free bet with another amount is credited as another win."""

    def _repeated_win(self, win: Win, record: WinRecord, account: Account) -> None:
        bet = self._store.bet(record.bet_id)
        if bet is not None and bet.is_free and win.amount != record.amount:
            self._move(win, account, win.amount)
        else:
            super()._repeated_win(win, record, account)


@fault("free-bet-rollback-pays", "FREE-04")
class FreeBetRollbackPays(Wallet):
    """A rollback of a free bet credits its face value."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        super()._refund(rollback, record, account)
        if record.is_free:
            self._move(rollback, account, _FACE_VALUE)


@fault("unknown-reward-accepted", "FREE-02")
class UnknownRewardAccepted(Wallet):
    """A free bet is accepted with any rewardUuid."""

    def _is_granted(self, reward_id: str | None) -> bool:
        return True


@fault("unknown-reward-gets-unknown-error", "FREE-02")
class UnknownRewardGetsUnknownError(Wallet):
    """A free bet with an unknown rewardUuid gets UNKNOWN_ERROR."""

    def _check_bet(self, bet: Bet, account: Account) -> None:
        try:
            super()._check_bet(bet, account)
        except DeclinedError as declined:
            raise DeclinedError(UNKNOWN if declined.status == BONUS else declined.status) from declined


@fault("unknown-reward-paid-with-real-money", "FREE-02")
class UnknownRewardPaidWithRealMoney(LaxWallet):
    """A free bet with an unknown rewardUuid is accepted and debits its face value."""

    def _is_granted(self, reward_id: str | None) -> bool:
        return True

    def _place(self, bet: Bet, account: Account) -> None:
        super()._place(bet, account)
        if bet.is_free and not super()._is_granted(bet.reward_id):
            self._move(bet, account, -_FACE_VALUE)


@fault("free-bet-rollback-refused", "FREE-04")
class FreeBetRollbackRefused(Wallet):
    """A rollback of a free bet gets an error: there is nothing to refund, so the provider never stops."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if record.is_free:
            raise DeclinedError(UNKNOWN)
        super()._refund(rollback, record, account)


@fault("free-bet-replay-is-another", "FREE-01", "IDEM-01", "SEQ-01")
class FreeBetReplayIsAnother(LaxWallet):
    """A retry of a free bet debits its face value, because the reward is taken for used up."""

    def _repeated_bet(self, bet: Bet, record: BetRecord, account: Account) -> None:
        super()._repeated_bet(bet, record, account)
        if record.is_free:
            self._move(bet, account, -_FACE_VALUE)


@fault("free-bet-rollback-cancels-round", "FREE-04", "WIN-02", "WIN-01", "SEQ-01")
class FreeBetRollbackCancelsRound(LaxWallet):
    """A rollback of a free bet cancels its round: the wins of the round's other bets are refused."""

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        super()._check_won_bet(win, record)
        if self._store.bets("round_id = ? AND is_free AND state = ?", win.round_id, ROLLED_BACK):
            raise DeclinedError(UNKNOWN)


@fault("unknown-reward-succeeds-on-retry", "BET-08", "FREE-02", "SEQ-01")
class UnknownRewardSucceedsOnRetry(LaxWallet):
    """A free bet is noted before its reward is looked up, so that a retry of the refused one gets SUCCESS."""

    _noted: ClassVar[set[str]] = set()

    def _bet(self, bet: Bet, account: Account) -> None:
        if bet.transaction_id not in self._noted:
            if bet.is_free:
                self._noted.add(bet.transaction_id)
            super()._bet(bet, account)


# -- rollbacks of others ------------------------------------------------------------------------


@fault("others-early-rollback-taken-for-own", "PLAYER-04", "ROLLBACK-05")
class OthersEarlyRollbackTakenForOwn(LaxWallet):
    """After another player's rollback of an unknown bet the player's own is taken for a retry, and leaves no trace."""

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        query = "SELECT 1 FROM tombstones WHERE bet_id = ?"
        if self._store.connection.execute(query, (rollback.bet_id,)).fetchone() is None:
            super()._rollback_of_unknown(rollback, account)


@fault("others-early-rollback-blocks-refund", "PLAYER-04", "ROLLBACK-01")
class OthersEarlyRollbackBlocksRefund(LaxWallet):
    """After another player's rollback that came before the bet the player's own refunds nothing."""

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        query = "SELECT 1 FROM tombstones WHERE bet_id = ?"
        if self._store.connection.execute(query, (rollback.bet_id,)).fetchone() is None:
            super()._refund(rollback, record, account)


@fault("others-rollback-blocks-win", "PLAYER-04", "WIN-01", "SEQ-02")
class OthersRollbackBlocksWin(LaxWallet):
    """A bet whose rollback another player has asked for in vain is won in vain: its win gets an error."""

    _named: ClassVar[set[str]] = set()

    def _rollback_of_others(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        self._named.add(rollback.bet_id)
        super()._rollback_of_others(rollback, record, account)

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if win.bet_id in self._named:
            raise DeclinedError(UNKNOWN)
        super()._check_won_bet(win, record)


@fault("others-refused-win-settles-bet", "PLAYER-01", "ROLLBACK-01")
class OthersRefusedWinSettlesBet(LaxWallet):
    """A win of another player gets an error, and leaves the bet that it names settled."""

    _settled: ClassVar[set[str]] = set()

    def _check_won_bet(self, win: Win, record: BetRecord | None) -> None:
        if record is not None and record.player_id != win.player_id:
            self._settled.add(win.bet_id)
        super()._check_won_bet(win, record)

    def _refund(self, rollback: Rollback, record: BetRecord, account: Account) -> None:
        if rollback.bet_id in self._settled:
            raise DeclinedError(UNKNOWN)
        super()._refund(rollback, record, account)


@fault("tombstones-of-first-player-only", "PLAYER-01", "ROLLBACK-05", "SEQ-02")
class TombstonesOfFirstPlayerOnly(LaxWallet):
    """Rollbacks that come before their bets are remembered for the player who sent the first one only."""

    _players: ClassVar[list[str]] = []

    def _rollback_of_unknown(self, rollback: Rollback, account: Account) -> None:
        self._players.append(rollback.player_id)
        if rollback.player_id == self._players[0]:
            super()._rollback_of_unknown(rollback, account)


@fault("rewards-compared-in-part", "FREE-02")
class RewardsComparedInPart(Wallet):
    """A reward is looked up by the first half of its UUID."""

    def _is_granted(self, reward_id: str | None) -> bool:
        return reward_id is not None and any(known[:18] == reward_id[:18] for known in self._rewards)
