"""What was sent and what came back: players, defects, exchanges."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.signing import Forgery
from pytest_provider_contract.transport import Fault, Reply

UNKNOWN_PLAYER = -1


@dataclass(frozen=True, slots=True)
class Player:
    """A test player: ids as the operator knows them; currency None until a balance told it."""

    player_id: str
    session_id: str = field(repr=False)
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Defect:
    """What is deliberately wrong with a request.

    Attributes:
        rule: The rule that says how the operator must take it.
        kind: ``forged`` signature, ``unreadable`` body, or one wrong ``field``.
        field: The contract name of the wrong field.
        json: JSON text that was put there; None when the field was left out.
        forgery: How a forged signature was made.
    """

    rule: str
    kind: str
    field: str | None = None
    json: str | None = None
    forgery: Forgery | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One callback and its reply.

    Attributes:
        callback: What the provider meant to send.
        path: The request's path behind the base URL.
        headers: The headers that were sent, the signature among them.
        body: The exact bytes that were signed and sent.
        reply: What came back.
        started_s: Monotonic seconds when the request began; of callbacks sent together, just
            before its last byte left.
        ended_s: Monotonic seconds when the reply was complete or given up.
        defect: What was deliberately wrong with the request, or None.
        fault: What was made to go wrong on its way, or None.
        twin: The other delivery of a request that was delivered twice; `reply` is the one that
            was complete first.
    """

    callback: Callback
    path: str
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes = field(repr=False)
    reply: Reply
    started_s: float
    ended_s: float
    defect: Defect | None = None
    fault: Fault | None = None
    twin: Exchange | None = None

    @property
    def kind(self) -> Kind:
        """Which of the four callbacks it is."""
        return self.callback.kind

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds from the first byte sent to the last byte received."""
        return (self.ended_s - self.started_s) * 1000
