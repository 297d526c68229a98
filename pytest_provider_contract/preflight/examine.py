"""The first look itself: at most a dozen callbacks to a healthy wallet, and what they tell.

It stops only where going on is senseless. A wallet that works in part is left to the suite,
whose rules say precisely what is wrong with it; here that is at most a notice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_provider_contract.callbacks import new_id
from pytest_provider_contract.checks import grouped
from pytest_provider_contract.client import Envelope
from pytest_provider_contract.history import Player
from pytest_provider_contract.preflight import access, refusals
from pytest_provider_contract.preflight.checkup import Checkup, Item, Outcome, Who, good
from pytest_provider_contract.preflight.probe import Heard, Prober
from pytest_provider_contract.preflight.reach import reach
from pytest_provider_contract.profile import Profile
from pytest_provider_contract.signing import Forgery, SigningKey
from pytest_provider_contract.transport import Endpoint

# More players would cost a healthy wallet more than a dozen callbacks.
_PLAYERS = 4
_SKEW_S = 30.0
_ORDINARY_STAKE = 5_000
_FOREIGN = Envelope(forgery=Forgery.OTHER_KEY)


@dataclass(frozen=True, slots=True)
class Target:
    """What is looked at, and as whom.

    Attributes:
        endpoint: Where the wallet should be.
        profile: The dialect of the callbacks.
        key: Signs them; None sends no signature.
        players: The test players; without any, only the way to the wallet is looked at.
        rate: At most so many callbacks a second, or None.
        max_stake: Largest stake in minor units, or None.
        narrow: Whether only some of the suite's rules are wanted, which may need no money.
        game: A game that the wallet knows, or None to name new ones.
    """

    endpoint: Endpoint
    profile: Profile
    key: SigningKey | None
    players: tuple[Player, ...]
    rate: float | None = None
    max_stake: int | None = None
    narrow: bool = False
    game: str | None = None


def examine(target: Target) -> Checkup:
    """Look at a wallet, until all is looked at or something makes going on senseless.

    Bets that it places it rolls back.
    """
    started_s = time.monotonic()
    reached = reach(target.endpoint)
    items = list(reached.items)
    prober = Prober(target.endpoint, target.profile, target.key, target.rate, target.game)
    try:
        if all(item.outcome is not Outcome.STOP for item in items):
            items += _until_stop(_Look(target, prober, reached.own_address).items())
    finally:
        prober.close()
    sessions = {player.session_id for player in target.players}
    return Checkup(tuple(item.without(sessions) for item in items), prober.sent, time.monotonic() - started_s)


def _until_stop(items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        yield item
        if item.outcome is Outcome.STOP:
            return


class _Look:
    """One look: yields items, and sends callbacks between them."""

    def __init__(self, target: Target, prober: Prober, own_address: str) -> None:
        self.target = target
        self.prober = prober
        self.own_address = own_address
        self.player = target.players[0] if target.players else Player(new_id(), new_id())

    def items(self) -> Iterator[Item]:
        first = self.prober.balance(self.player)
        if not first.succeeds and first.exchange.reply.failure is None:
            # Once is an accident.
            first = self.prober.balance(self.player)
        if not first.is_answer:
            yield from access.explain(self.prober, first, self.player, self.own_address)
            return
        yield good("PREFLIGHT-04", "callbacks get through")
        yield good("PREFLIGHT-05", f"the wallet is at {self.target.endpoint.url}")
        yield good("PREFLIGHT-06", "no redirect")
        yield good("PREFLIGHT-07", str(first))
        if not self.target.players:
            return
        if first.exchange.reply.failure is not None:
            return  # the suite says what is wrong with the form of a reply
        if not first.succeeds:
            yield from refusals.explain(self.prober, first, self.player, self.target.key)
            return
        if self.target.key is not None:
            yield good("PREFLIGHT-08", f"accepted, with the key {self.target.key.fingerprint}")
        yield self._clock(first)
        yield from self._others()
        money = "no whole number" if first.balance is None else f"{grouped(first.balance)} minor units"
        yield good("PREFLIGHT-12", f"{self.player.player_id} has {money} of {first.currency}")
        if self.target.key is not None:
            yield from self._signature(first)
        yield from self._money(first)

    # -- who and when -----------------------------------------------------------------------------

    def _clock(self, first: Heard) -> Item:
        skew_s = first.skew_s
        if skew_s is None:
            return good("PREFLIGHT-13", "the wallet's replies have no Date")
        if abs(skew_s) <= _SKEW_S:
            return good("PREFLIGHT-13", "the clocks agree")
        return refusals.skewed(skew_s, Outcome.NOTICE)

    def _others(self) -> Iterator[Item]:
        known = [self.player]
        for player in self.target.players[1:_PLAYERS]:
            heard = self.prober.balance(player)
            if heard.refuses:
                heard = self.prober.balance(player)
            if heard.refuses:
                yield refusals.unknown_player(player, (heard,))
                return
            known.append(player)
            if player.currency and heard.currency and player.currency.upper() != heard.currency.upper():
                yield self._other_currency(player, heard, Outcome.NOTICE)
        yield good("PREFLIGHT-10", ", ".join(player.player_id for player in known))

    def _other_currency(self, player: Player, heard: Heard, outcome: Outcome) -> Item:
        stop = outcome is Outcome.STOP
        return Item(
            "PREFLIGHT-11",
            outcome,
            f"the options say {player.currency} for {player.player_id}, the wallet says {heard.currency}",
            "the wallet takes bets in its own currency and refuses them in that of the options" if stop else "",
            Who.TESTER if stop else Who.EITHER,
            f"give --operator-player={player.player_id}:SESSION:{heard.currency}"
            + ("" if stop else ", or correct what the wallet tells"),
            (str(heard),),
            wrong_use=stop,
        )

    def _signature(self, first: Heard) -> Iterator[Item]:
        forged = self.prober.balance(self.player, _FOREIGN)
        win = self.prober.win_of_nothing(self.player, self._currency(first), _FOREIGN)
        accepted = [f"/{heard.exchange.kind}" for heard in (forged, win) if heard.succeeds]
        if win.page is not None and win.page.kind in access.NOT_THERE:
            yield Item("PREFLIGHT-05", Outcome.NOTICE, str(win), "the wallet has no /win there", Who.OPERATOR, "add it")
        if not accepted:
            yield good("PREFLIGHT-09", "refused")
            return
        yield Item(
            "PREFLIGHT-09",
            Outcome.NOTICE,
            f"SUCCESS for {' and '.join(accepted)}, signed with another key",
            "signatures are not checked, there at least",
            Who.OPERATOR,
            "verify every callback with the provider's public key first; the SIG rules say what is accepted",
            tuple(f"signed with another key: {heard}" for heard in (forged, win)),
        )

    def _currency(self, first: Heard) -> str:
        return self.player.currency or first.currency or "XXX"

    # -- money ------------------------------------------------------------------------------------

    def _money(self, first: Heard) -> Iterator[Item]:
        currency = self._currency(first)
        tries: list[Heard] = []
        for stake in self._stakes(first.balance):
            tries.append(self.prober.bet(self.player, stake, currency))
            if not tries[-1].refuses:
                break
        last = tries[-1]
        yield from self._currencies(first, last)
        if last.succeeds:
            yield good("PREFLIGHT-14", "there is money to play with")
            yield good("PREFLIGHT-15", f"a bet of {last.exchange.callback.amount} was accepted")
        elif last.refuses:
            yield self._declined(first, tries)
            return
        else:
            yield Item(
                "PREFLIGHT-15", Outcome.NOTICE, str(last), "", Who.OPERATOR, "the suite says what is wrong with it"
            )
        yield self._undone(first, last)

    def _stakes(self, balance: int | None) -> Sequence[int]:
        """Stakes to try: the least first, then others, for a wallet with limits or moods of its own."""
        most = min(self.target.max_stake or _ORDINARY_STAKE, balance or 1, _ORDINARY_STAKE)
        return [max(1, stake) for stake in (1, most, most // 10, most // 100, 1, most // 2)]

    def _currencies(self, first: Heard, bet: Heard) -> Iterator[Item]:
        option, told = self.player.currency, first.currency
        if not option or not told or option.upper() == told.upper():
            yield good("PREFLIGHT-11", told or "the wallet tells none")
            return
        # Which of the two is wrong? The wallet plays in its own currency.
        for stake in self._stakes(first.balance)[:2] if bet.refuses else ():
            other = self.prober.bet(self.player, stake, told)
            if other.succeeds:
                self._roll_back(other)
                yield self._other_currency(self.player, first, Outcome.STOP)
                return
        yield self._other_currency(self.player, first, Outcome.NOTICE)

    def _declined(self, first: Heard, tries: Sequence[Heard]) -> Item:
        outcome = Outcome.NOTICE if self.target.narrow else Outcome.STOP
        seen = tuple(f"bet {heard.exchange.callback.amount}: {heard}" for heard in tries)
        name = self.player.player_id
        if first.balance == 0:
            return Item(
                "PREFLIGHT-14",
                outcome,
                f"{name} has no money, and no bet is accepted",
                "nothing about money can be tested without any",
                Who.EITHER,
                f"put money on the account of {name}, or name another --operator-player",
                seen,
            )
        made_up = self.player.session_id == f"session-{name}"
        return Item(
            "PREFLIGHT-15",
            outcome,
            f"{len(tries)} bets of {len(tries)} are declined, of {_amounts(tries)} minor units by {name}",
            "the session was made up here from the player's id, and the wallet may not know it"
            if made_up
            else "the player is blocked, not verified or in another session, play is switched off, or only bets of "
            "games that the wallet knows are taken: each gameId here is new",
            Who.OPERATOR if not made_up else Who.EITHER,
            f"give a session that is open: --operator-player={name}:SESSION"
            if made_up
            else f"let {name} play, or name another --operator-player, or a game that it knows: --operator-game",
            seen,
        )

    def _undone(self, first: Heard, bet: Heard) -> Item:
        refund = self._roll_back(bet)
        last = self.prober.balance(self.player)
        if first.balance is None or last.balance is None:
            if refund.succeeds:
                return good("PREFLIGHT-16", "the bet was rolled back")
            return Item("PREFLIGHT-16", Outcome.NOTICE, f"the bet of the first look may stand: {refund}")
        if last.balance == first.balance:
            return good("PREFLIGHT-16", "the bet was rolled back")
        left = self._brought_back(first, last.balance, bet.exchange.callback.amount or 0)
        return Item(
            "PREFLIGHT-16",
            Outcome.NOTICE,
            f"{self.player.player_id} has {last.balance - first.balance:+d} minor units after a bet and its rollback"
            + (f", {left:+d} of it left there" if left else ", brought back with a bet and a win"),
            "money is moved wrongly, as the suite will say, or somebody else plays with this player",
            Who.OPERATOR,
            seen=(str(bet), str(refund), str(last)),
        )

    def _brought_back(self, first: Heard, now: int, moved: int) -> int:
        """Bring a balance back with a bet and a win; gives what is still missing or too much.

        What is more than the first look has moved is somebody else's, and left alone.
        """
        start = first.balance or 0
        surplus = now - start
        if abs(surplus) > moved:
            return surplus
        stake = max(surplus, 1)
        bet = self.prober.bet(self.player, stake, self._currency(first))
        if not bet.refuses and not self.prober.win(self.player, bet.exchange.callback, stake - surplus).succeeds:
            self._roll_back(bet)
        balance = self.prober.balance(self.player).balance
        return surplus if balance is None else balance - start

    def _roll_back(self, bet: Heard) -> Heard:
        refund = self.prober.rollback(self.player, bet.exchange.callback)
        return refund if refund.succeeds else self.prober.rollback(self.player, bet.exchange.callback)


def _amounts(tries: Sequence[Heard]) -> str:
    return ", ".join(str(amount) for amount in sorted({heard.exchange.callback.amount or 0 for heard in tries}))
