"""Envelopes: whatever changes in one is noticed, whatever is no envelope is named."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from pytest_provider_contract.dsse import (
    SIZE_LIMIT,
    CertificationKey,
    EnvelopeError,
    PublicKey,
    load_certification_key,
    load_public_key,
    seal,
    unseal,
)
from pytest_provider_contract.signing import SigningKeyError

PAYLOAD = '{"_type": "https://in-toto.io/Statement/v1", "note": "Žeton für 5 €"}'.encode()

WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - refused

Private = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def made(kind: str) -> Private:
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module", params=["ed25519", "rsa"])
def pair(request: pytest.FixtureRequest) -> tuple[CertificationKey, PublicKey]:
    private = made(request.param)
    return CertificationKey(private), private.public_key()


def pem(key: Private) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: object) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]


def test_what_is_sealed_is_unsealed(pair: tuple[CertificationKey, PublicKey]) -> None:
    key, public = pair
    assert unseal(seal(PAYLOAD, key), public) == PAYLOAD


def test_another_implementation_verifies_it(pair: tuple[CertificationKey, PublicKey]) -> None:
    key, public = pair
    envelope = Envelope.from_dict(json.loads(seal(PAYLOAD, key)))
    scheme = "ed25519" if isinstance(public, ed25519.Ed25519PublicKey) else "rsa-pkcs1v15-sha256"
    theirs = SSlibKey.from_crypto(public, keyid=key.fingerprint, scheme=scheme)
    assert envelope.payload == PAYLOAD
    assert envelope.payload_type == "application/vnd.in-toto+json"
    assert envelope.verify([theirs], 1) == {key.fingerprint: theirs}


def test_every_byte_counts(pair: tuple[CertificationKey, PublicKey]) -> None:
    """One byte changed, one left out, one put in, at every place of the file."""
    key, public = pair
    sealed = seal(PAYLOAD, key)
    for position in range(len(sealed)):
        before, own, after = sealed[:position], sealed[position], sealed[position + 1 :]
        for changed in (
            before + bytes([own ^ 1]) + after,
            before + bytes([own ^ 0x20]) + after,
            before + after,
            before + b" " + sealed[position:],
        ):
            with pytest.raises(EnvelopeError):
                unseal(changed, public)
    with pytest.raises(EnvelopeError):
        unseal(sealed + b"\n", public)


def test_another_key(pair: tuple[CertificationKey, PublicKey]) -> None:
    key, _ = pair
    with pytest.raises(EnvelopeError, match="names another key than the given one, SHA256:"):
        unseal(seal(PAYLOAD, key), made("ed25519").public_key())


def test_another_key_that_takes_the_name_of_the_right_one(pair: tuple[CertificationKey, PublicKey]) -> None:
    key, public = pair
    forged = CertificationKey(made("ed25519" if isinstance(public, ed25519.Ed25519PublicKey) else "rsa"))
    forged.fingerprint = key.fingerprint
    with pytest.raises(EnvelopeError, match="signature does not hold"):
        unseal(seal(PAYLOAD, forged), public)


def test_a_payload_of_another_type_is_not_taken_for_a_statement(pair: tuple[CertificationKey, PublicKey]) -> None:
    key, public = pair
    envelope = json.loads(seal(PAYLOAD, key))
    envelope["payloadType"] = "text/plain"
    with pytest.raises(EnvelopeError, match="no in-toto statement"):
        unseal(json.dumps(envelope, indent=1).encode() + b"\n", public)


def test_the_same_content_written_otherwise(pair: tuple[CertificationKey, PublicKey]) -> None:
    key, public = pair
    with pytest.raises(EnvelopeError, match="byte for byte"):
        unseal(json.dumps(json.loads(seal(PAYLOAD, key))).encode(), public)


def test_a_second_signature(pair: tuple[CertificationKey, PublicKey]) -> None:
    key, public = pair
    envelope = json.loads(seal(PAYLOAD, key))
    envelope["signatures"] *= 2
    with pytest.raises(EnvelopeError, match="one signature"):
        unseal(json.dumps(envelope, indent=1).encode(), public)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"1" * 10_000,
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"{}",
        b'{"payload": 1, "payloadType": [], "signatures": [{}]}',
        b'{"payload": "", "payloadType": "", "signatures": {"keyid": 1}}',
        b'{"payload": "\xc3\xa4", "payloadType": "x", "signatures": [{"keyid": "", "sig": ""}]}',
        b'{"payload": "", "payloadType": "\\ud800", "signatures": [{"keyid": "\\ud800", "sig": ""}]}',
        b"-----BEGIN PRIVATE KEY-----",
        b" " * (SIZE_LIMIT + 1),
        b'{"payload": "' + base64.b64encode(b"x" * 600_000) + b'", "payloadType": 1, "signatures": [{}]}',
    ],
)
def test_hostile_files(data: bytes) -> None:
    with pytest.raises(EnvelopeError) as caught:
        unseal(data, made("ed25519").public_key())
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_private_key_does_not_show_itself(kind: str) -> None:
    key = CertificationKey(made(kind))
    assert repr(key) == f"CertificationKey({key.fingerprint})"
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_private_keys_that_sign_no_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    for key in (curve, WEAK):
        (tmp_path / "key.pem").write_bytes(pem(key))  # type: ignore[arg-type]
        with pytest.raises(SigningKeyError, match="neither Ed25519 nor RSA of 2048 bits"):
            load_certification_key(str(tmp_path / "key.pem"))
    good = made("ed25519")
    monkeypatch.setenv("CERTIFY_KEY", pem(good).decode().replace("\n", "\\n"))
    assert load_certification_key("env:CERTIFY_KEY").fingerprint == CertificationKey(good).fingerprint
    with pytest.raises(SigningKeyError, match="the environment variable NONE is not set"):
        load_certification_key("env:NONE")


def test_public_keys_that_verify_none(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    for content, words in (
        (b"", "is no PEM public key"),
        (pem(made("ed25519")), "holds a private key; give the public half"),
        (public_pem(ec.generate_private_key(ec.SECP256R1()).public_key()), "neither Ed25519 nor RSA"),
        (public_pem(dsa.generate_private_key(2048).public_key()), "neither Ed25519 nor RSA"),
        (public_pem(WEAK.public_key()), "neither Ed25519 nor RSA"),
    ):
        path.write_bytes(content)
        with pytest.raises(SigningKeyError, match=words):
            load_public_key(path)
    with pytest.raises(SigningKeyError, match="can't be read"):
        load_public_key(tmp_path / "none.pem")
