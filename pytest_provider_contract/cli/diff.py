"""``provider-contract diff``: what changed from one run's report to another's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from pytest_provider_contract.cli.printing import printable

_FILE = click.Path(path_type=Path)
# A report holds the evidence of every finding, and still no run writes that much.
_SIZE_LIMIT = 64 << 20
_ABOUT = (("target", "target"), ("profile", "profile"), ("profile_version", "profile version"), ("suite", "suite"))

Report = Mapping[str, Any]


@click.command()
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.pass_context
def command(context: click.Context, old: Path, new: Path) -> None:
    """Compare two report.json files rule by rule.

    Exit status 1 when a rule is broken that was not broken before, 0 otherwise.
    """
    before, after = _read(old), _read(new)
    for key, label in _ABOUT:
        if before["run"][key] != after["run"][key]:
            click.echo(printable(f"note  the {label} was {before['run'][key]} and is {after['run'][key]}"))
    changes = list(_changes(before, after))
    for label, rule in changes:
        click.echo(
            printable(f"{label:<14}  {rule['id']:<13}{rule['level']:<8}{rule['text']}{_why(label, rule, after)}")
        )
    if not changes:
        click.echo("no rule fares otherwise than before")
    context.exit(any(rule["state"] == "failed" and label != "still broken" for label, rule in changes))


def _changes(before: Report, after: Report) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rules that fare otherwise, or that are broken still, each with what happened to it."""
    known = {rule["id"]: rule["state"] for rule in before["rules"]}
    for rule in after["rules"]:
        then, now = known.pop(rule["id"], None), rule["state"]
        if label := _label(then, now):
            yield label, rule
    for rule in before["rules"]:
        if rule["id"] in known:
            yield "gone", {**rule, "state": "gone"}


def _label(then: str | None, now: str) -> str | None:
    if then is None:
        return f"new, {'broken' if now == 'failed' else now}"
    if now == "failed":
        return "still broken" if then == "failed" else "broken"
    if now == then:
        return None
    if now == "not tested":
        return "not tested now"
    return {"failed": "fixed", "not tested": "tested now"}.get(then) or (
        "followed" if now == "passed" else "not followed"
    )


def _why(label: str, rule: Mapping[str, Any], after: Report) -> str:
    if rule["state"] == "not tested" and rule.get("reason"):
        return f" ({rule['reason']})"
    if rule["state"] == "failed" and label != "still broken":
        for finding in after["findings"]:
            if rule["id"] in finding["rules"]:
                return f" (expected {finding['expected']}, got {finding['actual']})"
    return ""


def _read(path: Path) -> Report:
    from pytest_provider_contract.schemas import first_error

    try:
        with path.open("rb") as file:
            data = file.read(_SIZE_LIMIT + 1)
        report = json.loads(data) if len(data) <= _SIZE_LIMIT else None
    except OSError as error:
        raise click.UsageError(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        report = None
    if report is None:
        raise click.UsageError(printable(f"{path} is no report.json"))
    if wrong := first_error("report", report):
        raise click.UsageError(printable(f"{path} is no report.json of this version: {wrong}"))
    return report  # type: ignore[no-any-return]
