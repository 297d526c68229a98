"""DSSE envelopes: a payload and its signature in one small JSON file.

The envelope is that of github.com/secure-systems-lab/dsse, so other tools read it too. This
reader is stricter than the specification: the file must be, byte for byte, what `seal` writes,
so that nothing in it can change unnoticed, the unsigned parts included.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from pytest_provider_contract.signing import SigningKeyError, fingerprint_of, load_private_key

PAYLOAD_TYPE = "application/vnd.in-toto+json"
SIZE_LIMIT = 1 << 20
_LEAST_RSA_BITS = 2048

PublicKey = ed25519.Ed25519PublicKey | rsa.RSAPublicKey


class EnvelopeError(ValueError):
    """A file is no envelope, or not one that a key has signed; the message is one sentence."""


class CertificationKey:
    """A private key that signs certificates, Ed25519 or RSA, and never shows itself."""

    def __init__(self, private_key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> None:
        self._private_key = private_key
        self.fingerprint = fingerprint_of(private_key.public_key())

    def __repr__(self) -> str:
        return f"CertificationKey({self.fingerprint})"

    def __reduce__(self) -> str:
        raise TypeError("a certification key is not serialised")

    @property
    def algorithm(self) -> str:
        """How it signs."""
        return _algorithm(self._private_key.public_key())

    def sign(self, message: bytes) -> bytes:
        """The signature of a message: Ed25519, or RSA with PKCS#1 v1.5 and SHA-256."""
        if isinstance(self._private_key, ed25519.Ed25519PrivateKey):
            return self._private_key.sign(message)
        return self._private_key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def load_certification_key(where: str) -> CertificationKey:
    """Load the key that signs certificates.

    Args:
        where: A path, or ``env:NAME``.

    Raises:
        SigningKeyError: It can't be read, or is neither Ed25519 nor RSA of 2048 bits or more.
    """
    key = load_private_key(where)
    if not isinstance(key, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) or _is_weak(key):
        raise SigningKeyError(f"the key in {where} is neither Ed25519 nor RSA of 2048 bits or more")
    return CertificationKey(key)


def load_public_key(path: Path) -> PublicKey:
    """Load the public key that a certificate is verified with.

    Raises:
        SigningKeyError: It can't be read, is private, or of a kind that signs no certificates.
    """
    try:
        with path.open("rb") as file:
            pem = file.read(SIZE_LIMIT)
        key = serialization.load_pem_public_key(pem)
    except OSError as error:
        raise SigningKeyError(f"the key file {path} can't be read: {error.strerror}") from None
    except (ValueError, UnsupportedAlgorithm):
        what = "holds a private key; give the public half" if b"PRIVATE KEY" in pem else "is no PEM public key"
        raise SigningKeyError(f"{path} {what}") from None
    if not isinstance(key, PublicKey) or _is_weak(key):
        raise SigningKeyError(f"the key in {path} is neither Ed25519 nor RSA of 2048 bits or more")
    return key


def _is_weak(key: object) -> bool:
    return isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) and key.key_size < _LEAST_RSA_BITS


def _algorithm(key: PublicKey) -> str:
    return f"RSA {key.key_size} bits with SHA-256" if isinstance(key, rsa.RSAPublicKey) else "Ed25519"


def seal(payload: bytes, key: CertificationKey) -> bytes:
    """The envelope file of a payload, signed."""
    return _written(payload, PAYLOAD_TYPE, key.fingerprint, key.sign(_signed_bytes(PAYLOAD_TYPE, payload)))


def unseal(data: bytes, key: PublicKey) -> bytes:
    """The payload of an envelope file that a key has signed.

    Args:
        data: The file's bytes; they may be anything.
        key: Whose signature is required.

    Raises:
        EnvelopeError: It is no envelope, not signed with this key, or was changed.
    """
    payload, payload_type, key_id, signature = _read(data)
    if payload_type != PAYLOAD_TYPE:
        raise EnvelopeError("its payload is no in-toto statement")
    if key_id != fingerprint_of(key):
        raise EnvelopeError(f"it names another key than the given one, {fingerprint_of(key)}")
    try:
        _verify(key, signature, _signed_bytes(payload_type, payload))
    except InvalidSignature:
        raise EnvelopeError("its signature does not hold: it was changed, or signed with another key") from None
    if data != _written(payload, payload_type, key_id, signature):
        raise EnvelopeError("it is not byte for byte as it was issued")
    return payload


def _signed_bytes(payload_type: str, payload: bytes) -> bytes:
    # DSSE's pre-authentication encoding: no payload can be read as another type's.
    return b" ".join((b"DSSEv1", _counted(payload_type.encode()), _counted(payload)))


def _counted(data: bytes) -> bytes:
    return str(len(data)).encode() + b" " + data


def _verify(key: PublicKey, signature: bytes, message: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
    else:
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())


def _written(payload: bytes, payload_type: str, key_id: str, signature: bytes) -> bytes:
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
    }
    return json.dumps(envelope, indent=1).encode() + b"\n"


def _read(data: bytes) -> tuple[bytes, str, str, bytes]:
    if len(data) > SIZE_LIMIT:
        raise EnvelopeError("it is larger than any certificate")
    try:
        envelope = json.loads(data)
        (only,) = envelope["signatures"]
        payload, signature = (base64.b64decode(text, validate=True) for text in (envelope["payload"], only["sig"]))
        payload_type, key_id = envelope["payloadType"], only["keyid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EnvelopeError("it is no DSSE envelope with one signature") from None
    if not isinstance(payload_type, str) or not isinstance(key_id, str):
        raise EnvelopeError("it is no DSSE envelope with one signature")
    return payload, payload_type, key_id, signature
