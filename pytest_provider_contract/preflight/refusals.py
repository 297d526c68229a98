"""Why a wallet says no to a correct /balance: signature, body, clock, player, or /balance itself.

Many wallets say UNKNOWN_ERROR to all of it. What tells them apart is comparing: a wallet that
answers a stranger's signature exactly as ours has not accepted ours, and one that answers an
unknown player exactly as ours does not know ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_provider_contract.callbacks import new_id
from pytest_provider_contract.client import Envelope
from pytest_provider_contract.history import Player
from pytest_provider_contract.preflight.checkup import Item, Outcome, Who
from pytest_provider_contract.preflight.probe import Heard, Prober
from pytest_provider_contract.signing import Forgery, SigningKey

_UNAUTHORIZED = 401
_REFUSING_SKEW_S = 5.0
_WRONG = r"(invalid|bad|wrong|missing|mismatch|verif|fail|incorrect|denied)"
_SIGNATURE = re.compile(rf"{_WRONG}.{{0,30}}signature|signature.{{0,30}}{_WRONG}|unauthori[sz]ed", re.IGNORECASE)
_PLAYER = re.compile(
    r"(player|session|user|account|token|customer).{0,40}"
    r"(not[_\s-]?found|unknown|invalid|expired|does(n't| not) exist|inactive)"
    r"|(unknown|invalid|no such|expired).{0,20}(player|session|user|account|customer)",
    re.IGNORECASE,
)
_SPELLINGS = (
    ("with a space after commas and colons, as Python's json.dumps writes it", True, False),
    ("with its names in alphabetical order, as Go writes a map", False, True),
    ("with both spaces and alphabetical order", True, True),
)


def explain(prober: Prober, first: Heard, player: Player, key: SigningKey | None) -> Iterator[Item]:
    """Say why a correct /balance is refused; the last item is a stop.

    Args:
        prober: Sends what else is asked; a bet that is accepted it rolls back.
        first: What /balance was answered.
        player: The player it was about.
        key: What signed it, or None.
    """
    if first.skew_s is not None and abs(first.skew_s) > _REFUSING_SKEW_S:
        shifted = prober.balance(player, ahead_s=first.skew_s)
        if shifted.succeeds:
            yield skewed(first.skew_s, Outcome.STOP, (str(first), f"with the wallet's time: {shifted}"))
            return
    if key is not None:
        for words, spaced, ordered in _SPELLINGS:
            heard = prober.spelled(player, spaced=spaced, ordered=ordered)
            if heard.succeeds:
                yield _rewritten(first, heard, words)
                return
    forged = prober.balance(player, Envelope(forgery=Forgery.OTHER_KEY)) if key is not None else None
    unknown = prober.balance(Player(new_id(), player.session_id))
    bet = prober.bet(player, 1, player.currency or first.currency or "EUR")
    if bet.succeeds:
        refund = prober.rollback(player, bet.exchange.callback)
        yield _broken(first, (str(first), str(bet), str(refund)))
        return
    yield _judge(_Evidence(first, forged, unknown, bet, prober.rollback(player)), player, key)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Replies to compare: our own, and what others get."""

    first: Heard
    forged: Heard | None
    unknown: Heard
    bet: Heard
    stray: Heard

    @property
    def seen(self) -> tuple[str, ...]:
        forged = (f"signed with another key: {self.forged}",) if self.forged else ()
        return (str(self.first), *forged, f"for an unknown player: {self.unknown}", str(self.bet), str(self.stray))

    @property
    def tells_of_signature(self) -> bool:
        unauthorized = self.first.exchange.reply.status == _UNAUTHORIZED
        return unauthorized or _SIGNATURE.search(self.first.words) is not None

    @property
    def tells_of_player(self) -> bool:
        return _PLAYER.search(self.first.words) is not None


