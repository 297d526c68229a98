"""Starts the operator of examples/fastapi_postgres as a process, for any test that wants one.

with running_postgres_operator(public_key, ["alice:session-1:EUR:1000000"], [reward]) as url: ...
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVE_LOCALLY = Path(__file__).parents[2] / "examples" / "fastapi_postgres" / "serve_locally.py"
STOP_SECONDS = 20.0
RESTART_SECONDS = 20.0


@dataclass(frozen=True)
class PostgresOperator:
    url: str
    data: Path
    process: subprocess.Popen[str]

    @property
    def database_url(self) -> str:
        return (self.data / "database-url").read_text().strip()

    def kill_server(self) -> None:
        """End the wallet's process with kill -9 and return when another one has taken its place."""
        self._kill_and_wait(self.data / "wallet.pid")

    def kill_database(self) -> None:
        """End PostgreSQL with kill -9 and return when it runs again."""
        self._kill_and_wait(self.data / "cluster" / "postmaster.pid")

    def _kill_and_wait(self, pid_file: Path) -> None:
        killed = _read_pid(pid_file)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + RESTART_SECONDS
        while _read_pid(pid_file) in {None, killed}:
            assert time.monotonic() < deadline, f"{pid_file.name}: nothing was started again"
            time.sleep(0.02)


def _read_pid(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().splitlines()[0])
    except (OSError, IndexError, ValueError):
        return None


@contextmanager
def running_postgres_operator(public_key: Path, players: Sequence[str], rewards: Sequence[str] = ()) -> Iterator[str]:
    """Yield the URL of a new operator. Players are ID:SESSION:CURRENCY:BALANCE; the key is a PEM file."""
    with postgres_operator(public_key, players, rewards) as operator:
        yield operator.url


@contextmanager
def postgres_operator(
    public_key: Path, players: Sequence[str], rewards: Sequence[str] = (), data: Path | None = None
) -> Iterator[PostgresOperator]:
    """Yield a running operator with a handle on its processes, on new data or on that of an earlier run."""
    with _directory(data) as directory, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, SERVE_LOCALLY, "--public-key", public_key, "--data", directory),
                *(f"--player={player}" for player in players),
                *(f"--reward={reward}" for reward in rewards),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        with process:  # closes its standard input and waits
            assert process.stdout is not None
            announcement, _, url = process.stdout.readline().strip().rpartition(" ")
            if announcement != "listening on":
                process.wait(STOP_SECONDS)
                log.seek(0)
                raise RuntimeError(f"the operator did not start:\n{log.read()}")
            try:
                yield PostgresOperator(url, directory, process)
            finally:
                process.stdin.close()  # type: ignore[union-attr]
                process.wait(STOP_SECONDS)


@contextmanager
def _directory(data: Path | None) -> Iterator[Path]:
    """Make a directory that PostgreSQL, which root runs as `nobody`, can reach; tmp_path is root's alone."""
    if data is not None:
        yield data
        return
    made = Path(tempfile.mkdtemp(prefix="wallet-test-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
