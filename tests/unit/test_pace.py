"""How a run deals with its time, on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from honest_wallets import PLAYERS, PROFILE

from pytest_provider_contract.profile import Kind
from pytest_provider_contract.run import ContractRun
from pytest_provider_contract.settings import EFFORTS, Settings
from pytest_provider_contract.transport import Endpoint


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def run_of(tmp_path: Path) -> Callable[[str, float, Clock], ContractRun]:
    def made(effort: str, answers_after_ms: float, clock: Clock) -> ContractRun:
        settings = Settings(
            target="http://127.0.0.1:9",
            endpoint=Endpoint.parse("http://127.0.0.1:9"),
            profile=PROFILE,
            key_source="none",
            players=PLAYERS,
            effort=EFFORTS[effort],
            unsigned=True,
            directory=tmp_path,
            seed=1,
        )
        run = ContractRun(settings, now=clock)
        for _ in range(100):
            run.client.recorder.latency[Kind.BET].add(answers_after_ms)
        return run

    return made


@pytest.mark.parametrize(
    ("effort", "answers_after_ms", "after_s", "cut"),
    [
        pytest.param("quick", 10, 50, False, id="a busy machine is no reason"),
        pytest.param("quick", 200, 30, False, id="slow, within the next effort's time"),
        pytest.param("quick", 200, 56, True, id="slow, at the end of the next effort's time"),
        pytest.param("standard", 200, 59, False, id="every rule fits into the effort's own time"),
        pytest.param("standard", 800, 200, False, id="very slow, within the next effort's time"),
        pytest.param("standard", 800, 290, True, id="very slow, at the end of it"),
        pytest.param("certify", 3000, 900, False, id="certify takes the time it needs"),
    ],
)
def test_a_slow_operator_is_cut_short_only_when_all_rules_would_take_too_long(
    run_of: Callable[[str, float, Clock], ContractRun], effort: str, answers_after_ms: float, after_s: float, cut: bool
) -> None:
    clock = Clock()
    run = run_of(effort, answers_after_ms, clock)
    clock.now_s += after_s
    assert run.out_of_time() is cut
    assert (run.results.slow is not None) is cut
    if run.results.slow:
        longer = {"quick": "standard", "standard": "certify"}[effort]
        assert run.results.slow.endswith(f"give --operator-effort={longer}")
