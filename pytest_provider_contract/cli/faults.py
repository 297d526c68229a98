"""``provider-contract faults``: the bundled operator's variants, wrong and right ones."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pytest_provider_contract.reference.variants import Variant

_HEADS = {
    "fault": "Faults, each with the rules it breaks (the first is the one to report):",
    "conforming": "Other ways to keep the contract, which must pass:",
}
_WIDTH = 100


@click.command()
@click.argument("rule", required=False)
def command(rule: str | None) -> None:
    """List the bundled operator's variants.

    With RULE (ROLLBACK or ROLLBACK-03) only the faults that break it. Each variant runs with
    pytest --operator-url=reference:NAME; NAME may be several of different parts, joined by +.
    """
    from pytest_provider_contract.reference.variants import variants

    known = [each for each in variants().values() if rule is None or _breaks(each, rule.upper())]
    if not known:
        raise click.ClickException(f"no bundled fault breaks {rule}; 'provider-contract faults' lists them all")
    for kind, head in _HEADS.items():
        of_kind = [each for each in known if each.kind == kind]
        if of_kind:
            click.echo(head + "\n\n" + "\n".join(_entry(each) for each in of_kind))


def _breaks(variant: Variant, rule: str) -> bool:
    return any(rule in (id_, id_.partition("-")[0]) for id_ in variant.rules)


def _entry(variant: Variant) -> str:
    head = variant.name + (f"  [{' '.join(variant.rules)}]" if variant.rules else "")
    return head + "\n" + textwrap.fill(variant.sentence, _WIDTH, initial_indent="    ", subsequent_indent="    ") + "\n"
