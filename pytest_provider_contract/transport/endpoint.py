"""Where an operator's callbacks are."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an operator's callbacks are: scheme, host, port and the path before ``/bet``."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Endpoint:
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
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))

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
