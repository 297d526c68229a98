"""What came back for one request, or how far it got."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from enum import StrEnum

Header = tuple[bytes, bytes]

BODY_LIMIT = 1 << 20


class Failure(StrEnum):
    """Why there is no complete reply."""

    REFUSED = "the connection was refused"
    UNREACHABLE = "the host can't be reached"
    TLS = "TLS failed"
    TIMEOUT = "no complete reply before the deadline"
    CLOSED = "the connection was closed without a reply"
    RESET = "the connection was reset"
    INCOMPLETE = "the connection was closed in the middle of the reply"
    NOT_HTTP = "the reply is not HTTP"
    TOO_LARGE = "the reply is larger than 1 MiB"
    ENCODING = "the reply's content encoding can't be undone"
    TRAILING = "bytes follow the end of the reply"
    CUT = "half of the request was sent, on purpose"
    ABANDONED = "the reply was not waited for, on purpose"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one request, or how far it got.

    Attributes:
        status: HTTP status, or None without a complete head.
        headers: Pairs of lower-case name and value.
        body: The decoded body; cut when `failure` says so.
        failure: Why the reply is not complete, or None.
        detail: More about the failure, in the words of the library that met it.
        idle: True when nothing came back on a connection that had served before, or on one of
            many new ones at the same time: the operator closed it while it was idle, or takes
            only a few, which is no fault, and the outcome is unknown.
        version: The version of HTTP.
    """

    status: int | None
    headers: tuple[Header, ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    failure: Failure | None = None
    detail: str = ""
    idle: bool = False
    version: str = "HTTP/1.1"

    @property
    def is_silent(self) -> bool:
        """Whether the connection ended before anything came back."""
        return self.status is None and self.failure in (Failure.CLOSED, Failure.RESET)

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key == wanted), None)


def decoded(reply: Reply) -> Reply:
    """The reply with its content encoding undone, or with the failure to do so."""
    coding = (reply.header("content-encoding") or "identity").strip().lower()
    if coding == "identity":
        return reply
    if coding not in ("gzip", "x-gzip", "deflate"):
        return replace(reply, failure=Failure.ENCODING, detail=coding[:40])
    try:
        decoder = zlib.decompressobj(wbits=47)  # 47: gzip or zlib, told apart by the header
        body = decoder.decompress(reply.body, BODY_LIMIT)
    except zlib.error as error:
        return replace(reply, failure=Failure.ENCODING, detail=str(error))
    if decoder.unconsumed_tail:
        return replace(reply, body=body, failure=Failure.TOO_LARGE)
    if not decoder.eof or decoder.unused_data:
        detail = "bytes follow the compressed body" if decoder.eof else "the compressed body ends too early"
        return replace(reply, body=body, failure=Failure.ENCODING, detail=detail)
    return replace(reply, body=body)
