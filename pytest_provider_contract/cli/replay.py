"""``provider-contract replay``: one recorded failure once more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(context: click.Context, file: Path, options: tuple[str, ...]) -> None:
    """Play a recorded failure again, with fresh ids and signatures.

    The same as pytest --operator-replay=FILE OPTIONS; give at least --operator-url=URL.
    The exit status is pytest's.
    """
    arguments = [sys.executable, "-m", "pytest", f"--operator-replay={file}", *options]
    context.exit(subprocess.run(arguments, check=False).returncode)  # noqa: S603 - the user's own arguments to pytest
