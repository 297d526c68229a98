"""Ways to get an amount wrong, and which of them make one number of another."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

_MAX = (1 << 63) - 1
_LARGEST_FACTOR = 1_000_000


@dataclass(frozen=True, slots=True)
class Distortion:
    """What becomes of an amount.

    Attributes:
        words: What is done to it, as ``rounded down to whole hundreds``.
        apply: The amount in minor units that it becomes.
    """

    words: str
    apply: Callable[[int], int] = field(repr=False, compare=False)


def wrapped(number: int, bits: int) -> int:
    """The number as a signed integer of so many bits."""
    half = 1 << (bits - 1)
    return (number + half) % (2 * half) - half


def _single(amount: int) -> int:
    (value,) = struct.unpack("f", struct.pack("f", amount))
    return int(value)


def _double(amount: int) -> int:
    return min(int(float(amount)), _MAX)


WRAP_32 = Distortion("cut to 32 bits, so that they wrap around", lambda amount: wrapped(amount, 32))
CLAMP_32 = Distortion("limited to 2**31 - 1", lambda amount: min(amount, (1 << 31) - 1))
UNSIGNED_32 = Distortion("cut to 32 bits without a sign", lambda amount: amount % (1 << 32))
SINGLE = Distortion("kept as single-precision floats, which lose units above 2**24", _single)
DOUBLE = Distortion("kept as doubles, which lose units above 2**53", _double)
FLOAT_CENTS = Distortion(
    "divided by 100 and multiplied again as floats, which makes 28 of 29", lambda amount: int(amount / 100 * 100)
)
HUNDREDS = Distortion("rounded down to whole hundreds", lambda amount: amount // 100 * 100)
TENS = Distortion("rounded to tens", lambda amount: round(amount, -1))
ROUND_HUNDREDS = Distortion("rounded to whole hundreds", lambda amount: round(amount, -2))
THOUSANDTH = Distortion("divided by 1000", lambda amount: amount // 1000)
HUNDREDTH = Distortion("divided by 100", lambda amount: amount // 100)
HUNDREDFOLD = Distortion("multiplied by 100, as if they were major units", lambda amount: min(amount * 100, _MAX))
THOUSANDFOLD = Distortion("multiplied by 1000", lambda amount: min(amount * 1000, _MAX))
TENFOLD = Distortion("multiplied by 10", lambda amount: min(amount * 10, _MAX))
DOUBLED = Distortion("counted twice", lambda amount: 2 * amount)
HALVED = Distortion("halved", lambda amount: amount // 2)

NUMBERS = (
    HUNDREDS,
    FLOAT_CENTS,
    TENS,
    ROUND_HUNDREDS,
    THOUSANDTH,
    HUNDREDTH,
    HUNDREDFOLD,
    THOUSANDFOLD,
    TENFOLD,
    WRAP_32,
    CLAMP_32,
    UNSIGNED_32,
    SINGLE,
    DOUBLE,
)


def distortions(pairs: Iterable[tuple[int, int]]) -> Iterator[Distortion]:
    """Plain ways to make a wrong amount of the right one: factors, fees, limits and fixed amounts.

    Args:
        pairs: Minor units that should have moved, and those that did.
    """
    found: dict[str, Distortion] = {}
    for right, seen in pairs:
        if right in (0, seen):
            continue
        for distortion in (HALVED, DOUBLED):
            if distortion.apply(abs(right)) == abs(seen):
                found.setdefault(distortion.words, distortion)
        made_of = (
            _fixed(abs(seen)),
            _capped(abs(right), abs(seen)),
            _with_fee(abs(seen) - abs(right)),
            _scaled(right, seen),
        )
        for made in made_of:
            if made is not None:
                found.setdefault(made.words, made)
    yield from found.values()


def _fixed(amount: int) -> Distortion:
    return Distortion(f"always {amount}", lambda _: amount)


def _capped(right: int, seen: int) -> Distortion | None:
    return Distortion(f"{seen} at most", lambda amount: min(amount, seen)) if 0 < seen < right else None


def _with_fee(fee: int) -> Distortion:
    return Distortion(f"{abs(fee)} {'more' if fee > 0 else 'less'}", lambda amount: max(amount + fee, 0))


def _scaled(right: int, seen: int) -> Distortion | None:
    factor = Fraction(seen, right)
    if not 0 < factor < _LARGEST_FACTOR or factor.denominator > _LARGEST_FACTOR:
        return None
    return Distortion(f"times {factor}", lambda amount: int(amount * factor))
