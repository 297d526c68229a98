"""Keys and signatures, checked with a verifier of the test's own."""

from __future__ import annotations

import base64
import binascii
import copy
import json
import pickle
import stat
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from pytest_provider_contract.callbacks import Spelling, encode
from pytest_provider_contract.signing import (
    TEST_KEY,
    Forgery,
    SigningKey,
    SigningKeyError,
    generate_key,
    key_in,
    load_key,
)

FIELDS = {"requestId": "3f9e0c64", "amount": 1000, "roundClosed": True, "currency": "EUR"}


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return generate_key()


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    home = tmp_path_factory.mktemp("keys")
    key_in(home)
    return (home / TEST_KEY).read_bytes()


def accepted(public_pem: bytes, body: bytes, header: str | None) -> bool:
    """What an operator does: base64, then RSA-SHA256 with PKCS#1 v1.5 over the raw bytes."""
    public = serialization.load_pem_public_key(public_pem)
    assert isinstance(public, rsa.RSAPublicKey)
    try:
        signature = base64.b64decode(header or "", validate=True)
        public.verify(signature, body, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error):
        return False
    return True


class TestSignatures:
    @pytest.mark.parametrize("spelling", list(Spelling))
    def test_the_right_one_is_accepted_for_every_spelling(self, key: SigningKey, spelling: Spelling) -> None:
        body = encode(FIELDS, spelling)
        assert json.loads(body).items() >= FIELDS.items()
        assert accepted(key.public_pem, body, key.sign(body))
        assert key.verifies(body, key.sign(body))

    @pytest.mark.parametrize("forgery", list(Forgery))
    @pytest.mark.parametrize("spelling", list(Spelling))
    def test_every_forgery_is_refused(self, key: SigningKey, forgery: Forgery, spelling: Spelling) -> None:
        body = encode(FIELDS, spelling)
        header = key.forge(body, forgery)
        assert not accepted(key.public_pem, body, header)
        assert header is None or not key.verifies(body, header)
        assert header is None or header.isascii()

    def test_a_forgery_is_wrong_in_the_way_it_says(self, key: SigningKey) -> None:
        body = encode(FIELDS)
        public = serialization.load_pem_public_key(key.public_pem)
        assert isinstance(public, rsa.RSAPublicKey)
        forged = {f: base64.b64decode(key.forge(body, f) or "") for f in (Forgery.PSS, Forgery.SHA1)}
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        public.verify(forged[Forgery.PSS], body, pss, hashes.SHA256())
        public.verify(forged[Forgery.SHA1], body, padding.PKCS1v15(), hashes.SHA1())
        assert key.forge(body, Forgery.ABSENT) is None
        assert key.forge(body, Forgery.EMPTY) == ""
        assert accepted(
            key.public_pem, body.replace(b": ", b":").replace(b":", b": ", 1), key.forge(body, Forgery.CHANGED_SPACE)
        )
        truncated = base64.b64decode(key.forge(body, Forgery.TRUNCATED) or "")
        assert base64.b64decode(key.sign(body)).startswith(truncated)
        assert len(base64.b64decode(key.forge(body, Forgery.OTHER_KEY) or "")) == 256

    @pytest.mark.parametrize("body", [b"", b"{}", b"no digit", b"1", b"\xff" * 10])
    def test_a_changed_body_is_another_body_whatever_it_is(self, key: SigningKey, body: bytes) -> None:
        assert not accepted(key.public_pem, body, key.forge(body, Forgery.CHANGED_AMOUNT))

    @pytest.mark.parametrize("header", ["", "*", "QUJD", "QUJD\n", "ä", "=" * 9])
    def test_verifies_says_no_to_anything_else(self, key: SigningKey, header: str) -> None:
        assert not key.verifies(b"{}", header)

    def test_openssl_agrees(self, tmp_path: Path) -> None:
        body = encode(FIELDS)
        (tmp_path / "body").write_bytes(body)
        (tmp_path / "sig").write_bytes(base64.b64decode(key_in(tmp_path).sign(body)))
        try:
            done = subprocess.run(
                ["openssl", "dgst", "-sha256", "-verify", "signing-key.pub.pem", "-signature", "sig", "body"],
                cwd=tmp_path,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            pytest.skip("openssl is not installed")
        assert done.stdout.strip() == b"Verified OK"


class TestSecrecy:
    def test_a_key_shows_its_fingerprint_only(self, key: SigningKey) -> None:
        assert repr(key) == str(key) == f"SigningKey({key.fingerprint})"
        assert key.fingerprint.startswith("SHA256:")
        assert "PRIVATE" not in repr(vars(key))

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_it_is_not_serialised(self, key: SigningKey, protocol: int) -> None:
        with pytest.raises(TypeError, match="not serialised"):
            pickle.dumps(key, protocol)
        with pytest.raises(TypeError, match="not serialised"):
            copy.deepcopy(key)

    @pytest.mark.parametrize("damage", [lambda p: p[:-200], lambda p: p.replace(b"M", b"N"), lambda p: p])
    def test_no_message_holds_any_of_the_key(self, pem: bytes, damage: object, monkeypatch: pytest.MonkeyPatch) -> None:
        broken = damage(pem)  # type: ignore[operator]
        monkeypatch.setenv("TEST_KEY", broken.decode())
        lines = [line for line in pem.decode().splitlines() if not line.startswith("---")]
        for where in ("env:TEST_KEY", broken.decode()):
            try:
                load_key(where)
            except SigningKeyError:
                text = traceback.format_exc()
                assert not any(line[:20] in text for line in lines)


class TestStored:
    def test_a_key_is_made_once_for_its_owner_only(self, tmp_path: Path) -> None:
        home = tmp_path / "a" / ".provider-contract"
        made, private = key_in(home), home / TEST_KEY
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
        assert (home / ".gitignore").read_text() == "*\n"
        assert {p.name for p in home.iterdir()} == {".gitignore", "signing-key.pem", "signing-key.pub.pem"}
        first = private.read_bytes()
        assert key_in(home).fingerprint == made.fingerprint
        assert private.read_bytes() == first
        public = (home / "signing-key.pub.pem").read_bytes()
        assert public == load_key(str(private)).public_pem
        assert accepted(public, b"{}", load_key(str(private)).sign(b"{}"))

    def test_a_lost_public_half_is_written_again(self, tmp_path: Path) -> None:
        key_in(tmp_path)
        public = tmp_path / "signing-key.pub.pem"
        content = public.read_bytes()
        public.unlink()
        key_in(tmp_path)
        assert public.read_bytes() == content

    def test_many_runs_that_start_together_agree(self, tmp_path: Path) -> None:
        code = (
            "import sys; from pathlib import Path; from pytest_provider_contract.signing import *; "
            "print(key_in(Path(sys.argv[1])).fingerprint)"
        )
        runs = [
            subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "k")], stdout=subprocess.PIPE)
            for _ in range(4)
        ]
        told = {run.communicate(timeout=60)[0] for run in runs}
        assert len(told) == 1
        assert told != {b""}
        assert len(list((tmp_path / "k").iterdir())) == 3

    def test_a_place_that_can_not_be_written_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(SigningKeyError, match=r"^no test key can be stored in .* give one with --operator-key$"):
            key_in(tmp_path / "file" / "below")

    def test_a_stored_key_that_was_spoiled_is_told(self, tmp_path: Path) -> None:
        (tmp_path / TEST_KEY).write_text("spoiled")
        with pytest.raises(SigningKeyError, match="is no PEM private key"):
            key_in(tmp_path)


