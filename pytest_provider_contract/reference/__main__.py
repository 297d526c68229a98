"""Starts the bundled operator: ``python -m pytest_provider_contract.reference --help``."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import sqlite3
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pytest_provider_contract.reference.accounts import Account

if TYPE_CHECKING:
    from pytest_provider_contract.reference.server import Server
    from pytest_provider_contract.reference.variants import Parts


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until it is told to stop, or until whoever started it is gone."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        _list()
        return
    if not options.unsigned and options.public_key is None:
        parser.error("give --public-key FILE, or --unsigned to check no signatures")
    temporary = tempfile.mkdtemp(prefix="operator-")

    def stop(*_: object) -> NoReturn:
        # At once: whatever is not committed yet is undone when the database is opened again.
        shutil.rmtree(temporary, ignore_errors=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        listener = socket.create_server((options.host, options.port), family=_family(options.host), backlog=1024)
        server = _build(options, options.database or Path(temporary, "wallet.sqlite"), listener)
    except (OSError, OverflowError, ValueError, sqlite3.Error) as problem:
        shutil.rmtree(temporary, ignore_errors=True)
        parser.error(str(problem))
    _stop_with_parent(stop)
    print(f"listening on {server.scheme}://{_address(listener)}", flush=True)
    server.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_provider_contract.reference",
        description="A wallet server that keeps the provider's contract, or with --variant breaks it in a named way.",
        allow_abbrev=False,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen at; 0 takes a free one (%(default)s)")
    parser.add_argument("--database", type=Path, metavar="FILE", help="SQLite file to keep; without it nothing is kept")
    parser.add_argument("--public-key", type=Path, metavar="FILE", help="the provider's RSA public key in PEM form")
    parser.add_argument("--unsigned", action="store_true", help="check no signatures")
    parser.add_argument(
        "--player",
        type=_account,
        action="append",
        default=[],
        metavar="ID:SESSION:CURRENCY:BALANCE",
        help="a player, the balance in minor units; one that the database knows keeps its balance (repeatable)",
    )
    parser.add_argument("--reward", action="append", default=[], metavar="UUID", help="a granted reward (repeatable)")
    parser.add_argument(
        "--variant",
        metavar="NAME",
        help="a fault, or another way to keep the contract; several, of different parts, joined by +",
    )
    parser.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="key and certificate of a variant that speaks TLS, in PEM form; made if missing",
    )
    parser.add_argument("--list", action="store_true", help="list the variants and exit")
    return parser


def _account(text: str) -> Account:
    try:
        return Account.parse(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


def _build(options: argparse.Namespace, database: Path, listener: socket.socket) -> Server:
    parts = _parts(options.variant)
    store = parts.wallet.store_class(database)
    for account in options.player:
        store.open_account(account)
    verifier = None if options.unsigned else parts.verifier.load(options.public_key)
    wallet = parts.wallet(store, frozenset(options.reward))
    return parts.server(parts.gateway(wallet, verifier, parts.reader()), listener, options.certificate)


def _parts(names: str | None) -> Parts:
    from pytest_provider_contract.reference import variants  # noqa: PLC0415

    return variants.Parts() if names is None else variants.parts(names)


def _list() -> None:
    from pytest_provider_contract.reference.variants import variants  # noqa: PLC0415

    if hasattr(signal, "SIGPIPE"):  # `--list | head` ends quietly
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    known = variants().values()
    wide = max(len(each.name) for each in known)
    for each in known:
        kind = f"{each.kind}: {' '.join(each.rules)}" if each.rules else each.kind
        print(f"{each.name:{wide}}  {kind}\n    {each.sentence}")


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _stop_with_parent(stop: Callable[[], NoReturn]) -> None:
    """Stops at the end of standard input, which comes when the parent closes it or dies.

    Only a pipe or a socket is watched: a terminal has Ctrl-C, and the ``/dev/null`` of a job in
    the background ends at once without meaning anything.
    """
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return

    def watch() -> None:
        while os.read(0, 4096):
            pass
        stop()

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1:])
