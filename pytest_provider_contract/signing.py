"""Keys: made, stored, loaded, fingerprinted; signatures and the ways to get them wrong.

RSA with SHA-256 and PKCS#1 v1.5 padding over the raw body bytes, in base64 [D].
"""

from __future__ import annotations

import base64
import hashlib
import os
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

# The test key's file in its directory.
TEST_KEY = "signing-key.pem"
_BITS = 2048


class SigningKeyError(ValueError):
    """A key can't be used; the message is one sentence without any of the key's content."""


class Forgery(StrEnum):
    """Signatures that an operator must refuse [D]."""

    ABSENT = "absent"
    EMPTY = "empty"
    NOT_BASE64 = "not-base64"
    STRAY = "stray-characters"
    TRUNCATED = "truncated"
    OTHER_KEY = "other-key"
    CHANGED_AMOUNT = "changed-body"
    CHANGED_SPACE = "changed-white-space"
    TRIMMED = "trimmed-body"
    REUSED = "reused"
    PSS = "pss"
    SHA1 = "sha1"


class SigningKey:
    """An RSA private key that signs and never shows itself.

    Its representation is the fingerprint of its public half, so that a key in a traceback or
    in a fixture's repr gives nothing away; it can't be pickled.
    """

    def __init__(self, private_key: rsa.RSAPrivateKey) -> None:
        self._private_key = private_key

    def __repr__(self) -> str:
        return f"SigningKey({self.fingerprint})"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not serialised")

    @cached_property
    def public_pem(self) -> bytes:
        """The public half, to be handed to the operator."""
        return self._private_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @cached_property
    def fingerprint(self) -> str:
        """See `fingerprint_of`."""
        return fingerprint_of(self._private_key.public_key())

    @cached_property
    def _stranger(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=self._private_key.key_size)

    def sign(self, body: bytes) -> str:
        """The header value for a body."""
        signature = self._private_key.sign(body, padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(signature).decode()

    def forge(self, body: bytes, forgery: Forgery, earlier: str | None = None) -> str | None:
        """A header value that must be refused for this body; None leaves the header out.

        Args:
            body: The bytes that it goes with.
            forgery: What is wrong with it.
            earlier: A signature that was sent with another body, to be used again.
        """
        match forgery:
            case Forgery.ABSENT:
                return None
            case Forgery.EMPTY:
                return ""
            case Forgery.NOT_BASE64:
                return "*** not base64 ***"
            case Forgery.STRAY | Forgery.TRUNCATED:
                return _spoiled(self.sign(body), forgery)
            case Forgery.OTHER_KEY:
                return base64.b64encode(self._stranger.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode()
            case Forgery.CHANGED_AMOUNT | Forgery.CHANGED_SPACE | Forgery.TRIMMED:
                return self.sign(_changed(body, forgery))
            case Forgery.REUSED:
                # Sent again within a millisecond a balance is the same body, and the signature its own.
                reusable = earlier is not None and not self.verifies(body, earlier)
                return earlier if reusable else self.sign(body + b" ")
            case Forgery.PSS:
                pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
                return base64.b64encode(self._private_key.sign(body, pss, hashes.SHA256())).decode()
            case Forgery.SHA1:
                sha1 = hashes.SHA1()  # noqa: S303 - a weak hash that must be refused
                return base64.b64encode(self._private_key.sign(body, padding.PKCS1v15(), sha1)).decode()

    def verifies(self, body: bytes, signature: str) -> bool:
        """Whether a header value is right for a body."""
        try:
            raw = base64.b64decode(signature, validate=True)
            self._private_key.public_key().verify(raw, body, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True


def _spoiled(signature: str, forgery: Forgery) -> str:
    if forgery is Forgery.STRAY:
        return f"{signature[:20]}*{signature[20:40]}!{signature[40:]}"
    return base64.b64encode(base64.b64decode(signature)[:-8]).decode()


def fingerprint_of(key: PublicKeyTypes) -> str:
    """``SHA256:`` and the base64 digest of a public key's DER form, as ssh shows it."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def _changed(body: bytes, forgery: Forgery) -> bytes:
    if forgery is Forgery.TRIMMED:
        return body.rstrip() if body != body.rstrip() else body + b"\n"
    if forgery is Forgery.CHANGED_SPACE:
        return body.replace(b":", b": ", 1)
    # The last digit of the body: in a bet or win part of an amount or id, always content.
    for position in range(len(body) - 1, -1, -1):
        if body[position : position + 1].isdigit():
            digit = b"1" if body[position : position + 1] != b"1" else b"2"
            return body[:position] + digit + body[position + 1 :]
    return body + b" "


def generate_key() -> SigningKey:
    """A new RSA key of 2048 bits."""
    return SigningKey(rsa.generate_private_key(public_exponent=65537, key_size=_BITS))


def _private_pem(key: SigningKey) -> bytes:
    # In no variable of a function that may fail: pytest's --showlocals would show it.
    return key._private_key.private_bytes(  # noqa: SLF001 - the only place that writes a key
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_in(directory: Path) -> SigningKey:
    """The test key in a directory; made there if missing, its public half beside it.

    The private key is readable by its owner only, and a ``.gitignore`` keeps the directory
    out of version control.

    Raises:
        SigningKeyError: The directory can't be written, or what is in it is no key.
    """
    private = directory / TEST_KEY
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".gitignore").write_text("*\n", encoding="utf-8")
        key = load_key(str(private)) if private.exists() else _made(private)
        private.with_suffix(".pub.pem").write_bytes(key.public_pem)
    except OSError as error:
        raise SigningKeyError(
            f"no test key can be stored in {directory} ({error.strerror}); give one with --operator-key"
        ) from None
    return key


def _made(private: Path) -> SigningKey:
    """A new key, kept in a file; where another run was quicker, that one's."""
    key = generate_key()
    # Written aside and renamed, so that two starting runs never see half a key.
    draft = private.with_name(f".{private.stem}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(_private_pem(key))
    try:
        os.link(draft, private)
    except FileExistsError:
        return load_key(str(private))
    finally:
        draft.unlink()
    return key


def load_key(where: str) -> SigningKey:
    """Load the private key that signs callbacks from a PEM file or an environment variable.

    Args:
        where: A path, or ``env:NAME``.

    Raises:
        SigningKeyError: It is missing, unreadable, encrypted, public, or no RSA key.
    """
    key = load_private_key(where)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SigningKeyError(f"the key in {where} is no RSA key")
    return SigningKey(key)


def load_private_key(where: str) -> PrivateKeyTypes:
    """Load a private key of any kind.

    Args:
        where: A path, or ``env:NAME``.

    Raises:
        SigningKeyError: It is missing, unreadable, encrypted or public.
    """
    pem = _pem(where)
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise SigningKeyError(f"the key in {where} is encrypted; give one without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        what = "is a public key; give the private one" if b"PUBLIC KEY" in pem else "is no PEM private key"
        raise SigningKeyError(f"{where} {what}") from None


def _pem(where: str) -> bytes:
    if where.startswith("env:"):
        name = where.removeprefix("env:")
        if not name:
            raise SigningKeyError("env: names no environment variable; give env:NAME")
        value = os.environ.get(name)
        if not value:
            raise SigningKeyError(f"the environment variable {name} is not set")
        # CI systems often store a multi-line secret with literal \n.
        return value.replace("\\n", "\n").encode()
    if "-----BEGIN" in where:
        raise SigningKeyError("give a file or env:NAME, not the key itself")
    try:
        return Path(where).read_bytes()
    except OSError as error:
        raise SigningKeyError(f"the key file {where} can't be read: {error.strerror}") from None
