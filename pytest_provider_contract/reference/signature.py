"""Is it the provider who calls?"""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


class Verifier:
    """Checks ``X-Marbles-Signature``: RSA with SHA-256 and PKCS #1 v1.5, in base64.

    What is verified are the bytes that came over the wire. A body that was read and written again
    is another body: key order, white space and escapes are free to the provider.
    """

    def __init__(self, key: rsa.RSAPublicKey) -> None:
        self._key = key

    @classmethod
    def load(cls, path: Path) -> Verifier:
        """Reads the provider's public key from a PEM file.

        Raises:
            ValueError: The file holds something else.
        """
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except ValueError as problem:
            raise ValueError(f"{path} is not a public key in PEM form") from problem
        if not isinstance(key, rsa.RSAPublicKey):
            raise ValueError(f"{path} is not an RSA key")  # noqa: TRY004  the file is wrong, not the program
        return cls(key)

    def accepts(self, body: bytes, signature: str | None) -> bool:
        """Whether the signature is the provider's, of exactly this body."""
        if signature is None:
            return False
        decoded = self._decode(signature)
        return decoded is not None and self._is_signed(body, decoded)

    def _decode(self, signature: str) -> bytes | None:
        try:
            return base64.b64decode(signature, validate=True)
        except ValueError:
            return None

    def _is_signed(self, body: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, body, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True
