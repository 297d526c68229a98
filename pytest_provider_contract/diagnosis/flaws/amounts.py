"""Amounts: how they are read, in how many bits, and what is taken for one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.diagnosis.cause import Cause
from pytest_provider_contract.diagnosis.distortion import (
    CLAMP_32,
    DOUBLE,
    FLOAT_CENTS,
    HUNDREDFOLD,
    HUNDREDS,
    HUNDREDTH,
    NUMBERS,
    SINGLE,
    TENS,
    THOUSANDTH,
    UNSIGNED_32,
    WRAP_32,
    Distortion,
    wrapped,
)
from pytest_provider_contract.diagnosis.flaw import FLAWED, Flaw, flaw, refuses, tells
from pytest_provider_contract.diagnosis.record import Record
from pytest_provider_contract.history import Defect, Exchange
from pytest_provider_contract.ledger import LARGE, Branch, State
from pytest_provider_contract.profile import Kind

# What a distortion of amounts says about the operator.
_BITS = "amounts-in-32-bits"
_IDS = {
    WRAP_32: _BITS,
    CLAMP_32: _BITS,
    UNSIGNED_32: _BITS,
    SINGLE: "amounts-as-single-floats",
    DOUBLE: "amounts-as-doubles",
    FLOAT_CENTS: "amounts-through-float-cents",
    HUNDREDS: "amounts-rounded",
    TENS: "amounts-rounded",
    THOUSANDTH: "amounts-rescaled",
    HUNDREDTH: "amounts-rescaled",
    HUNDREDFOLD: "amounts-rescaled",
}


@flaw(
    "amounts-misread",
    "amounts are changed when they are read",
    "keep amounts as 64 bit integers of minor units, from the JSON to the database",
    "D",
)
class AmountsMisread(Flaw):
    """An amount becomes another one before anything else happens."""

    steady = True

    distortion: Distortion | None = None
    kinds: tuple[Kind, ...] = (Kind.BET, Kind.WIN)

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """The ways in which amounts are commonly spoiled, in all callbacks or in one."""
        amounts = [(e.kind, e.callback.amount) for e in record.exchanges if e.callback.amount and e.defect is None]
        for kinds in ((Kind.BET, Kind.WIN), (Kind.BET,), (Kind.WIN,)):
            for distortion in NUMBERS:
                if any(kind in kinds and distortion.apply(amount) != amount for kind, amount in amounts):
                    yield cls.of(record, distortion=distortion, kinds=kinds)

    @property
    def diagnosis(self) -> Cause:
        """Says what is done to the amounts."""
        assert self.distortion is not None  # noqa: S101 - guesses() sets it
        whose = "amounts" if len(self.kinds) > 1 else f"amounts of {self.kinds[0]}s"
        return replace(
            self.cause, id=_IDS.get(self.distortion, "amounts-rescaled"), text=f"{whose} are {self.distortion.words}"
        )

    def read(self, exchange: Exchange) -> tuple[Callback, Defect | None]:
        """The callback with its amount spoiled."""
        callback, defect = super().read(exchange)
        if self.distortion is None or callback.amount is None or defect is not None or callback.kind not in self.kinds:
            return callback, defect
        return replace(callback, amount=self.distortion.apply(callback.amount)), defect

    def _new_bet(self, state: State, bet: Callback) -> Iterator[Branch]:
        yield from super()._new_bet(state, bet)
        if (bet.amount or 0) < 0:
            # Some check, of the amount or of the database, may stop what wrapped around.
            yield refuses(state, bet)

    def _win(self, state: State, win: Callback) -> Iterator[Branch]:
        yield from super()._win(state, win)
        if (win.amount or 0) < 0:
            yield refuses(state, win)


@flaw(
    "large-amounts-refused",
    "amounts of 2**31 and more are refused, as if they had 32 bits",
    "read and keep amounts in 64 bits",
    "D",
)
class LargeAmountsRefused(Flaw):
    """Nothing above 32 bits."""

    def _known_player(self, state: State, callback: Callback) -> Iterator[Branch]:
        if callback.kind in (Kind.BET, Kind.WIN) and (callback.amount or 0) >= LARGE:
            yield refuses(state, callback)
        else:
            yield from super()._known_player(state, callback)


@flaw(
    "balances-as-doubles",
    "balances are kept as doubles, which lose units above 2**53",
    "keep balances as 64 bit integers",
    "D",
)
class BalancesAsDoubles(Flaw):
    """Every new balance is rounded."""

    steady = True

    def branches(self, state: State, callback: Callback, defect: Defect | None = None) -> list[Branch]:
        """The right branches, with every balance that moved rounded."""
        return [self._rounded(state, branch) for branch in super().branches(state, callback, defect)]

    def _rounded(self, state: State, branch: Branch) -> Branch:
        for player, balance in branch.state.balances.items():
            kept = DOUBLE.apply(balance)
            if balance != state.balances[player] and kept != balance:
                after = branch.state.moved(player, kept - balance)
                return replace(branch, state=after, rule=FLAWED, balances=frozenset({kept}))
        return branch


# -- amounts that are none --------------------------------------------------------------------------


class _Lenient(Flaw, ABC):
    """Makes a number of an amount that is none."""

    kind = Kind.BET

    def read(self, exchange: Exchange) -> tuple[Callback, Defect | None]:
        """The callback with the number that is made of its amount."""
        callback, defect = super().read(exchange)
        if defect is not None and defect.field == "amount" and callback.kind is self.kind and defect.json is not None:
            with suppress(ValueError, OverflowError):
                number = self._number(defect.json)
                if number is not None:
                    return replace(callback, amount=number), None
        return callback, defect

    @abstractmethod
    def _number(self, text: str) -> int | None:
        """The number that the wallet makes of the amount's JSON; None where it makes none."""


