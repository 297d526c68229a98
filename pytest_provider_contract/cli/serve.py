"""``provider-contract serve``: the stand-in for the provider's own API, until it is stopped."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pytest_provider_contract.finding import Finding
    from pytest_provider_contract.launch.provider_api import ProviderApi
    from pytest_provider_contract.launch.terms import Game

PORT = 8155
_LOOK_S = 0.2


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="Port, 0 for a free one.")
@click.option("--operator-url", metavar="URL", help="Base URL of the wallet's callbacks; without it only demo play.")
@click.option("--operator-ca", metavar="FILE", help="PEM certificates to trust over https instead of this machine's.")
@click.option("--operator-key", metavar="FILE|env:NAME", help="Private key that signs; by default one is made.")
@click.option("--operator-unsigned", is_flag=True, help="Send no signatures.")
@click.option("--operator-profile", metavar="NAME|FILE", default="155io", show_default=True, help="Contract dialect.")
@click.option("--operator-id", metavar="ID", help="The operatorId to insist on; by default any will do.")
@click.option("--allow", metavar="ADDRESS", multiple=True, help="An address or network that may call; repeatable.")
@click.option("--game", metavar="UUID:NAME", multiple=True, help="A game instead of the bundled ones; repeatable.")
def command(
    *,
    host: str,
    port: int,
    operator_url: str | None,
    operator_ca: str | None,
    operator_key: str | None,
    operator_unsigned: bool,
    operator_profile: str,
    operator_id: str | None,
    allow: tuple[str, ...],
    game: tuple[str, ...],
) -> None:
    """Serve a stand-in for the provider's own API.

    Findings are printed as they are made. The exit status after Ctrl-C or SIGTERM is 1 if a
    MUST rule was broken, else 0.
    """
    from pytest_provider_contract.launch.provider_api import ProviderApi
    from pytest_provider_contract.launch.server import serving
    from pytest_provider_contract.launch.terms import GAMES, Terms
    from pytest_provider_contract.profile import load_profile
    from pytest_provider_contract.settings import STATE_DIRECTORY
    from pytest_provider_contract.signing import key_in, load_key
    from pytest_provider_contract.transport import ca_file

    if operator_unsigned and operator_key:
        raise click.UsageError("--operator-unsigned sends no signatures: leave --operator-key out, or the other")
    option = "--operator-profile"
    try:
        profile = load_profile(operator_profile)
        option = "--operator-key"
        key = None
        if not operator_unsigned:
            key = load_key(operator_key) if operator_key else key_in(Path(STATE_DIRECTORY))
        option = "--allow"
        terms = Terms(operator_id=operator_id, games=tuple(map(_game, game)) or GAMES, allowed=allow)
        api = ProviderApi(profile, key, terms)
        option = "--operator-ca"
        ca = ca_file(Path(operator_ca)) if operator_ca else None
        option = "--operator-url"
        if operator_url:
            api.use_wallet(operator_url, ca)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None
    try:
        with serving(api, host, port):
            _introduce(api, operator_url, None if operator_key else Path(STATE_DIRECTORY))
            _watch(api)
    except OSError as error:
        raise click.ClickException(f"{host} port {port} can't be listened on: {error.strerror}") from None
    if api.findings.serious():
        raise click.exceptions.Exit(1)


def _game(text: str) -> Game:
    from pytest_provider_contract.launch.terms import Game

    id_, _, name = text.partition(":")
    if not (id_ and name):
        raise click.UsageError(f"--game={text}: give the game's id and name, as in 2469f711-…:Plinko")
    return Game(id_.lower(), name)


def _introduce(api: ProviderApi, operator_url: str | None, made_in: Path | None) -> None:
    click.echo(f"the provider's API is {api.url}: POST /game/url, POST /game/games")
    click.echo(f"  real play asks {operator_url}" if operator_url else "  demo play only: no --operator-url")
    if api.key is None:
        click.echo("  UNSIGNED: callbacks carry no signature")
    else:
        where = f"; the public half is {made_in / 'signing-key.pub.pem'}" if made_in else ""
        click.echo(f"  key {api.key.fingerprint}{where}")


def _watch(api: ProviderApi) -> None:
    """Print findings until the process is told to stop."""
    from pytest_provider_contract.launch.findings import told

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    shown: tuple[Finding, ...] = ()
    over = False
    while not over:
        over = stopped.wait(_LOOK_S)
        found = api.findings.all
        if len(found) > len(shown):
            click.echo("\n" + told(found[len(shown) :]))
            shown = found
    for played in api.rounds.open:
        click.echo(f"open  round {played.id}: {played.why}")
