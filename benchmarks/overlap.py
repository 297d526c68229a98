"""How often a race shows: last bytes or last frames released together, against threads that post.

A wallet reads a balance and debits it a moment later; some bets of all the money are sent at
the same time. It is a hit when more than one is accepted. All ways take turns, so that a busy
machine slows all of them. Threads are measured as they are usually used, and once more with a
connection each and a barrier before they post. The same wallet is served by software that speaks
HTTP/2 too; only this package's way makes use of it there, because httpx shares a connection of
HTTP/2 badly among threads. Servers differ, so a way is compared with the others at its own. The
last line reads ``ratio R``: the rate of hits with last-byte synchronisation by that of the plain
threads, both at the server that speaks HTTP/1.1.

    python benchmarks/overlap.py [--variant overdraft-race-1ms] [--tries 200] [--width 2]
"""

from __future__ import annotations

import argparse
import json
import ssl
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial

import httpx

from pytest_provider_contract.callbacks import Callback, new_id, now
from pytest_provider_contract.client import Letter, OperatorClient
from pytest_provider_contract.profile import Kind, load_profile
from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.process import running
from pytest_provider_contract.transport import Endpoint, Overlap, overlap

BALANCE = 1000
Sent = tuple[list[bytes], Overlap]
Way = tuple[OperatorClient, Callable[[Sequence[Callback]], Sent]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default="overdraft-race-1ms")
    parser.add_argument("--tries", type=int, default=200)
    parser.add_argument("--width", type=int, default=2, help="bets at the same time")
    options = parser.parse_args()
    hits: dict[str, list[bool]] = defaultdict(list)
    measured: dict[str, list[Overlap]] = defaultdict(list)
    with ExitStack() as resources:
        plain = ways(options.variant, options.width, "last byte", resources)
        multiplexed = ways(f"{options.variant}+http-2", options.width, "one packet", resources)
        named = {**plain, **{f"HTTP/2 server, {name}": way for name, way in multiplexed.items()}}
        for _ in range(options.tries):
            for name, (client, send) in named.items():
                bets = [bet() for _ in range(options.width)]
                replies, reached = send(bets)
                accepted = [b for b, r in zip(bets, replies, strict=True) if json.loads(r)["status"] == "SUCCESS"]
                hits[name].append(len(accepted) > 1)
                measured[name].append(reached)
                for each in accepted:
                    client.send(rollback(each))
    for name, found in hits.items():
        spread_us = statistics.median(each.spread_s for each in measured[name]) * 1e6
        print(f"{name:36}  {sum(found):4} hits in {len(found)} tries, median spread {spread_us:4.0f} µs")
    print(f"ratio {sum(hits['last byte']) / max(sum(hits['threads']), 1):.2f}")


def ways(variant: str, width: int, own: str, resources: ExitStack) -> dict[str, Way]:
    """Start an operator; the ways to send it bets at the same time, with the client to clear up with.

    Args:
        variant: What is started.
        width: How many bets are sent at the same time.
        own: The name for this package's way.
        resources: Takes care of what is started.
    """
    players = [Account("p", "s", "EUR", BALANCE)]
    operator = resources.enter_context(running(variant=variant, public_key=None, players=players, rewards=[]))
    client = OperatorClient(Endpoint.parse(operator.url, operator.certificate), load_profile("155io"), None)
    shared, aligned = (resources.enter_context(closing(Threads(client, width, aligned=a))) for a in (False, True))
    resources.callback(client.close)
    return {
        own: (client, lambda bets: together(client, bets)),
        "threads": (client, shared.send),
        "threads at a barrier": (client, aligned.send),
    }


def together(client: OperatorClient, bets: Sequence[Callback]) -> Sent:
    """The way of this package: over HTTP/2 in one packet, else last bytes on connections of their own."""
    exchanges = client.send_together([Letter(each) for each in bets])
    return [e.reply.body for e in exchanges], overlap((e.started_s, e.ended_s) for e in exchanges)


class Threads:
    """Plain threads: one for each bet, which posts it with the client they share.

    Args:
        client: Encodes and signs, before a thread is started.
        width: How many there are.
        aligned: Whether they have a connection each and pass a barrier together.
    """

    def __init__(self, client: OperatorClient, width: int, *, aligned: bool) -> None:
        self._client = client
        self._barrier = threading.Barrier(width) if aligned else None
        trusting = ssl.create_default_context(cafile=client.endpoint.ca)
        new = partial(httpx.Client, base_url=client.endpoint.url, verify=trusting)
        shared = new()
        self._http = [new() if aligned else shared for _ in range(width)]

    def send(self, bets: Sequence[Callback]) -> Sent:
        """Post them all."""
        bodies = [self._client.encode(callback) for callback in bets]
        headers = [dict(self._client.headers(body)) for body in bodies]
        with ThreadPoolExecutor(len(bets)) as threads:
            done = list(threads.map(self._post, self._http, bodies, headers))
        return [body for body, *_ in done], overlap((start, end) for _, start, end in done)

    def _post(self, http: httpx.Client, body: bytes, headers: Mapping[bytes, bytes]) -> tuple[bytes, float, float]:
        if self._barrier is not None:
            self._barrier.wait()
        started_s = time.monotonic()
        reply = http.post("/bet", content=body, headers=headers)
        return reply.content, started_s, time.monotonic()

    def close(self) -> None:
        """Close all connections."""
        for http in self._http:
            http.close()


def bet() -> Callback:
    """A bet of all the money."""
    about = Callback(Kind.BET, new_id(), "p", "s", now(), transaction_id=new_id(), round_id=new_id())
    return replace(about, game_id=new_id(), amount=BALANCE, currency="EUR")


def rollback(of: Callback) -> Callback:
    """Undo a bet."""
    about = replace(of, kind=Kind.ROLLBACK, request_id=new_id(), transaction_id=new_id(), amount=None, currency=None)
    return replace(about, reference_id=of.transaction_id, round_closed=True)


if __name__ == "__main__":
    main()