_WHOLE = "accept whole numbers of 0 or more only, and of the JSON type number"


class _Negative(_Lenient):
    def _number(self, text: str) -> int | None:
        number = int(text)
        return number if number < 0 else None


@flaw("negative-bet-accepted", "a bet of a negative amount is accepted and credits it", _WHOLE, "D")
class NegativeBetAccepted(_Negative):
    """Less than nothing is debited."""


@flaw("negative-bet-made-positive", "a bet of a negative amount debits its absolute value", _WHOLE, "D")
class NegativeBetMadePositive(_Negative):
    """The sign is lost."""

    def _number(self, text: str) -> int | None:
        number = super()._number(text)
        return None if number is None else -number


@flaw("negative-win-accepted", "a win of a negative amount is accepted and debits it", _WHOLE, "D")
class NegativeWinAccepted(_Negative):
    """Less than nothing is credited."""

    kind = Kind.WIN


class _Fraction(_Lenient):
    up = False

    def _number(self, text: str) -> int | None:
        if text.startswith('"') or float(text) == int(float(text)):
            return None
        return int(float(text)) + self.up


@flaw("fractional-bet-accepted", "a bet of a fractional amount is rounded and debited", _WHOLE, "D")
class FractionalBetTruncated(_Fraction):
    """What is before the point is debited."""


@flaw("fractional-bet-accepted", "a bet of a fractional amount is rounded and debited", _WHOLE, "D")
class FractionalBetRoundedUp(_Fraction):
    """The next whole number is debited."""

    up = True


@flaw("fractional-win-accepted", "a win of a fractional amount is rounded and credited", _WHOLE, "D")
class FractionalWinTruncated(_Fraction):
    """What is before the point is credited."""

    kind = Kind.WIN


@flaw("fractional-win-accepted", "a win of a fractional amount is rounded and credited", _WHOLE, "D")
class FractionalWinRoundedUp(_Fraction):
    """The next whole number is credited."""

    kind = Kind.WIN
    up = True


@flaw("string-bet-accepted", "a bet whose amount is a string is taken for the number that it spells", _WHOLE, "D")
class StringBetAccepted(_Lenient):
    """A string is as good as a number."""

    def _number(self, text: str) -> int | None:
        return int(float(text.strip('"'))) if text.startswith('"') else None


@flaw("boolean-bet-accepted", "a bet whose amount is true is taken for a bet of 1", _WHOLE, "D")
class BooleanBetAccepted(_Lenient):
    """A boolean is as good as a number."""

    def _number(self, text: str) -> int | None:
        return {"true": 1, "false": 0}.get(text)


# -- balances that are told -------------------------------------------------------------------------


class _Told(Flaw, ABC):
    """Reports balances in another way than they are kept."""

    steady = True

    def branches(self, state: State, callback: Callback, defect: Defect | None = None) -> list[Branch]:
        """The right branches, with the balances as they are told."""
        return [
            branch if branch.balances is None else tells(branch, *map(self._tell, branch.balances))
            for branch in super().branches(state, callback, defect)
        ]

    @abstractmethod
    def _tell(self, balance: int) -> int:
        """What a reply tells of a balance."""


@flaw("balance-in-32-bits", "the balance of a reply is cut to 32 bits", "write balances as 64 bit integers", "D")
class BalanceIn32Bits(_Told):
    """The balance wraps around."""

    def _tell(self, balance: int) -> int:
        return wrapped(balance, 32)

    def openings(self, told: State) -> Iterator[State]:
        """What the first balance may have been before it wrapped."""
        for turns in range(16):
            yield State({player: balance + (turns << 32) for player, balance in told.balances.items()})


@flaw(
    "balance-in-major-units",
    "the balance of a reply is in major units, the minor ones cut off",
    "write the balance in minor units, as amounts are",
    "D",
)
class BalanceInMajorUnits(_Told):
    """The last two digits are missing."""

    def _tell(self, balance: int) -> int:
        return balance // 100

    def openings(self, told: State) -> Iterator[State]:
        """What the first balance may have been before it was cut."""
        for rest in range(100):
            yield State({player: balance * 100 + rest for player, balance in told.balances.items()})


@flaw(
    "balance-told-as-double",
    "the balance of a reply is written as a double, which loses units above 2**53",
    "write balances as 64 bit integers",
    "D",
)
class BalanceToldAsDouble(_Told):
    """The last unit may be wrong."""

    def _tell(self, balance: int) -> int:
        return DOUBLE.apply(balance)