def one_sentence(error: pytest.ExceptionInfo[SigningKeyError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 300
    assert error.value.__cause__ is None
    return message


class TestLoaded:
    def test_from_a_file(self, tmp_path: Path, pem: bytes) -> None:
        (tmp_path / "k.pem").write_bytes(pem)
        assert load_key(str(tmp_path / "k.pem")).verifies(b"x", load_key(str(tmp_path / "k.pem")).sign(b"x"))

    @pytest.mark.parametrize(
        "written", [lambda p: p, lambda p: p.replace("\n", "\\n"), lambda p: p.replace("\n", "\r\n")]
    )
    def test_from_the_environment(self, pem: bytes, written: object, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEST_KEY", written(pem.decode()))  # type: ignore[operator]
        assert load_key("env:TEST_KEY").public_pem.startswith(b"-----BEGIN PUBLIC KEY-----")

    def test_in_the_older_pem_format(self, tmp_path: Path) -> None:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (tmp_path / "k.pem").write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
            )
        )
        assert load_key(str(tmp_path / "k.pem")).fingerprint == SigningKey(private).fingerprint

    @pytest.mark.parametrize("style", ["PKCS8", "TraditionalOpenSSL"])
    def test_not_an_encrypted_one(self, tmp_path: Path, style: str) -> None:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (tmp_path / "k.pem").write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                getattr(serialization.PrivateFormat, style),
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
        with pytest.raises(SigningKeyError) as error:
            load_key(str(tmp_path / "k.pem"))
        assert one_sentence(error).endswith("is encrypted; give one without a passphrase")

    def test_not_a_public_one(self, tmp_path: Path, key: SigningKey) -> None:
        (tmp_path / "k.pem").write_bytes(key.public_pem)
        with pytest.raises(SigningKeyError) as error:
            load_key(str(tmp_path / "k.pem"))
        assert one_sentence(error).endswith("is a public key; give the private one")

    def test_not_one_of_another_kind(self, tmp_path: Path) -> None:
        (tmp_path / "k.pem").write_bytes(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        with pytest.raises(SigningKeyError) as error:
            load_key(str(tmp_path / "k.pem"))
        assert one_sentence(error).endswith("is no RSA key")

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"hello",
            b"\x00\xff" * 50,
            b"-----BEGIN PRIVATE KEY-----\n",
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ],
    )
    def test_not_garbage(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "k.pem").write_bytes(content)
        with pytest.raises(SigningKeyError) as error:
            load_key(str(tmp_path / "k.pem"))
        assert one_sentence(error).endswith("is no PEM private key")

    def test_not_what_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_SUCH_KEY", raising=False)
        monkeypatch.setenv("EMPTY_KEY", "")
        for where, message in (
            (str(tmp_path / "none.pem"), "can't be read: No such file or directory"),
            (str(tmp_path), "can't be read: Is a directory"),
            ("env:NO_SUCH_KEY", "the environment variable NO_SUCH_KEY is not set"),
            ("env:EMPTY_KEY", "is not set"),
            ("env:", "names no environment variable"),
        ):
            with pytest.raises(SigningKeyError) as error:
                load_key(where)
            assert message in one_sentence(error)

    def test_not_the_key_itself(self, pem: bytes) -> None:
        with pytest.raises(SigningKeyError) as error:
            load_key(pem.decode())
        assert one_sentence(error) == "give a file or env:NAME, not the key itself"
