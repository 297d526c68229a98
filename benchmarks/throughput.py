"""Callbacks a second: the whole harness against a bare loop of signed posts.

The harness draws scenarios, signs, sends, validates, judges and records. The bare loop then sends
the very same callbacks under new ids with `httpx.Client`: encode, sign, post, and nothing else. The
two take turns at one operator, so that a busy machine slows both. The last line reads ``ratio R``:
the median rate of the harness by that of the loop.

    python benchmarks/throughput.py [--rounds 7] [--seconds 3] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx

from pytest_provider_contract.callbacks import Callback, new_id, now
from pytest_provider_contract.generate import draw_until
from pytest_provider_contract.history import Exchange, Player
from pytest_provider_contract.profile import Profile, load_profile
from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.process import running
from pytest_provider_contract.run import ContractRun
from pytest_provider_contract.scenario import Scenario
from pytest_provider_contract.settings import Settings
from pytest_provider_contract.signing import SigningKey, generate_key
from pytest_provider_contract.strategies import scenarios
from pytest_provider_contract.transport import Endpoint

REWARD = "5e6fa5f3-6f1c-4a3e-9c39-0a3a3b6d2b11"
BALANCE = 10**10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of the harness' turn")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        players = tuple(Player(f"player-{n}", f"session-{n}", "EUR") for n in (1, 2))
        key = generate_key()
        (folder / "provider.pub.pem").write_bytes(key.public_pem)
        accounts = [Account(p.player_id, p.session_id, "EUR", BALANCE) for p in players]
        operator = stack.enter_context(
            running(variant=None, public_key=folder / "provider.pub.pem", players=accounts, rewards=[REWARD])
        )
        run = ContractRun(_settings(operator.url, key, players, folder))
        client = stack.enter_context(httpx.Client(base_url=operator.url))
        harness, bare = [], []
        for number in range(-1, options.rounds):
            warming = number < 0
            seconds = min(options.seconds, 1.0) if warming else options.seconds
            rate, sent = harness_turn(run, seconds, options.seed + number + 1)
            against = bare_turn(client, run.settings.profile, key, renamed(sent))
            if not warming:
                harness.append(rate)
                bare.append(against)
                print(f"round {number + 1}: harness {rate:6.0f}/s  bare {against:6.0f}/s  ({len(sent)} callbacks each)")
        run.finish()
    ours, theirs = statistics.median(harness), statistics.median(bare)
    print(f"median  : harness {ours:6.0f}/s  bare {theirs:6.0f}/s")
    print(f"ratio {ours / theirs:.2f}")


def harness_turn(run: ContractRun, seconds: float, seed: int) -> tuple[float, list[Callback]]:
    """Play drawn scenarios; the rate, and what was sent."""
    sent: list[Callback] = []

    def note(exchange: Exchange) -> None:
        sent.append(exchange.callback)

    def play(plan: Scenario) -> None:
        run.expect(plan, exact_amounts=True)

    run.provider.known.clear()  # the bare loop moved money
    drawn = scenarios(replace(run.funds(), players=2))
    run.client.observer = note
    started = time.perf_counter()
    draw_until(drawn, play, limit_s=seconds, number=seed)
    elapsed = time.perf_counter() - started
    run.client.observer = None
    return len(sent) / elapsed, sent


def renamed(callbacks: Sequence[Callback]) -> list[Callback]:
    """The same callbacks under new ids: a replay stays a replay, a rollback still finds its bet."""
    names: dict[str, str] = {}

    def name(id_: str | None) -> str | None:
        return None if id_ is None else names.setdefault(id_, new_id())

    return [
        replace(
            each,
            transaction_id=name(each.transaction_id),
            reference_id=name(each.reference_id),
            round_id=name(each.round_id),
            game_id=name(each.game_id),
        )
        for each in callbacks
    ]


def bare_turn(client: httpx.Client, profile: Profile, key: SigningKey, callbacks: Sequence[Callback]) -> float:
    """Sign and post the callbacks; the rate."""
    started = time.perf_counter()
    for each in callbacks:
        fields = replace(each, request_id=new_id(), timestamp=now()).fields()
        body = json.dumps(fields, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", profile.signature_header: key.sign(body)}
        reply = client.post(profile.callbacks[each.kind].path, content=body, headers=headers)
        if reply.status_code != httpx.codes.OK:
            sys.exit(f"the operator answered {reply.status_code}")
    return len(callbacks) / (time.perf_counter() - started)


def _settings(url: str, key: SigningKey, players: tuple[Player, ...], folder: Path) -> Settings:
    return Settings(
        target=url,
        endpoint=Endpoint.parse(url),
        profile=load_profile("155io"),
        key=key,
        players=players,
        rewards=(REWARD,),
        directory=folder,
    )


if __name__ == "__main__":
    main()
