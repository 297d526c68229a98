"""The command line ``provider-contract``: a group whose commands are loaded when they are called.

A command is a module of this package with a `click.Command` named ``command``. To add one,
write the module and add its name to `COMMANDS`.
"""

from __future__ import annotations

from importlib import import_module

import click

from pytest_provider_contract import __version__

# Names of the commands and of their modules, in the order of the help.
COMMANDS = ("doctor", "verify", "keygen", "replay", "diff", "rules", "faults", "rounds", "serve")


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """The command of a name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"{__name__}.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 - a mistake in this package, not in its use
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="provider-contract")
def main() -> None:
    """Tools around the provider contract; the contract itself is played by pytest --operator-url=URL."""
