"""The whole suite against wallets that conform at random, over a wire in memory: every run ends green."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from honest_wallets import CHOICES, ERROR, PLAYERS, REWARD, Answered, Habits, Wallet
from memory_wire import CALM, ReferenceOperator, Weather, Wire

# Loaded before pytester takes its snapshot of modules: compiled ones can't be loaded twice.
import pytest_provider_contract.client
from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.ledger import MAX_AMOUNT
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.reference import messages
from pytest_provider_contract.reference.variants import Parts
from pytest_provider_contract.reference.wallet import Wallet as ReferenceWallet
from pytest_provider_contract.session import Session
from pytest_provider_contract.transport import Request

# A tracer costs these half their time, and every line that they reach others reach too.
pytestmark = pytest.mark.no_cover

MONEY = 10**10


def drawn_habits(chance: Random) -> Habits:
    return Habits(**{name: chance.choice(values) for name, values in CHOICES.items()})  # type: ignore[arg-type]


class InEuros(Wallet):
    """What is not in the players' currency is declined."""

    def refusal(self, c: Callback, amount: int) -> object:  # type: ignore[override]
        return super().refusal(c, amount) if c.currency == "EUR" else ERROR

    def win(self, c: Callback) -> Answered:
        return super().win(c) if c.currency == "EUR" else (ERROR, self.now(c))


class Behind(ReferenceWallet):
    """Puts an honest wallet behind the bundled operator's gateway, which deals with what is malformed."""

    honest: Wallet
    chance: Random | None = None  # of a wallet in another mood at every callback

    def answer(self, callback: messages.Callback) -> messages.Reply:
        """The honest wallet's answer."""
        wallet = self.honest
        if self.chance is not None:
            wallet.habits = replace(drawn_habits(self.chance), replay_tells=wallet.habits.replay_tells)
        status, told = wallet.answer(_as_sent(callback))
        currency = None if told is None else "EUR"
        return messages.Reply(status.value, callback.request_id, callback.player_id, currency, told)

    def refuse(self, request_id: str, player_id: str) -> messages.Reply:
        """The reply to a malformed callback."""
        money = self.honest.money.get(player_id)
        return messages.Reply(messages.UNKNOWN, request_id, player_id, "EUR" if money is not None else None, money)


def _as_sent(callback: messages.Callback) -> Callback:
    named = {name: getattr(callback, name, None) for name in ("transaction_id", "round_id", "game_id", "amount")}
    named |= {name: getattr(callback, name, None) for name in ("currency", "round_closed", "reward_id")}
    return Callback(
        Kind(type(callback).__name__.lower()),
        callback.request_id,
        callback.player_id,
        callback.session_id,
        callback.timestamp,
        reference_id=getattr(callback, "bet_id", None),
        is_free=getattr(callback, "is_free", None) or None,
        **named,
    )


class Operator(ReferenceOperator):
    """The gateway, with the honest wallet's money."""

    def __init__(self, wallet: type[Behind]) -> None:
        super().__init__(Parts(wallet=wallet), MONEY)
        self._wallet = wallet.honest

    def money(self) -> dict[str, int]:
        """Minor units per player."""
        return dict(self._wallet.money)


class KnowsItsGames(InEuros):
    """Bets of games that are not in the operator's list are declined."""

    games = ("0b6f6f43-1f0c-4a9c-9d0b-3f4f6d0e7a11", "8f2d3a90-64a1-4d0e-8f55-12d1c5b7e922")

    def refusal(self, c: Callback, amount: int) -> object:  # type: ignore[override]
        return super().refusal(c, amount) if c.game_id in self.games else ERROR


@pytest.fixture
def played(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Plays the suite against a wallet in memory."""

    def play(
        wallet: type[Behind], chance: Random, weather: Weather, *options: str, network: type[Wire] = Wire
    ) -> pytest.RunResult:
        wire = network(Operator(wallet), chance, weather)
        monkeypatch.setattr(pytest_provider_contract.client, "Pool", lambda _: wire)
        monkeypatch.setattr(Session, "_look_first", lambda _: None)  # it looks at the network too
        monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
        players = [f"--operator-player={player.player_id}:{player.session_id}:EUR" for player in PLAYERS]
        return pytester.runpytest_inprocess(
            *("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--operator-url=http://127.0.0.1:9"),
            *("--operator-unsigned", "--operator-effort=quick", f"--operator-reward={REWARD}", *players, *options),
        )

    return play


@pytest.mark.parametrize(("known", "green"), [(0, False), (1, True), (2, True)])
def test_a_wallet_that_takes_only_bets_of_games_it_knows(
    known: int, green: bool, played: Callable[..., pytest.RunResult]
) -> None:
    honest = KnowsItsGames(Habits(), {player.player_id: MONEY for player in PLAYERS})
    wallet = type("OneOfThem", (Behind,), {"honest": honest, "chance": None})
    games = [f"--operator-game={game}" for game in KnowsItsGames.games[:known]]
    done = played(wallet, Random(1), CALM, "--operator-rules=BET,WIN,IDEM-03,IDEM-04", "-rs", *games)
    assert done.ret == (pytest.ExitCode.OK if green else pytest.ExitCode.TESTS_FAILED)
    assert ("give a second --operator-game" in done.stdout.str()) is (known == 1)


class Closing(Wire):
    """Connections are often closed while idle, but a fresh one never is."""

    share = 0.3
    closed = False

    def _closes(self, request: Request) -> bool:
        self.closed = not self.closed and self._chance.random() < self.share
        return self.closed


class ClosingOnTheLargest(Wire):
    """A connection is closed in place of the first reply to a bet of the largest amount."""

    closed = False

    def _closes(self, request: Request) -> bool:
        first = not self.closed and str(MAX_AMOUNT).encode() in request.body
        self.closed = self.closed or first
        return first


@pytest.mark.parametrize(
    ("network", "rules"),
    [
        pytest.param(ClosingOnTheLargest, ["--operator-rules=AMOUNT-04"], id="once"),
        pytest.param(Closing, [], id="everything", marks=pytest.mark.long),
    ],
)
def test_what_a_closed_connection_kept_from_being_tested_is_played_again(
    network: type[Wire], rules: list[str], played: Callable[..., pytest.RunResult]
) -> None:
    honest = InEuros(Habits(), {player.player_id: MONEY for player in PLAYERS})
    done = played(type("OneOfThem", (Behind,), {"honest": honest}), Random(1), CALM, *rules, network=network)
    assert done.ret == pytest.ExitCode.OK


@pytest.mark.long
@pytest.mark.parametrize("fickle", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_wallet_that_conforms_at_random(seed: int, fickle: bool, played: Callable[..., pytest.RunResult]) -> None:
    chance = Random(seed)
    habits = drawn_habits(chance)
    honest = InEuros(habits, {player.player_id: MONEY for player in PLAYERS})
    wallet = type("OneOfThem", (Behind,), {"honest": honest, "chance": chance if fickle else None})
    # A late request comes soon: a wallet that is always overtaken by rollbacks could not be tested.
    weather = Weather(arrives=0.7) if habits.replay_tells == "current" else Weather(arrives=0.7, rereads=0, repeats=0)
    assert played(wallet, chance, weather).ret == pytest.ExitCode.OK, habits
