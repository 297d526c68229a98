"""``provider-contract verify``: whether a certificate holds, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytest_provider_contract.cli.printing import printable

if TYPE_CHECKING:
    from pytest_provider_contract.certificate import Certificate

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("certificate", type=_FILE)
@click.option("--key", "key_file", type=_FILE, required=True, help="Public key (PEM) of whoever you trust to certify.")
@click.option("--report", type=_FILE, help="report.json of the run, which must be the attested one.")
@click.option("--transcript", type=_FILE, help="Transcript of the run, likewise.")
def command(certificate: Path, key_file: Path, report: Path | None, transcript: Path | None) -> None:
    """Verify CERTIFICATE without a network and say what it attests.

    Exit status 0 when it holds, 1 when it does not, 2 for wrong use.
    """
    from pytest_provider_contract.certificate import CertificateError, read_certificate
    from pytest_provider_contract.dsse import SIZE_LIMIT, load_public_key
    from pytest_provider_contract.signing import SigningKeyError

    try:
        key = load_public_key(key_file)
    except SigningKeyError as error:
        raise click.UsageError(f"--key: {error}") from None
    try:
        with certificate.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
        found = read_certificate(data, key, datetime.now(UTC))
        if report is not None:
            found.check_report(report)
        if transcript is not None:
            found.check_transcript(transcript)
    except CertificateError as error:
        raise click.ClickException(printable(f"{certificate} does not hold: {error}")) from None
    except OSError as error:
        raise click.UsageError(f"{error.filename} can't be read: {error.strerror}") from None
    for label, text in _told(found, report, transcript):
        click.echo(printable(f"{label:<12} {text}"))


def _told(found: Certificate, report: Path | None, transcript: Path | None) -> list[tuple[str, str]]:
    contents = found.contents
    profile, keys = contents["profile"], contents["keys"]
    rules = contents["rules"]
    sent = sum(contents["callbacks"].values())
    return [
        ("HOLDS", "every MUST rule of the contract was put to the test and held"),
        ("wallet", contents["target"]["url"] + _aside(contents["target"])),
        ("contract", f"profile {profile['name']} {profile['version']}, suite {contents['suite']}"),
        ("MUST", _counts(rules, "MUST")),
        ("SHOULD", _counts(rules, "SHOULD") + (f": not followed {', '.join(found.warned)}" if found.warned else "")),
        *(("not tested", f"{r['id']}: {r.get('reason', '')}") for r in rules if r["state"] == "not tested"),
        ("played", f"{contents['sequences']} sequences, {sent} callbacks, seed {contents['seed']}"),
        ("tested", f"{found.started:%Y-%m-%d %H:%M:%S} to {found.ended:%Y-%m-%d %H:%M:%S} UTC"),
        ("valid", f"{found.term.issued:%Y-%m-%d} until {found.term.expires:%Y-%m-%d %H:%M:%S} UTC"),
        ("certified by", keys["certification"]),
        ("callback key", keys["callbacks"]),
        ("report", f"{report} is the attested one" if report else "not checked, give --report"),
        ("transcript", f"{transcript} is the attested one" if transcript else "not checked, give --transcript"),
    ]


def _aside(target: Mapping[str, str]) -> str:
    return "" if target["given"] == target["url"] else f" ({target['given']})"


def _counts(rules: list[dict[str, Any]], level: str) -> str:
    states = [rule["state"] for rule in rules if rule["level"] == level]
    return f"{len(states)} rules, {states.count('passed')} held"
