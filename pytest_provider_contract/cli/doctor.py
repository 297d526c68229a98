"""``provider-contract doctor``: the first look alone, as a checklist."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pytest_provider_contract.history import Player
    from pytest_provider_contract.preflight.checkup import Checkup
    from pytest_provider_contract.signing import SigningKey
    from pytest_provider_contract.transport import Endpoint

_WRONG_USE = 4


class _WrongUseError(click.UsageError):
    """Wrong use, with pytest's exit status for it."""

    exit_code = _WRONG_USE


class _Command(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line, which may be wrong."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise _WrongUseError(error.format_message(), ctx) from None


@click.command(cls=_Command)
@click.argument("url")
@click.option(
    "--player",
    "--operator-player",
    "players",
    multiple=True,
    metavar="ID[:SESSION[:CURRENCY]]",
    help="A test player; repeatable. Without one only the way to the wallet is looked at.",
)
@click.option(
    "--key",
    "--operator-key",
    metavar="FILE|env:NAME",
    help="PEM private key that signs; by default the one in .provider-contract/.",
)
@click.option(
    "--ca",
    "--operator-ca",
    metavar="FILE",
    help="PEM certificates to trust over https instead of this machine's.",
)
@click.option(
    "--profile", "--operator-profile", default="155io", show_default=True, metavar="NAME|FILE", help="Contract dialect."
)
@click.option(
    "--max-stake",
    "--operator-max-stake",
    type=click.IntRange(min=1),
    metavar="N",
    help="Largest stake, in minor units.",
)
@click.option(
    "--rate",
    "--operator-rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="At most N callbacks a second.",
)
@click.option("--game", "--operator-game", metavar="UUID", help="A game that the wallet takes bets of.")
@click.option("--unsigned", "--operator-unsigned", is_flag=True, help="Send no signatures.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def command(
    context: click.Context,
    *,
    url: str,
    players: tuple[str, ...],
    key: str | None,
    ca: str | None,
    profile: str,
    max_stake: int | None,
    rate: float | None,
    game: str | None,
    unsigned: bool,
    as_json: bool,
) -> None:
    """Look whether it makes sense to test the wallet at URL (or reference, the bundled operator).

    A dozen callbacks at most if all is well; a bet that is placed is rolled back. Exit status 0
    if the suite can be played, 1 if the wallet or what is in front of it must be mended first,
    4 if the URL or an option is wrong.
    """
    import pytest

    from pytest_provider_contract import settings
    from pytest_provider_contract.preflight.examine import Target, examine

    if unsigned and key:
        raise _WrongUseError("--unsigned sends no signatures: leave --key out, or the other")
    try:
        dialect = settings.profile_of(profile)
        signing = None if unsigned else settings.key_of(key, Path.cwd())[0]
        known = tuple(settings.player_of(text) for text in players)
        if game:
            settings.uuid_of(game, "game", "a game that the wallet knows")
        with _wallet(url, ca, signing, known) as (endpoint, known):
            checkup = examine(Target(endpoint, dialect, signing, known, rate, max_stake, game=game))
    except pytest.UsageError as error:
        raise _WrongUseError(str(error)) from None
    if as_json:
        click.echo(json.dumps(checkup.to_json(), indent=1))
    else:
        for line in _told(checkup, looked_far=bool(known)):
            click.echo(line)
    stop = checkup.stop
    context.exit(0 if stop is None else _WRONG_USE if stop.wrong_use else 1)


@contextmanager
def _wallet(
    url: str, ca: str | None, key: SigningKey | None, players: tuple[Player, ...]
) -> Iterator[tuple[Endpoint, tuple[Player, ...]]]:
    from pytest_provider_contract.bundled import bundled_operator
    from pytest_provider_contract.settings import endpoint_of, trusting

    endpoint = None if url.partition(":")[0] == "reference" else endpoint_of(url)
    if ca:
        endpoint = trusting(endpoint, ca, Path.cwd())
    if endpoint:
        yield endpoint, players
        return
    with bundled_operator(url, key, players) as found:
        yield found


def _told(checkup: Checkup, *, looked_far: bool) -> list[str]:
    lines = [*checkup.checklist(_ticks()), "", f"{checkup.verdict}; {checkup.summary}"]
    if not looked_far and checkup.stop is None:
        lines.append("give --player=ID:SESSION:CURRENCY to look at signature, player and money too")
    return lines


def _ticks() -> Mapping[Any, str]:
    from pytest_provider_contract.preflight.checkup import Outcome

    marks: dict[Any, str] = {
        Outcome.GOOD: "\N{CHECK MARK}",
        Outcome.NOTICE: "!",
        Outcome.STOP: "\N{BALLOT X}",
        None: "-",
    }
    try:
        "".join(marks.values()).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return {**marks, Outcome.GOOD: "+", Outcome.STOP: "x"}
    return marks
