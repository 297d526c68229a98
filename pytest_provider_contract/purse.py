"""The test players' money: what there is to bet with, and that everyone gets back what they had."""

from __future__ import annotations

from pytest_provider_contract.client import OperatorGoneError
from pytest_provider_contract.funds import NOMINAL_STAKE, Funds
from pytest_provider_contract.ledger import HUGE, LARGE
from pytest_provider_contract.profile import Kind, Status
from pytest_provider_contract.provider import Performance, Provider
from pytest_provider_contract.scenario import BetPlan, bet, rollback, scenario, win
from pytest_provider_contract.settings import Settings

_COMFORTABLE = 10 * NOMINAL_STAKE
_DRIFT = 1_000_000
_CHUNKS = 20
# Stakes tried in turn where bets are declined: limits of loss or turnover may leave room for small ones only.
_SMALLER = 5


class LimitUnknownError(Exception):
    """The bet that was to find out the operator's limit was answered too late.

    Attributes:
        performance: The bet, with its violation.
    """

    def __init__(self, performance: Performance) -> None:
        super().__init__("the operator's limit can't be found out")
        self.performance = performance


class Purse:
    """The money of a run's players.

    Args:
        provider: Plays for them.
        settings: Say how large a stake may be.
    """

    def __init__(self, provider: Provider, settings: Settings) -> None:
        self._provider = provider
        self._settings = settings
        self._start_balances: dict[int, int] = {}
        self._funds: Funds | None = None

    def funds(self) -> Funds:
        """What stakes may be drawn from; found out, and topped up for poor players, once.

        Raises:
            OperatorGoneError: The operator stopped answering.
            LimitUnknownError: It is too slow to say what it limits.
        """
        if self._funds is None:
            self._funds = self._survey()
        return self._funds

    def look_up(self) -> None:
        """Ask for every balance that is not known, so that money moving by itself shows later."""
        for index in range(len(self._provider.players)):
            if index not in self._provider.known:
                self._provider.balance(index)

    def refill(self, performance: Performance) -> None:
        """Bring back the money of players who have lost much of it: the next scenario should find some."""
        for index, left in performance.balances.items():
            if index in self._start_balances and left < self._start_balances[index] // 2:
                self._restore(index)

    def make_good(self, players: int) -> None:
        """Bring back what the first players have lost: a limit of losses may be what declines their bets."""
        for index in range(players):
            if index in self._start_balances and self._surplus(index) < 0:
                self._restore(index)

    def restore_drifted(self, players: int) -> None:
        """Bring the first players' money back where scenarios moved it far from what it was."""
        for index in range(players):
            if index in self._start_balances and abs(self._surplus(index)) >= _DRIFT:
                self._restore(index)

    def restore(self) -> list[str]:
        """Bring every player back to the balance the run began with, where the wallet lets it.

        Returns:
            A sentence about each player for whom it does not.
        """
        left_over = []
        for index in self._start_balances:
            try:
                left = self._restore(index)
            except OperatorGoneError:
                left = None
            if left != 0:
                player = self._provider.players[index].player_id
                amount = "not known" if left is None else f"{left:+,}".replace(",", " ") + " minor units"
                left_over.append(f"{player}: {amount}")
        return left_over

    # -- finding out --------------------------------------------------------------------------------

    def _survey(self) -> Funds:
        balances = []
        for index in range(len(self._provider.players)):
            self._begin(index)
            if 0 < self._provider.known.get(index, 0) < _COMFORTABLE:
                # A win is the one way in which a provider can make a poor player richer.
                self._provider.play(scenario(BetPlan(1, _COMFORTABLE, player=index), bet(), win()))
                self._begin(index)
            balances.append(self._provider.known.get(index, 0))
        poorest, asked_for = min(balances), self._settings.max_stake
        limited = False
        stake = min(asked_for or HUGE * 4, max(poorest, 1))
        for tried in (NOMINAL_STAKE, 500, 50, 5, 1):
            if tried > stake:
                continue
            if not self._is_limited(tried):
                break
            limited, stake = True, max(tried // 10, 1)
        if not limited and asked_for is None:
            # Whoever looks for the money first names a limit only where there is money. Not for all of it:
            # a wallet that never gives it back would have nothing left to be tested with.
            affordable = min(LARGE + 1, balances[0] // 2)
            limited = self._is_limited(LARGE + 1) or (
                NOMINAL_STAKE < affordable <= LARGE and self._is_limited(affordable)
            )
        return Funds(
            poorest,
            min(stake, NOMINAL_STAKE) if limited else stake,
            len(self._provider.players),
            bool(self._settings.rewards),
            allow_large=not limited and (asked_for is None or asked_for > HUGE),
            limited=limited,
        )

    def _begin(self, index: int) -> None:
        performance = self._provider.balance(index)
        if performance.violation is None:
            self._start_balances.setdefault(index, performance.balances[index])

    def _is_limited(self, amount: int) -> bool:
        performance = self._provider.play(scenario(BetPlan(amount), bet(), rollback()))
        if performance.violation is not None and performance.hangs:
            # Nothing is gained by waiting for it once more.
            raise LimitUnknownError(performance)
        wire = self._settings.profile.statuses[Status.BET_LIMIT].encode()
        return any(e.kind is Kind.BET and wire in e.reply.body for e in performance.exchanges)

    # -- bringing back ------------------------------------------------------------------------------

    def _restore(self, index: int) -> int | None:
        """Minor units that a player has too many afterwards; None where the wallet does not tell."""
        start = self._start_balances[index]
        most = self._settings.max_stake or (self._funds.max_stake if self._funds and self._funds.limited else None)
        declined, before = 0, None
        for number in range(_CHUNKS):
            if self._provider.balance(index).violation is not None:
                return None
            surplus = self._provider.known[index] - start
            if surplus == 0:
                return 0
            declined += surplus == before
            before = surplus
            if declined > 2 * _SMALLER:
                break
            # An ordinary stake on top of what is to go: a small one may be below the operator's least.
            money = max(self._provider.known[index], 1)
            ordinary = max(surplus, 0) + NOMINAL_STAKE
            stake = min(max(ordinary // 10 ** (declined % _SMALLER), 1), money, most or money)
            prize = max(stake - surplus, 0)
            if self._provider.known[index] == 0:
                # No stake can be paid: a bet of 0, or a win before its bet, as the wallet likes.
                free, early = BetPlan(0, prize - stake, player=index), BetPlan(stake, prize, player=index)
                plan = scenario(free, bet(), win()) if number % 2 == 0 else scenario(early, win(), bet())
            else:
                plan = scenario(BetPlan(stake, prize, player=index), bet(), win())
            if self._provider.play(plan).violation is not None:
                break
        if self._provider.balance(index).violation is not None:
            return None
        return self._provider.known[index] - start

    def _surplus(self, index: int) -> int:
        if index not in self._provider.known:
            self._provider.balance(index)
        start = self._start_balances[index]
        return self._provider.known.get(index, start) - start
