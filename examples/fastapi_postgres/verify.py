"""The provider's signature: RSA-SHA256, PKCS#1 v1.5, over the body exactly as it arrived."""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

SIGNATURE_HEADER = "X-Marbles-Signature"


class SignatureVerifier:
    """Knows the provider's public key and nothing else."""

    def __init__(self, public_key: RSAPublicKey) -> None:
        self._public_key = public_key

    @classmethod
    def from_pem_file(cls, path: Path) -> "SignatureVerifier":
        key = load_pem_public_key(path.read_bytes())
        if not isinstance(key, RSAPublicKey):
            raise TypeError(f"{path} holds no RSA public key")
        return cls(key)

    def accepts(self, body: bytes, signatures: Sequence[str]) -> bool:
        """Whether the body came with exactly one signature and the provider made it."""
        if len(signatures) != 1:
            return False
        try:
            signature = base64.b64decode(signatures[0], validate=True)
            self._public_key.verify(signature, body, PKCS1v15(), SHA256())
        except (binascii.Error, ValueError, InvalidSignature):
            return False
        return True
