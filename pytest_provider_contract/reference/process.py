"""Runs the bundled operator as a process of its own, for as long as a test run needs it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pytest_provider_contract.reference.accounts import Account

_PACKAGES = Path(__file__).parents[2]
_BOOT = (
    "import sys; sys.path.append(sys.argv[1]);"
    " from pytest_provider_contract.reference.__main__ import main; main(sys.argv[2:])"
)
_USAGE_ERROR = 2
_START_SECONDS = 30
_STOP_SECONDS = 5


class RunningOperator:
    """An operator that is serving.

    Attributes:
        url: The base URL of the four callbacks.
        database: The SQLite file.
        process: The process that serves now.
    """

    def __init__(self, options: Sequence[str], database: Path, folder: Path) -> None:
        self._certificate = folder / "certificate.pem"
        self._options = [*options, f"--certificate={self._certificate}"]
        self._log = folder / "stderr.txt"
        self.database = database
        self.process, self.url = self._start(port=0)

    @property
    def certificate(self) -> Path | None:
        """What its clients are to trust, a PEM file; None where it does not speak TLS."""
        return self._certificate if self.url.startswith("https:") else None

    def kill(self) -> None:
        """Ends the process like a power cut: no clean-up, no last word."""
        self.process.kill()
        self._wait()

    def restart(self) -> None:
        """Starts again with the same database at the same address."""
        self.stop()
        port = int(self.url.rpartition(":")[2])
        self.process, self.url = self._start(port)

    def stop(self) -> None:
        """Ends the process, if it has not ended."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._wait()

    def _start(self, port: int) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-P", "-c", _BOOT, str(_PACKAGES), *self._options]
        with self._log.open("w") as log:
            process = subprocess.Popen(  # noqa: S603  our own program
                [*command, "--database", str(self.database), "--port", str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        alarm = threading.Timer(_START_SECONDS, process.kill)
        alarm.start()
        line = process.stdout.readline() if process.stdout else ""
        alarm.cancel()
        if line.startswith("listening on "):
            return process, line.removeprefix("listening on ").strip()
        self.process = process
        self.kill()
        reason = self._log.read_text(errors="replace").strip()
        if process.returncode == _USAGE_ERROR:
            raise ValueError(reason.rpartition("error: ")[2])
        raise RuntimeError(f"The bundled operator did not start.\n{reason}")

    def _wait(self) -> None:
        process = self.process
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def running(
    *,
    variant: str | None,
    public_key: Path | None,
    players: Sequence[Account],
    rewards: Sequence[str] = (),
    database: Path | None = None,
) -> Iterator[RunningOperator]:
    """Runs the bundled operator on a free loopback port.

    Args:
        variant: A fault or another way to keep the contract, several joined by ``+``, or None for the
            operator as it is.
        public_key: The provider's public key, or None to check no signatures.
        players: Who plays; a player whom the database knows keeps the balance.
        rewards: The granted rewards.
        database: The SQLite file to keep, or None for one that is removed at the end.

    Raises:
        ValueError: There is no such variant, or the key is none.
    """
    options = ["--unsigned"] if public_key is None else ["--public-key", str(public_key)]
    options += [f"--player={player}" for player in players]
    options += [f"--reward={reward}" for reward in rewards]
    if variant is not None:
        options.append(f"--variant={variant}")
    with tempfile.TemporaryDirectory(prefix="operator-", ignore_cleanup_errors=True) as folder:
        operator = RunningOperator(options, database or Path(folder) / "wallet.sqlite", Path(folder))
        try:
            yield operator
        finally:
            operator.stop()
