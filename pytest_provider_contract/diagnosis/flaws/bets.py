"""Bets: what they cost, when they are accepted, and what a declined one leaves behind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.diagnosis.flaw import (
    FLAWED,
    Flaw,
    WrongAmount,
    bets_of,
    delta,
    flaw,
    gives,
    moves,
    observed,
    refuses,
    succeeds,
)
from pytest_provider_contract.diagnosis.record import Record
from pytest_provider_contract.history import Defect
from pytest_provider_contract.ledger import LARGE, MAX_AMOUNT, BetRecord, Branch, Fate, State
from pytest_provider_contract.profile import Kind, Status

_DECLINED = frozenset({Status.INSUFFICIENT_BALANCE})


class NewBet(Flaw):
    """Changes what becomes of a bet that is not a replay."""

    def _new_bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        for branch in super()._new_bet(state, bet):
            if succeeds(branch):
                yield from self._accept(state, bet, branch)
            elif branch.statuses == _DECLINED:
                yield from self._decline(state, bet, branch)
            else:
                yield branch

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        yield from super()._bet(state, bet)
        known = state.bets.get(bet.transaction_id or "")
        if known is not None and known.fate is Fate.DECLINED:
            # A wallet that keeps nothing of what it declined takes it for new.
            yield from self._new_bet(state, bet)

    def _accept(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        yield branch

    def _decline(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        yield branch


# -- the debit --------------------------------------------------------------------------------------


@flaw(
    "bet-not-debited",
    "a bet is answered with SUCCESS but its amount is not debited",
    "debit the amount in the same database transaction that records the bet",
    "D",
)
class BetNotDebited(NewBet):
    """SUCCESS, and the money stays."""

    def _accept(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        yield moves(branch, bet, -delta(state, branch, bet.player_id))


@flaw("bet-debits-wrong-amount", "a bet does not debit exactly its amount", "debit amount, no more and no less", "D")
class BetDebitsWrongAmount(WrongAmount, NewBet):
    """Debits a function of the amount."""

    kind = Kind.BET

    def _accept(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        right = -delta(state, branch, bet.player_id)
        yield moves(branch, bet, -self._excess(right)) if right else branch


@flaw(
    "zero-bet-costs",
    "a bet of amount 0 is raised to a smallest stake",
    "a bet of 0 moves nothing, accepted or not",
    "D",
)
class ZeroBetCosts(NewBet):
    """A bet of nothing costs something."""

    cost: int = 1

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """The cost that was seen."""
        return cls.each_of(record, cost=(-seen for right, seen in observed(record, Kind.BET) if right == 0 > seen))

    def _accept(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        yield moves(branch, bet, -self.cost) if bet.amount == 0 and not bet.is_free else branch


@flaw(
    "bet-refused-but-debited",
    "a bet is answered with an error although it debits",
    "undo the database transaction before answering with an error",
    "D",
)
class BetRefusedButDebited(NewBet):
    """An error, and the money is gone."""

    def _accept(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        yield replace(branch, statuses=refuses(branch.state, bet).statuses, rule=FLAWED)


@flaw(
    "bet-not-recorded",
    "a bet is debited but its transactionId is not kept, so a retry debits again and a rollback finds nothing",
    "record the bet and debit it in one database transaction, committed before the reply",
    "D",
)
class BetNotRecorded(NewBet):
    """The money moves, the record is missing."""

    def _accept(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        forgotten = state.moved(bet.player_id, delta(state, branch, bet.player_id))
        yield gives(forgotten, bet, Status.SUCCESS)


# -- enough money? ----------------------------------------------------------------------------------


@flaw(
    "whole-balance-refused",
    "a bet of exactly the balance is refused: the funds are compared with < where <= is meant",
    "accept a bet that leaves exactly 0",
    "D",
)
class WholeBalanceRefused(NewBet):
    """The last unit can't be bet."""

    def _accept(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        if bet.amount and not bet.is_free and bet.amount == state.balances[bet.player_id]:
            yield refuses(state, bet)
        else:
            yield branch


class _Overdraft(NewBet):
    """Accepts bets that can't be paid."""

    def _decline(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        balance, amount = state.balances[bet.player_id], bet.amount or 0
        if bet.currency == self.currencies[bet.player_id] and self._pays(balance, amount):
            record = self._declined(state, bet, _DECLINED, None).state.bets[bet.transaction_id or ""]
            debit = self._debit(balance, amount)
            opened = replace(record, fate=Fate.OPEN, amount=debit, reported=balance - debit)
            after = state.with_bet(bet.transaction_id or "", opened).moved(bet.player_id, -debit)
            yield gives(after, bet, Status.SUCCESS)
        else:
            yield branch

    def _pays(self, balance: int, amount: int) -> bool:
        return True

    def _debit(self, balance: int, amount: int) -> int:
        return amount


@flaw(
    "funds-not-checked",
    "the funds are not checked, so the balance goes below zero",
    "compare the amount with the balance and debit in one statement or under one lock",
    "D",
)
class FundsNotChecked(_Overdraft):
    """Any bet is accepted."""


@flaw(
    "open-stakes-count-as-funds",
    "the funds of a bet are checked as if the stakes of open bets were still there, so the balance goes below zero",
    "compare the amount with the balance that bets have been debited from",
    "D",
)
class OpenStakesCountAsFunds(_Overdraft):
    """What is open can be bet again."""

    def _decline(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        held = sum(other.amount for _, other in bets_of(state, bet.player_id, Fate.OPEN))
        pays = (bet.amount or 0) <= state.balances[bet.player_id] + held
        yield from super()._decline(state, bet, branch) if pays else (branch,)


@flaw(
    "overdraft-by-a-unit",
    "a bet of one unit more than the balance is accepted: the comparison is off by one",
    "decline every bet above the balance",
    "D",
)
class OverdraftByAUnit(_Overdraft):
    """One unit of credit."""

    def _pays(self, balance: int, amount: int) -> bool:
        return amount == balance + 1


@flaw(
    "bet-cut-to-balance",
    "a bet above the balance is cut to what there is and accepted",
    "decline it with INSUFFICIENT_BALANCE_ERROR and move nothing",
    "D",
)
class BetCutToBalance(_Overdraft):
    """All the money is taken."""

    def _debit(self, balance: int, amount: int) -> int:
        return min(balance, amount)


@flaw(
    "largest-amount-wraps",
    "an amount near 2**63 wraps around in the comparison with the funds",
    "compare without adding to the amount, or in a wider type",
    "D",
)
class LargestAmountWraps(_Overdraft):
    """The largest amount counts as a small one."""

    def _pays(self, balance: int, amount: int) -> bool:
        return amount >= MAX_AMOUNT - max(balance, 0)


@flaw(
    "insufficient-funds-called-otherwise",
    "a bet above the balance is declined with another status",
    "answer INSUFFICIENT_BALANCE_ERROR",
    "D",
)
class InsufficientFundsCalledOtherwise(NewBet):
    """Another error status."""

    def _decline(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        yield replace(branch, statuses=refuses(state, bet).statuses - _DECLINED, rule=FLAWED)


# -- a declined bet ---------------------------------------------------------------------------------


@flaw(
    "declined-bet-debited",
    "a bet is declined for want of money but takes money along",
    "check the funds before anything moves, or undo the transaction",
    "D",
)
class DeclinedBetDebited(NewBet):
    """An error, and some money is gone; how much shows at the next balance."""

    part_of: str = "unit"

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """A unit, all there is, or the whole amount."""
        return cls.each_of(record, part_of=("unit", "rest", "amount"))

    def _decline(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        balance = state.balances[bet.player_id]
        taken = {"unit": min(1, balance), "rest": balance, "amount": bet.amount or 0}[self.part_of]
        after = branch.state.moved(bet.player_id, -taken)
        # The error may report the balance from before.
        yield replace(branch, state=after, rule=FLAWED, balances=frozenset({balance, balance - taken}))


@flaw(
    "declined-bet-recorded-as-paid",
    "a declined bet is recorded as if it had been paid, so its retry succeeds and its rollback or win pays",
    "record a bet only once it is debited",
    "D",
)
class DeclinedBetRecordedAsPaid(NewBet):
    """The record says that it was accepted."""

    def _decline(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        record = branch.state.bets[bet.transaction_id or ""]
        opened = replace(record, fate=Fate.OPEN, amount=bet.amount or 0)
        yield replace(branch, state=branch.state.with_bet(bet.transaction_id or "", opened), rule=FLAWED)


@flaw(
    "declined-bet-replay-succeeds",
    "the retry of a declined bet gets SUCCESS and costs nothing: its transactionId was noted "
    "before the funds were checked",
    "note a transactionId only with what became of it",
    "D",
)
class DeclinedBetReplaySucceeds(NewBet):
    """SUCCESS, and no bet."""

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        if known is not None and known.fate is Fate.DECLINED and self._is_noted(known):
            yield gives(state, bet, Status.SUCCESS)
        else:
            yield from super()._bet(state, bet)

    def _is_noted(self, known: BetRecord) -> bool:
        return True


@flaw(
    "declined-free-bet-replay-succeeds",
    "the retry of a free bet with an unknown rewardUuid gets SUCCESS: its transactionId was noted "
    "before the reward was looked up",
    "note a transactionId only with what became of it",
    "D",
)
class DeclinedFreeBetReplaySucceeds(DeclinedBetReplaySucceeds):
    """SUCCESS for a free bet only."""

    def _is_noted(self, known: BetRecord) -> bool:
        return known.free


@flaw(
    "bet-in-other-currency-succeeds-on-retry",
    "the retry of a bet in another currency gets SUCCESS: its transactionId was noted "
    "before the currency was looked at",
    "note a transactionId only with what became of it",
    "D",
)
class BetInOtherCurrencySucceedsOnRetry(Flaw):
    """SUCCESS, and no bet, whatever the currency of the retry."""

    def _defective(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        if defect.field != "currency" or callback.kind is not Kind.BET:
            yield from super()._defective(state, callback, defect)
        elif callback.transaction_id in state.notes:
            yield gives(state, callback, Status.SUCCESS)
        else:
            for branch in super()._defective(state, callback, defect):
                noted = branch.state.with_notes(branch.state.notes | {callback.transaction_id})
                yield replace(branch, state=noted)

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        if bet.transaction_id in state.notes:
            yield gives(state, bet, Status.SUCCESS)
        else:
            yield from super()._bet(state, bet)


@flaw(
    "declined-bet-debited-on-retry",
    "a declined bet is debited when it is sent again, without a look at the funds",
    "check the funds at every attempt",
    "D",
)
class DeclinedBetDebitedOnRetry(_Overdraft):
    """The second attempt is accepted."""

    def _decline(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        if known is not None and known.fate is Fate.DECLINED:
            yield from super()._decline(state, bet, branch)
        else:
            yield branch

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        if known is not None and known.fate is Fate.DECLINED:
            yield from self._new_bet(state, bet)
        else:
            yield from super()._bet(state, bet)


# -- bets that are refused --------------------------------------------------------------------------


class _Refused(NewBet, ABC):
    """Refuses bets that it should accept."""

    def _accept(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        yield refuses(state, bet) if self._refuses(state, bet) else branch

    def _decline(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        yield branch
        if self._refuses(state, bet):
            yield refuses(state, bet)  # before anybody looked at the funds

    @abstractmethod
    def _refuses(self, state: State, bet: Callback) -> bool:
        """Whether a bet that should be accepted is refused."""


class _RoundIsOver(_Refused):
    """Refuses bets in a round that one of the player's other bets has ended."""

    ends_with: ClassVar[frozenset[Fate]]

    def _refuses(self, state: State, bet: Callback) -> bool:
        return bool(bets_of(state, bet.player_id, *self.ends_with, round_id=bet.round_id))


@flaw(
    "second-bet-of-round-refused",
    "a round takes one bet of a player, a second one is refused",
    "accept several bets in a round; only transactionId tells bets apart",
    "D",
)
class SecondBetOfRoundRefused(_RoundIsOver):
    """One bet a round."""

    ends_with = frozenset({Fate.OPEN, Fate.SETTLED, Fate.REFUNDED})


_NO_STATE_OF_ROUNDS = "judge each bet by itself; only roundClosed says that no more will follow"


@flaw(
    "round-with-win-refuses-bets",
    "once a bet of a round is settled, the round takes no further bet, although it was not closed",
    _NO_STATE_OF_ROUNDS,
    "D",
)
class RoundWithWinRefusesBets(_RoundIsOver):
    """A win ends the round."""

    ends_with = frozenset({Fate.SETTLED})


@flaw(
    "round-with-refund-refuses-bets",
    "once a bet of a round is rolled back, the round takes no further bet, although it was not closed",
    _NO_STATE_OF_ROUNDS,
    "D",
)
class RoundWithRefundRefusesBets(_RoundIsOver):
    """A refund ends the round."""

    ends_with = frozenset({Fate.REFUNDED})


@flaw(
    "round-with-declined-bet-refuses-bets",
    "once a bet of a round is declined, the round takes no further bet, although the player could pay for it",
    _NO_STATE_OF_ROUNDS,
    "D",
)
class RoundWithDeclinedBetRefusesBets(_RoundIsOver):
    """A declined bet ends the round."""

    ends_with = frozenset({Fate.DECLINED})


@flaw(
    "second-open-bet-refused",
    "a player can have one open bet at a time, a second one is refused",
    "accept bets while others are open",
    "T",
)
class SecondOpenBetRefused(_Refused):
    """One open bet a player."""

    def _refuses(self, state: State, bet: Callback) -> bool:
        return bool(bets_of(state, bet.player_id, Fate.OPEN))


@flaw(
    "large-bets-refused",
    "bets of 2**31 and more are refused, as if amounts had 32 bits",
    "read and keep amounts in 64 bits",
    "D",
)
class LargeBetsRefused(_Refused):
    """Nothing above 32 bits."""

    def _refuses(self, state: State, bet: Callback) -> bool:
        return (bet.amount or 0) >= LARGE


@flaw(
    "every-bet-refused", "every bet is refused", "look into the operator's log why, and whether the player may bet", "D"
)
class EveryBetRefused(_Refused):
    """No bet is accepted."""

    def _refuses(self, state: State, bet: Callback) -> bool:
        return True


@flaw(
    "other-currency-accepted",
    "a bet in another currency is debited as if it were in the player's",
    "compare currency with the player's and decline",
    "D",
)
class OtherCurrencyAccepted(Flaw):
    """The currency is not looked at."""

    def _new_bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        for branch in super()._new_bet(state, replace(bet, currency=self.currencies[bet.player_id])):
            yield replace(branch, rule=FLAWED) if succeeds(branch) else branch

    def _defective(self, state: State, callback: Callback, defect: object) -> Iterator[Branch]:
        if callback.kind is Kind.BET and getattr(defect, "field", None) == "currency":
            yield from self._new_bet(state, callback)
        else:
            yield from super()._defective(state, callback, defect)  # type: ignore[arg-type]


# -- free bets --------------------------------------------------------------------------------------


@flaw(
    "free-bet-debited",
    "a free bet debits its face value as if the player had paid",
    "move nothing on a bet with isFree; a reward pays for it",
    "D",
)
class FreeBetDebited(NewBet):
    """The reward does not pay."""

    cost: int = 1

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """The cost that was seen."""
        return cls.each_of(record, cost=(-seen for right, seen in observed(record, Kind.BET) if right == 0 > seen))

    def _accept(self, state: State, bet: Callback, branch: Branch) -> Iterator[Branch]:
        yield moves(branch, bet, -self.cost) if bet.is_free else branch


@flaw(
    "free-bet-replay-debited",
    "the replay of a free bet is taken for an ordinary bet, because its reward is used up, and debited",
    "recognise the replay by transactionId before looking at the reward",
    "D",
)
class FreeBetReplayDebited(Flaw):
    """The second attempt costs the face value."""

    cost: int = 1

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """The cost that was seen."""
        return cls.each_of(record, cost=(-seen for right, seen in observed(record, Kind.BET) if right == 0 > seen))

    def _bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        known = state.bets.get(bet.transaction_id or "")
        live = known is not None and known.free and known.fate in (Fate.OPEN, Fate.SETTLED)
        for branch in super()._bet(state, bet):
            yield moves(branch, bet, -self.cost) if live and succeeds(branch) else branch


class _Reward(Flaw, ABC):
    """Takes a reward that was not granted in another way."""

    def _new_bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        own = bet.currency == self.currencies[bet.player_id]
        if bet.is_free and bet.reward_id not in self.rewards and own:
            yield self._ungranted(state, bet)
        else:
            yield from super()._new_bet(state, bet)

    @abstractmethod
    def _ungranted(self, state: State, bet: Callback) -> Branch:
        """The answer to a bet on a reward that was not granted."""

    def _taken(self, state: State, bet: Callback, cost: int) -> Branch:
        record = self._declined(state, bet, _DECLINED, None).state.bets[bet.transaction_id or ""]
        opened = state.with_bet(bet.transaction_id or "", replace(record, fate=Fate.OPEN))
        return gives(opened.moved(bet.player_id, -cost), bet, Status.SUCCESS)


@flaw(
    "reward-not-looked-up",
    "a free bet is accepted with any rewardUuid",
    "look rewardUuid up among the rewards granted to the player and answer BONUS_ERROR if it is not there",
    "D",
)
class RewardNotLookedUp(_Reward):
    """Every reward counts."""

    def _ungranted(self, state: State, bet: Callback) -> Branch:
        return self._taken(state, bet, 0)


@flaw(
    "unknown-reward-paid-with-money",
    "a free bet with an unknown rewardUuid is taken for an ordinary one and debited",
    "answer BONUS_ERROR and move nothing",
    "D",
)
class UnknownRewardPaidWithMoney(_Reward):
    """The player pays."""

    cost: int = 1

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """The cost that was seen."""
        exchange, answer, states = record.breach()
        if exchange is not None and answer is not None and answer.balance is not None and exchange.kind is Kind.BET:
            for state in states:
                cost = state.balances.get(exchange.callback.player_id, 0) - answer.balance
                if cost > 0:
                    yield cls.of(record, cost=cost)

    def _ungranted(self, state: State, bet: Callback) -> Branch:
        return self._taken(state, bet, self.cost)


@flaw(
    "unknown-reward-called-otherwise",
    "a free bet with an unknown rewardUuid is declined with another status",
    "answer BONUS_ERROR",
    "D",
)
class UnknownRewardCalledOtherwise(_Reward):
    """Another error status."""

    def _ungranted(self, state: State, bet: Callback) -> Branch:
        declined = self._declined(state, bet, refuses(state, bet).statuses - {Status.BONUS}, FLAWED)
        return replace(declined, rule=FLAWED)


@flaw(
    "free-bet-rollback-pays",
    "the rollback of a free bet pays money that was never debited",
    "refund what the bet debited, which is nothing",
    "D",
)
class FreeBetRollbackPays(Flaw):
    """A refund for nothing."""

    amount: int = 1

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """The amount that was seen."""
        return cls.each_of(
            record, amount=(seen for right, seen in observed(record, Kind.ROLLBACK) if right == 0 < seen)
        )

    def _refunded(self, state: State, rollback: Callback, bet: BetRecord, rule: str) -> Branch:
        branch = super()._refunded(state, rollback, bet, rule)
        return moves(branch, rollback, self.amount) if bet.free else branch
