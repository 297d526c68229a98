"""Progress of long checks: one moving line on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_TERMINAL_S = 0.2
_LOG_S = 10.0


@dataclass(slots=True)
class Progress:
    """Tells how far a generated check has come.

    Args:
        write: Writes text at once, past any capture of output.
        moves: Whether it goes to a terminal on which a line can be overwritten.
        label: What is being checked.
    """

    write: Callable[[str], None]
    moves: bool
    label: str = ""
    _next_s: float = field(default_factory=lambda: time.monotonic() + _TERMINAL_S)
    _started: bool = False

    def begin(self, label: str) -> None:
        """Start over for another check."""
        self.label, self._started = label, False
        self._next_s = time.monotonic() + (_TERMINAL_S if self.moves else _LOG_S)

    def tick(self, sequences: int, callbacks: int) -> None:
        """Say how much was done, if it is time to."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + (_TERMINAL_S if self.moves else _LOG_S)
        text = f"{self.label}: {sequences:,} sequences, {callbacks:,} callbacks".replace(",", " ")
        self.write(f"\r\x1b[2K{text}" if self.moves else f"\n{text}\n")
        self._started = True

    def end(self) -> None:
        """Wipe the moving line."""
        if self._started and self.moves:
            self.write("\r\x1b[2K")
