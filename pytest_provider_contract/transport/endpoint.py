"""Where an operator's callbacks are."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an operator's callbacks are: scheme, host, port and the path before ``/bet``.

    With ``ca``, a PEM file of certificates, https trusts these and no others; without, those that
    this machine trusts.
    """

    scheme: str
    host: str
    port: int
    path: str
    ca: Path | None = None

    @classmethod
    def parse(cls, url: str, ca: Path | None = None) -> Endpoint:
        """Read a base URL.

        Raises:
            ValueError: It is not http(s), has no host or port, or carries what a base URL can't.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give an absolute URL such as https://wallet.example/provider")
        if parts.username or parts.password:
            raise ValueError("a user name or password in the URL is not supported")
        if parts.query or parts.fragment:
            raise ValueError("a base URL has neither query nor fragment")
        if any(c.isspace() or not c.isprintable() for c in url) or not url.isascii():
            raise ValueError("a URL has no white space and only ASCII characters")
        try:
            port = parts.port
        except ValueError:
            port = 0
        if port == 0:
            raise ValueError("a port is a number from 1 to 65535")
        port = port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/"), ca)

    @property
    def url(self) -> str:
        """The base URL again, without a trailing slash."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """Host and, unless it is the scheme's own, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def ca_file(path: Path) -> Path:
    """A file for `Endpoint.ca`.

    Raises:
        ValueError: It can't be read, or holds no certificate in PEM form.
    """
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ValueError("give a file of certificates in PEM form") from None
    except OSError as error:
        raise ValueError(f"the file can't be read: {error.strerror}") from None
    return path
