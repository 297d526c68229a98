"""An operator's connections: one for callbacks in turn, more (or one of HTTP/2) for those sent together."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pytest_provider_contract.transport.connection import Connection
from pytest_provider_contract.transport.endpoint import Endpoint
from pytest_provider_contract.transport.flight import Flight, fly
from pytest_provider_contract.transport.http2 import Multiplex
from pytest_provider_contract.transport.request import Fault, Request, Timed

# A further connection that takes longer is not waited for: some operators accept only a few.
_OPENING_S = 3.0
_TRIES = 3
# For the operator to take in what was sent ahead, so that it waits for the last bytes.
_SETTLE_S = 0.003
_FORGIVEN = 3


class Pool:
    """Connections to one endpoint, kept warm; not thread-safe.

    An operator that serves one connection at a time, or accepts only a few, is asked in waves
    of as many as it takes.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connections = [Connection(endpoint)]
        self._multiplex = Multiplex(endpoint)
        self._capacity: int | None = None
        self._is_crowded = False
        self._forgiven = 0

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()
        self._multiplex.close()

    def exchange(self, request: Request) -> Timed:
        """Send one request and wait for its reply; the deadline includes connecting."""
        if request.fault is not None:
            return self.send_together([request])[0]
        first = self._connections[0]
        if not first.is_alive():
            # The operator may have threads for only so many.
            self.close()
        started_s = time.monotonic()
        reply = first.exchange(request.path, request.headers, request.body, request.deadline_s)
        return Timed(reply, started_s, time.monotonic())

    def send_together(self, requests: Sequence[Request]) -> list[Timed]:
        """Send requests at the same time; a `Timed` for each, in their order."""
        # What goes wrong on purpose goes wrong with one connection each.
        is_plain = len(requests) > 1 and all(request.fault is None for request in requests)
        landed = self._multiplex.send_together(requests) if is_plain else []
        return landed + self._send_side_by_side(requests[len(landed) :])

    def _send_side_by_side(self, requests: Sequence[Request]) -> list[Timed]:
        """Over HTTP/1.1, on a connection each."""
        landed: dict[int, list[Flight]] = defaultdict(list)
        waiting = [
            (number, request)
            for number, request in enumerate(requests)
            for _ in range(2 if request.fault is Fault.TWICE else 1)
        ]
        while waiting:
            size = self._capacity or len(waiting)
            wave, waiting = waiting[:size], waiting[size:]
            flights = self._prepared([request for _, request in wave])
            ready = [flight for flight in flights if flight.problem is None]
            if ready:
                self._fly(ready)
            for (number, request), flight in zip(wave, flights, strict=True):
                if ready and flight.problem is not None:
                    waiting.append((number, request))
                else:
                    landed[number].append(flight)
        return [_timed(landed[number]) for number in range(len(requests))]

    def _prepared(self, requests: Sequence[Request]) -> list[Flight]:
        while len(self._connections) < len(requests):
            self._connections.append(Connection(self._endpoint))
        flights = [Flight(c, request) for c, request in zip(self._connections, requests, strict=False)]
        started_s = time.monotonic()
        dead = flights
        for _ in range(_TRIES):
            _prepare(dead)
            time.sleep(_SETTLE_S)
            dead = [flight for flight in dead if not flight.is_alive()]
        ready = sum(flight.problem is None for flight in flights)
        if 0 < ready < len(flights) and time.monotonic() - started_s >= _OPENING_S:
            # Finding out once is enough.
            self._capacity = ready
        return flights

    def _fly(self, flights: Sequence[Flight]) -> None:
        under_way = {flight.connection for flight in flights}

        def starved() -> None:
            # An operator with few threads waits for more on a connection that is done with.
            idle = [c for c in self._connections if c.is_open and c not in under_way]
            for connection in idle:
                connection.close()
            self._is_crowded = self._is_crowded or bool(idle)

        def landed(flight: Flight) -> None:
            under_way.discard(flight.connection)
            if self._is_crowded:
                flight.connection.close()

        fly(flights, starved, landed)
        self._forgive(flights)

    def _forgive(self, flights: Sequence[Flight]) -> None:
        """Take the first silent closes of new connections for a limit that nobody told us.

        An operator that accepts only a few connections may close a further one only when its
        request is on the way. What was on it has an unknown outcome; fewer are sent together
        from then on. One that goes on like that loses callbacks, and is told so.
        """
        answered = [flight for flight in flights if flight.reply and flight.reply.status is not None]
        silent = [flight for flight in flights if flight.reply and flight.reply.is_silent and not flight.reply.idle]
        if answered and silent and self._forgiven < _FORGIVEN:
            self._forgiven += 1
            self._capacity = len(answered)
            for flight in silent:
                flight.reply = replace(flight.reply, idle=True) if flight.reply else None


def _prepare(flights: Sequence[Flight]) -> None:
    """Prepare flights, those that need a new connection side by side."""
    patience_s = [flight.request.deadline_s for flight in flights[:1]]
    patience_s += [min(flight.request.deadline_s, _OPENING_S) for flight in flights[1:]]
    opening = []
    for flight, opening_s in zip(flights, patience_s, strict=True):
        if flight.connection.is_alive():
            flight.prepare(opening_s)
        else:
            opening.append((flight, opening_s))
    if len(opening) == 1:
        opening[0][0].prepare(opening[0][1])
    elif opening:
        with ThreadPoolExecutor(len(opening)) as threads:
            for done in [threads.submit(flight.prepare, opening_s) for flight, opening_s in opening]:
                done.result()


def _timed(flights: Sequence[Flight]) -> Timed:
    """The outcome of all deliveries of one request; the first complete reply is the reply."""
    first, *others = sorted(flights, key=lambda flight: (flight.reply is None, flight.ended_s))
    return replace(first.timed(), twin=others[0].timed() if others else None)
