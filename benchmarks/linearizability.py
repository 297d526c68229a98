"""What the search for an order costs, over the number of callbacks and how many are at the same time.

    python benchmarks/linearizability.py

Histories are those of a wallet that keeps the contract, on one account. "told" wallets report
the balance at the moment of the effect, "late" ones read it some time after. Cells are milliseconds, median of
`TRIES`, and how many searches gave up; ratios between them are what counts.
"""

from __future__ import annotations

import statistics
import time
from random import Random

from pytest_provider_contract.callbacks import Callback, new_id
from pytest_provider_contract.checks import Answer
from pytest_provider_contract.ledger import Ledger, State
from pytest_provider_contract.linearizability import Operation, Situation, search
from pytest_provider_contract.profile import Kind, Status

TRIES = 9
WIDTHS = (2, 4, 6, 8, 10)
LENGTHS = (10, 50)
LEDGER = Ledger({"ann": "EUR"})


def bet(amount: int, transaction_id: str) -> Callback:
    """One bet of some minor units."""
    return Callback(
        Kind.BET,
        new_id(),
        "ann",
        "session",
        "now",
        transaction_id=transaction_id,
        round_id="round",
        game_id="game",
        amount=amount,
        currency="EUR",
    )


def group(width: int, telling: str, balance: int, chooser: Random, *, copies: bool) -> list[Operation]:
    """Accepted bets that overlap each other entirely, in the order of their effects, then shuffled."""
    operations = []
    shared = new_id()
    amounts = [10] * width if copies else [chooser.randint(1, 50) for _ in range(width)]
    effects = [balance - (amounts[0] if copies else sum(amounts[: i + 1])) for i in range(width)]
    for i, amount in enumerate(amounts):
        later = chooser.randint(i, width - 1)
        told = {"told": effects[i], "late": effects[later]}[telling]
        callback = bet(amount, shared if copies else new_id())
        operations.append(Operation(callback, Answer(Status.SUCCESS, told, "EUR"), 0.0, 1.0))
    chooser.shuffle(operations)
    return operations


def cost(length: int, width: int, telling: str, *, copies: bool, seed: int) -> tuple[float, bool]:
    """Milliseconds to judge a history of so many callbacks in groups, and whether it was judged at all."""
    chooser = Random(seed)  # noqa: S311 - no secret
    situations = {Situation(State({"ann": 1_000_000})): frozenset[str]()}
    started, complete = time.perf_counter(), True
    for _ in range(length // width):
        balance = next(iter(situations)).state.balances["ann"]
        operations = group(width, telling, balance, chooser, copies=copies)
        starts = {Situation(s.state, frozenset(range(width))): advice for s, advice in situations.items()}
        found = search(LEDGER, starts, operations)
        if not found.complete:
            complete = False
            break
        assert found.ends, "a wallet that keeps the contract was accused"  # noqa: S101
        situations = found.ends
    return (time.perf_counter() - started) * 1000, complete


def main() -> None:
    """Print a table per kind of wallet."""
    for copies in (True, False):
        for telling in ("told", "late"):
            print(f"{'copies of one bet' if copies else 'different bets'}, balance {telling}")
            print("  width    " + "".join(f"{width:>14}" for width in WIDTHS))
            for length in LENGTHS:
                cells = []
                for width in WIDTHS:
                    runs = [cost(length, width, telling, copies=copies, seed=seed) for seed in range(TRIES)]
                    gave_up = sum(not complete for _, complete in runs)
                    median_ms = statistics.median(ms for ms, _ in runs)
                    cells.append(f"{median_ms:9.1f} ({gave_up:>2})")
                print(f"  {length:>3} calls" + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
