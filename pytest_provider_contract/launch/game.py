"""The player's side: a game that a launch URL opened."""

from __future__ import annotations

import random
import secrets
import threading
from dataclasses import dataclass, field

from pytest_provider_contract.history import Player
from pytest_provider_contract.launch.findings import Findings
from pytest_provider_contract.launch.launches import Launch
from pytest_provider_contract.launch.rounds import Round, RoundError, Rounds, Stage
from pytest_provider_contract.launch.terms import Game, Terms
from pytest_provider_contract.launch.wallet import Wallet

FUN_MONEY = 1_000_000
MAX_STAKE = (1 << 63) - 1


class PlayError(ValueError):
    """What the player asks for can't be done; the message is one sentence."""


@dataclass(slots=True)
class OpenGame:
    """One running session of a player; in demo mode the wallet is never asked.

    Attributes:
        launch: The launch that it came from.
        game: What is played now.
        balance: Minor units as last told by the wallet, or fun money.
        key: Secret of the session, for the page.
    """

    launch: Launch
    game: Game
    balance: int
    _terms: Terms = field(repr=False)
    _rounds: Rounds = field(repr=False)
    _wallet: Wallet | None = field(repr=False)
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def demo(self) -> bool:
        """Whether it is played with fun money."""
        return self._wallet is None

    @property
    def currency(self) -> str:
        """The launch's currency."""
        return self.launch.request.currency

    def switch(self, game: Game | str) -> None:
        """Go to another game within the session, without a new launch [T].

        Raises:
            PlayError: There is no such game to be played.
        """
        found = self._terms.game(game.id if isinstance(game, Game) else game)
        if found is None or not found.enabled:
            raise PlayError("there is no such game to be played")
        self.game = found

    def play(self, stake: int, win: int | None = 0) -> Round | None:
        """Play a round to its end.

        Args:
            stake: Minor units.
            win: What comes back, 0 for a lost bet, None to have the bet rolled back.

        Returns:
            The round, None in demo mode.

        Raises:
            PlayError: The stake or win is no amount, or above the fun money.
        """
        _amounts(stake, win or 0)
        with self._lock:
            if self.demo:
                self._spend(stake, stake if win is None else win)
                return None
            played = self.bet(stake)
            if played.stage is Stage.OPEN and played.settlement is None:
                self.settle(played, win)
            return played

    def bet(self, stake: int) -> Round:
        """Place a bet and leave its round open.

        Raises:
            PlayError: In demo mode, or the stake is no amount.
        """
        _amounts(stake)
        wallet = self._real()
        return self._told(self._rounds.bet(wallet, _player(self.launch), self.game.id, stake, self.launch.trail))

    def settle(self, played: Round, win: int | None = 0) -> Round:
        """Settle an open round: its win, 0 for a lost bet, or None for a rollback.

        Raises:
            PlayError: In demo mode, or the round can't be settled.
        """
        _amounts(win or 0)
        try:
            return self._told(self._rounds.settle(self._real(), played, win))
        except RoundError as error:
            raise PlayError(str(error)) from None

    def lose_bet(self, stake: int) -> str:
        """Send a bet of which the provider keeps no record [T]; gives its transactionId."""
        _amounts(stake)
        return self._rounds.lose_bet(self._real(), _player(self.launch), self.game.id, stake)

    def spin(self, stake: int) -> Round | None:
        """A round as the game decides it: lost, won double, or now and then rolled back."""
        return self.play(stake, random.choice((0, 0, 2 * stake, None)))  # noqa: S311 - a game of a test

    def _real(self) -> Wallet:
        if self._wallet is None:
            raise PlayError("demo mode has no rounds: it never calls the wallet")
        return self._wallet

    def _spend(self, stake: int, back: int) -> None:
        if stake > self.balance:
            raise PlayError("not enough fun money")
        self.balance += back - stake

    def _told(self, played: Round) -> Round:
        players = [state.balances[played.player.player_id] for state in played.states]
        if players:
            self.balance = players[0]
        return played


def _player(launch: Launch) -> Player:
    request = launch.request
    return Player(request.player_id or "", request.session_id or "", request.currency)


def _amounts(*amounts: int) -> None:
    for amount in amounts:
        if isinstance(amount, bool) or not isinstance(amount, int) or not 0 <= amount <= MAX_STAKE:
            raise PlayError("an amount is a whole number of minor units, 0 or more")


def open_game(
    launch: Launch, wallet: Wallet | None, terms: Terms, rounds: Rounds, findings: Findings
) -> OpenGame | None:
    """Load a game as the provider does: real play asks for the player's balance first [T].

    Returns:
        The game, or None after reporting why the wallet keeps it from loading.
    """
    request = launch.request
    game = terms.game(request.game_id)
    assert game is not None  # noqa: S101 - the launch was granted
    if request.demo:
        return OpenGame(launch, game, FUN_MONEY, terms, rounds, None)
    if wallet is None:
        raise PlayError("real play needs the operator's wallet: name its URL, or launch with currency XXX")
    with wallet.line(_player(launch), findings, launch.trail) as line:
        answer = line.open(blame="LAUNCH-20")
        if answer is None:
            return None
        if answer.currency != request.currency:
            line.blame("LAUNCH-11", f"currency {request.currency}", f"currency {answer.currency} in /balance")
            return None
    findings.held({"LAUNCH-20"})
    return OpenGame(launch, game, answer.balance or 0, terms, rounds, wallet)