def _judge(told: _Evidence, player: Player, key: SigningKey | None) -> Item:
    first, seen = told.first, told.seen
    if told.tells_of_signature:
        return _wrong_key(first, key, seen) if key is not None else _unsigned(first, seen)
    if told.tells_of_player:
        return unknown_player(player, (first,), seen)
    if key is None or told.forged is None:
        return _undecided(first, player, key, seen)
    like_forged, like_unknown = first.alike(told.forged), first.alike(told.unknown)
    if like_forged and not like_unknown:
        return _wrong_key(first, key, seen)
    # A stray rollback that succeeds was let in, so the signature is not what is refused.
    if like_unknown and (not like_forged or told.stray.succeeds):
        return unknown_player(player, (first,), seen)
    return _undecided(first, player, key, seen)


def unknown_player(player: Player, heard: tuple[Heard, ...], seen: tuple[str, ...] = ()) -> Item:
    """A player or session that the wallet does not know."""
    made_up = player.session_id == f"session-{player.player_id}"
    session = "a session that was made up" if made_up else "the session given"
    return Item(
        "PREFLIGHT-10",
        Outcome.STOP,
        f"{heard[0]} for {player.player_id}",
        f"the wallet does not know this player, or {session}, or the session has expired",
        Who.EITHER,
        f"open a session and give --operator-player={player.player_id}:SESSION, or create the player",
        seen or tuple(str(each) for each in heard),
    )


def skewed(ahead_s: float, outcome: Outcome, seen: tuple[str, ...] = ()) -> Item:
    """Clocks that differ; a stop where that is why callbacks are refused."""
    where = "ahead of" if ahead_s > 0 else "behind"
    stop = outcome is Outcome.STOP
    return Item(
        "PREFLIGHT-13",
        outcome,
        f"the wallet's clock is {abs(ahead_s):.0f} s {where} this machine's"
        + (", and callbacks with this machine's time are refused" if stop else ""),
        "one of the two is wrong; a wallet that compares the timestamp then refuses callbacks",
        Who.EITHER,
        "set both clocks by NTP",
        seen,
    )


def _rewritten(first: Heard, heard: Heard, words: str) -> Item:
    return Item(
        "PREFLIGHT-08",
        Outcome.STOP,
        f"{first}; the same callback {words}, gets {heard.word}",
        "the body is parsed and written again before it is verified, so only one spelling of it fits its signature",
        Who.OPERATOR,
        "verify the raw bytes of the body as they came, before any parsing",
        (str(first), f"{words}: {heard}"),
    )


def _broken(first: Heard, seen: tuple[str, ...]) -> Item:
    return Item(
        "PREFLIGHT-12",
        Outcome.STOP,
        f"{first}, while a bet of the same player is accepted",
        "only /balance is broken: demo games work, which never ask for it, and real play does not start",
        Who.OPERATOR,
        "make /balance look up player and session as /bet does",
        seen,
    )


def _unsigned(first: Heard, seen: tuple[str, ...]) -> Item:
    return Item(
        "PREFLIGHT-08",
        Outcome.STOP,
        f"{first} without a signature",
        "the wallet checks signatures, and this run sends none",
        Who.TESTER,
        "leave --operator-unsigned out, and give the wallet the public key",
        seen,
        wrong_use=True,
    )


def _wrong_key(first: Heard, key: SigningKey, seen: tuple[str, ...]) -> Item:
    return Item(
        "PREFLIGHT-08",
        Outcome.STOP,
        f"{first}, the same as with a signature of another key",
        f"the wallet holds another public key than that of {key.fingerprint}, with which callbacks are signed here, "
        "or does not verify RSA-SHA256 with PKCS#1 v1.5 over the raw body",
        Who.EITHER,
        "hand the .pub.pem of this key to the wallet, or name the right one with --operator-key",
        seen,
    )


def _undecided(first: Heard, player: Player, key: SigningKey | None, seen: tuple[str, ...]) -> Item:
    keyed = (
        f"the wallet does not hold the public key of {key.fingerprint}"
        if key
        else "it checks signatures, and this run sends none"
    )
    return Item(
        "PREFLIGHT-12",
        Outcome.STOP,
        f"{first} for {player.player_id}, and no other callback succeeds",
        f"{keyed}, or it does not know the player or session, or /balance fails; its replies do not tell which",
        Who.EITHER,
        "look into the wallet's log for callbacks whose User-Agent has PREFLIGHT in it",
        seen,
    )
