"""``provider-contract rounds``: the open rounds of a running stand-in, and what to do about them."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import click

from pytest_provider_contract.cli.serve import PORT

_PATIENCE_S = 120  # a push waits for the wallet


@click.command()
@click.option("--at", "url", metavar="URL", default=f"http://127.0.0.1:{PORT}", show_default=True, help="The stand-in.")
@click.option("--all", "every", is_flag=True, help="Rounds that have ended too.")
@click.option("--push", metavar="ROUND", multiple=True, help="Push this round's settlement again; 'all' for every one.")
@click.option("--pending", metavar="ID", multiple=True, help="transactionId of a debit that your wallet has pending.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, url: str, every: bool, push: tuple[str, ...], pending: tuple[str, ...], as_json: bool) -> None:
    """List the open rounds of a running 'provider-contract serve', and why each is open.

    The exit status is 1 if a round is open or a pending debit must be voided, else 0.
    """
    base = url.rstrip("/") + "/stand-in"
    if not base.startswith(("http://", "https://")):
        raise click.UsageError(f"--at={url}: give the URL that 'provider-contract serve' has shown")
    for round_id in _to_push(base, push):
        _ask(f"{base}/rounds/{quote(round_id, safe='')}/push", {})
    rounds = _ask(f"{base}/rounds" + ("?all" if every else ""))
    void = _ask(f"{base}/pending", {"transactionIds": list(pending)})["void"] if pending else []
    if as_json:
        click.echo(json.dumps({"rounds": rounds, "void": void}, indent=2))
    else:
        _print(rounds, void)
    if void or any(played["stage"] == "open" for played in rounds):
        raise click.exceptions.Exit(1)


def _to_push(base: str, push: tuple[str, ...]) -> list[str]:
    if "all" not in push:
        return list(push)
    return [played["roundId"] for played in _ask(f"{base}/rounds") if played["settlement"]]


def _print(rounds: list[dict[str, Any]], void: list[str]) -> None:
    for played in rounds:
        why = f": {played['why']}" if played["why"] else ""
        sent = f", {played['settlement']} sent {played['attempts']} times" if played["settlement"] else ""
        click.echo(f"{played['stage']:<11} {played['roundId']}  {played['amount']} {played['currency']}{sent}{why}")
        click.echo(f"            player {played['clientPlayerId']}, bet {played['transactionId']}")
    if not rounds:
        click.echo("no open round")
    for id_ in void:
        click.echo(f"void        {id_}  the provider has no record of this bet: give the money back")


def _ask(url: str, fields: dict[str, Any] | None = None) -> Any:
    body = None if fields is None else json.dumps(fields).encode()
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - http(s), see above
    try:
        with urlopen(request, timeout=_PATIENCE_S) as reply:  # noqa: S310 - as above
            return json.load(reply)
    except HTTPError as error:
        with error:
            raise click.ClickException(_message(error)) from None
    except (URLError, OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise click.ClickException(
            f"no stand-in answers at {url}: {getattr(reason, 'strerror', None) or reason}; "
            "is 'provider-contract serve' running?"
        ) from None


def _message(error: HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}: is this the URL that 'provider-contract serve' has shown?"
