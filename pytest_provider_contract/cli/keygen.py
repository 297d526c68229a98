"""``provider-contract keygen``: a key pair for certificates, or for callbacks."""

from __future__ import annotations

import os
from pathlib import Path

import click

_RSA_BITS = 3072


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--type",
    "kind",
    type=click.Choice(["ed25519", "rsa"]),
    default="ed25519",
    show_default=True,
    help="Certificates are signed with either; callbacks need rsa.",
)
def command(file: Path, kind: str) -> None:
    """Make a key pair.

    The private key goes to FILE, readable by its owner only, the public one beside it as
    .pub.pem. A file that is there already is left as it is.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    from pytest_provider_contract.signing import fingerprint_of

    public = file.with_suffix(".pub.pem")
    if public == file:
        raise click.UsageError(f"{file} is the name of a public key; give the private one, such as certify.pem")
    for path in (file, public):
        if os.path.lexists(path):  # not Path's own, which raises where a name is too long
            raise click.ClickException(f"{path} is there already and is left as it is; name another file")
    key = (
        ed25519.Ed25519PrivateKey.generate()
        if kind == "ed25519"
        else rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    )
    private_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _write_new(file, private_pem, 0o600)
    _write_new(public, public_pem, 0o644)
    click.echo(f"private key {file} (keep it to yourself)")
    click.echo(f"public key  {public} (for whoever verifies)")
    click.echo(f"fingerprint {fingerprint_of(key.public_key())}")


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}") from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)
