"""What a test of the suite plays with: scenarios, storms, drawn sequences, replays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from pytest_provider_contract.artifacts import read_replay
from pytest_provider_contract.funds import Funds
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.progress import Progress
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.run import ContractRun, Stage
from pytest_provider_contract.saved import read_saved
from pytest_provider_contract.scenario import Scenario

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_RETRIES = 3
_RACE_REPLAYS = 50


@dataclass(frozen=True, slots=True)
class SuiteCheck:
    """What a test of the suite plays with: the run, its own rules, and progress."""

    run: ContractRun
    rules: tuple[str, ...]
    progress: Progress

    def __call__(self, *plans: Scenario, exact_amounts: bool = False) -> None:
        """Play scenarios; on a slow operator perhaps only the first ones."""
        self._begin(len(plans[0].steps))
        for plan in self.run.pace.cases(plans, self.rules):
            self._expect(plan, exact_amounts=exact_amounts)

    def _begin(self, callbacks: int) -> None:
        rule = self.rules[0]
        if self.run.pace.hurries(self.rules, callbacks):
            self.run.results.left_out += 1
            pytest.skip(f"time is short and {rule} was tested already; --operator-effort=certify leaves no test out")
        if self.run.pace.out_of_time():
            pytest.skip(f"not tested: {self.run.results.slow}")
        self.run.provider.thrifty = self.run.pace.is_slow

    def _expect(self, plan: Scenario, *, exact_amounts: bool) -> None:
        if not (plan.forges and self.run.settings.unsigned):
            about = plan if plan.rule else replace(plan, rule=self.rules[0])
            self.run.expect(about, exact_amounts=exact_amounts)
            # What keeps one rule of a test from being tested keeps the others from it too.
            if (reason := self.run.results.not_tested.get(about.rule or "")) is not None:
                for rule in self.rules:
                    self.run.results.not_tested.setdefault(rule, reason)

    def tour(self, stages: Sequence[Stage]) -> None:
        """Play dense scenarios if the operator is too slow for every test to play its own."""
        if self.run.funds().balance > 0 and self.run.pace.is_slow:
            self.run.provider.thrifty = True
            self.run.tour(stages)

    def replay(self) -> None:
        """Play the recorded failure of ``--operator-replay``, as it was recorded."""
        path = self.run.settings.replay
        assert path is not None  # noqa: S101 - the file is collected only with the option
        plan = read_replay(path)
        if plan.players > len(self.run.provider.players):
            self.not_tested("the recorded failure needs a second --operator-player")
        # A race may need many tries to show.
        for _ in range(1 if plan.is_plain else _RACE_REPLAYS):
            self.run.expect(plan, exact_amounts=True)

    def recheck(self) -> None:
        """Replay the transactions of ``--operator-recheck``."""
        path = self.run.settings.recheck
        assert path is not None  # noqa: S101 - the file is collected only with the option
        self.run.recheck(read_saved(path).keepsakes)

    def not_tested(self, reason: str) -> None:
        """Say why this test's rules can't be put to the test, and end it."""
        for rule in self.rules:
            self.run.results.not_tested.setdefault(rule, reason)
        pytest.skip(reason)

    def storm(self, *plans: Scenario, exact_amounts: bool = False) -> None:
        """Play scenarios over and over for a while: a race may need many tries to show."""
        self._begin(len(plans[0].steps))
        self.run.hold_bets()
        for plan in self.run.pace.storm(plans):
            self._expect(plan, exact_amounts=exact_amounts)

    def backoffs_ms(self, kind: Kind) -> list[tuple[int, ...]]:
        """Milliseconds between the provider's tries: scaled down, and with `certify` as they are too."""
        retry = self.run.settings.profile.retry
        scales = (0.01, 1.0) if self.run.settings.effort.name == "certify" and kind in retry.callbacks else (0.01,)
        delays_ms = [1000 * retry.first_delay_s * retry.factor**k for k in range(_RETRIES)]
        return [tuple(round(scale * delay) for delay in delays_ms) for scale in scales]

    def generated(self, strategy: Callable[[Funds], SearchStrategy[Scenario]], *, players: int, share: float) -> None:
        """Draw and play scenarios for a share of the time that is left."""
        # Hypothesis takes a quarter of a second to load, which no earlier test need wait for.
        from pytest_provider_contract.generate import draw_until  # noqa: PLC0415

        run = self.run
        funds = replace(run.funds(), players=min(players, run.funds().players))
        if funds.balance < 1:
            self.not_tested("a player has no money")
        if run.pace.out_of_time():
            pytest.skip(f"not tested: {run.results.slow}")
        run.purse.look_up()
        run.provider.thrifty = run.pace.is_slow
        rule = self.rules[0]
        self.progress.begin(f"{rule} {RULES[rule].text}")
        sequences = 0

        def play(plan: Scenario) -> None:
            nonlocal sequences
            run.expect(plan, exact_amounts=True)
            run.recall_when_due()
            sequences += 1
            run.results.exercised[rule] += 1
            self.progress.tick(sequences, run.client.recorder.sent)

        try:
            draw_until(
                strategy(funds),
                play,
                limit_s=run.pace.generation_s(share),
                number=run.settings.seed + players,
                least=1 if run.pace.is_slow else 3,
            )
        finally:
            self.progress.end()
