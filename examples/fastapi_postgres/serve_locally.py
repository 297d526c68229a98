"""The whole operator in one command: PostgreSQL out of a wheel, tables, players, and the wallet on a port.

    python serve_locally.py --public-key provider.pub.pem --player alice:session-1:EUR:1000000

Prints `listening on http://127.0.0.1:PORT` when it is ready; everything else goes to stderr. Runs until
its standard input ends, Ctrl-C or SIGTERM, and then stops what it started. Until then it starts a server
that died again, as a service manager would: the wallet (its process id is in DIR/wallet.pid) and PostgreSQL
(DIR/cluster/postmaster.pid) may be killed at any time. DIR/database-url is for looking into the books.
"""

import argparse
import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from local_postgres import LocalPostgres, LocalPostgresError
from seed import add_arguments, seed

HERE = Path(__file__).resolve().parent
READY_SECONDS = 20.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
RESTART_PAUSE_SECONDS = 0.5


class Wallet:
    """The uvicorn process. The listening socket is ours: callbacks wait in it while the process is replaced."""

    def __init__(self, listener: socket.socket, environment: dict[str, str], pid_file: Path) -> None:
        self._listener = listener
        self._environment = environment
        self._pid_file = pid_file
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._listener.getsockname()
        return host, port

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        descriptor = self._listener.fileno()
        self._process = subprocess.Popen(  # noqa: S603 - our own application
            [
                *(sys.executable, "-m", "uvicorn", "app:app", "--app-dir", HERE, "--fd", str(descriptor)),
                *("--no-access-log", "--log-level", "warning"),
                *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "5"),
            ],
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            pass_fds=[descriptor],
            start_new_session=True,
        )
        self._pid_file.write_text(f"{self._process.pid}\n")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pid_file.unlink(missing_ok=True)


def main() -> int:
    arguments = parse_arguments()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        try:
            data = arguments.data or stack.enter_context(temporary_data())
            data.mkdir(parents=True, exist_ok=True)
            postgres = stack.enter_context(closing(LocalPostgres(data.resolve())))
            postgres.start()
            seed(postgres.url, arguments.players, arguments.rewards)
            (data / "database-url").write_text(f"{postgres.url}\n")
        except LocalPostgresError as error:
            print(error, file=sys.stderr)
            return 1
        listener = stack.enter_context(listen(arguments.port))
        environment = {"DATABASE_URL": postgres.url, "PROVIDER_PUBLIC_KEY": str(arguments.public_key.resolve())}
        wallet = Wallet(listener, environment, data / "wallet.pid")
        stack.callback(wallet.stop)
        wallet.start()

        if not wait_until_ready(wallet, stop):
            return 1
        print("listening on http://{}:{}".format(*wallet.address), flush=True)
        threading.Thread(target=wait_for_end_of_input, args=(stop,), daemon=True).start()
        supervise(postgres, wallet, stop)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the example operator with a PostgreSQL of its own.")
    parser.add_argument("--public-key", type=Path, required=True, metavar="FILE", help="the provider's, PEM")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keeps the database; default: a temporary one")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    add_arguments(parser)
    arguments = parser.parse_args()
    if not arguments.public_key.is_file():
        parser.error(f"--public-key: there is no file {arguments.public_key}")
    return arguments


@contextmanager
def temporary_data() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wallet-data-", ignore_cleanup_errors=True) as data:
        yield Path(data)


@contextmanager
def listen(port: int) -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
        # The process that inherits it takes it for a Unix socket and would not set this on connections.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


def wait_until_ready(wallet: Wallet, stop: threading.Event) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while wallet.is_running and time.monotonic() < deadline and not stop.is_set():
        with suppress(OSError), closing(http.client.HTTPConnection(*wallet.address, timeout=1)) as connection:
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return True
        stop.wait(POLL_SECONDS)
    return False


def supervise(postgres: LocalPostgres, wallet: Wallet, stop: threading.Event) -> None:
    while not stop.wait(POLL_SECONDS):
        if not postgres.is_running:
            print("PostgreSQL died, starting it again", file=sys.stderr)
            postgres.start()
        if not wallet.is_running:
            print("the wallet died, starting it again", file=sys.stderr)
            wallet.start()
            stop.wait(RESTART_PAUSE_SECONDS)


def wait_for_end_of_input(stop: threading.Event) -> None:
    """Stop when whoever started us is gone. Input from /dev/null (`&`, a service) has no end to wait for."""
    standard_input = sys.stdin.fileno()
    if stat.S_ISCHR(os.fstat(standard_input).st_mode) and not os.isatty(standard_input):
        return
    with suppress(OSError):
        while os.read(standard_input, 4096):
            pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
