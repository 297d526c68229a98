"""``provider-contract rules``: the catalogue, and one rule explained."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import click

_WIDTH = 100
_SOURCES = {
    "T": "the provider's troubleshooting document",
    "D": "the provider's current documentation",
    "O": "an older edition of the provider's documentation",
    "I": "common practice of other seamless-wallet providers",
}
_MOST_FAULTS = 5


@click.command()
@click.argument("name", required=False, metavar="[ID|CHAPTER]")
def command(name: str | None) -> None:
    """List the rules, or explain one.

    With an ID such as ROLLBACK-03 the rule is shown with a sequence that keeps it and one that
    breaks it; with a CHAPTER such as ROLLBACK only its rules are listed.
    """
    from pytest_provider_contract.rules import CHAPTERS, RULES

    wanted = name.upper() if name else None
    if wanted in RULES:
        _explain(wanted)
        return
    if wanted is not None and wanted not in CHAPTERS:
        raise click.UsageError(f"{name} is neither a rule nor one of the chapters {', '.join(CHAPTERS)}")
    for chapter, title in CHAPTERS.items():
        ids = [id_ for id_, rule in RULES.items() if rule.chapter == chapter]
        if ids and wanted in (None, chapter):
            click.echo(f"{chapter}  {title}")
            for id_ in ids:
                rule = RULES[id_]
                click.echo(f"  {id_:<13}{rule.level:<8}{rule.text}  [{rule.source}]")
            click.echo()
    for letter, source in _SOURCES.items():
        click.echo(f"[{letter}] {source}")


def _explain(id_: str) -> None:
    from pytest_provider_contract.checks import grouped
    from pytest_provider_contract.examples import EXAMPLES, OPENING, WITHOUT
    from pytest_provider_contract.reference.variants import variants
    from pytest_provider_contract.rules import CHAPTERS, RULES

    rule = RULES[id_]
    click.echo(f"{rule.id} {rule.level}  {rule.text}\n")
    _field("chapter", CHAPTERS[rule.chapter])
    _field("source", _SOURCES.get(rule.source, rule.source))
    if rule.level == "SHOULD":
        _field("broken", "reported; fails a run only with --operator-strict")
    if rule.needs:
        _field("needs", rule.needs)
    breaking = [each for each in variants().values() if id_ in each.rules]
    # First those that break this rule above all, and little else.
    breaking.sort(key=lambda each: (each.rules[0] != id_, len(each.rules)))
    faults = [each.name for each in breaking]
    if faults:
        more = f", and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        _field("faults", ", ".join(faults[:_MOST_FAULTS]) + more)
        click.echo(f"  try      pytest --operator-url=reference:{faults[0]} --operator-rules={id_}")
    example = EXAMPLES.get(id_)
    if example is None:
        click.echo("\n" + WITHOUT.get(id_, "It has no example of one sequence."))
        return
    click.echo(f"\nKeeps it, from a balance of {grouped(OPENING)}:")
    _sequence(example.told(example.holds))
    click.echo("\nBreaks it:")
    _sequence(example.told(example.breaks), "   ← here")


def _field(label: str, text: str) -> None:
    indent = " " * 11
    click.echo(
        textwrap.fill(text, _WIDTH, initial_indent=f"  {label:<9}", subsequent_indent=indent, break_on_hyphens=False)
    )


def _sequence(lines: Sequence[tuple[str, str]], mark: str = "") -> None:
    wide = max(len(step) for step, _ in lines)
    for number, (step, answer) in enumerate(lines, 1):
        click.echo(f"  {step:<{wide}}  {answer}{mark if number == len(lines) else ''}")
