"""Which stranger answered: CDN, firewall, proxy or web framework, told by the page it sends.

A wallet answers callbacks with JSON of its own. What else comes back was written by
something in front of the wallet, or by the framework under it, and nearly all of them have
a page that names them. `recognise` is a pure function over a reply; nothing here sends.
"""

from __future__ import annotations

import html
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pytest_provider_contract.pages.marks import MARKS
from pytest_provider_contract.pages.marks import PageKind as PageKind
from pytest_provider_contract.redaction import address, readable
from pytest_provider_contract.transport import Reply

HTTP_OK = 200
_READ = 1 << 15
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that is not the wallet's own.

    Every text in it is short, on one line and printable, whatever the operator sent.

    Attributes:
        kind: What it means.
        maker: The product that wrote it, such as ``CloudFront`` or ``FastAPI``; empty if unknown.
        note: What it says about itself, in a few words.
        reference: The id that its maker's support asks for, or empty.
        caller: The address it saw the caller come from, where it tells; else empty.
        location: Where a redirect leads, or empty.
    """

    kind: PageKind
    maker: str = ""
    note: str = ""
    reference: str = ""
    caller: str = ""
    location: str = ""

    def __str__(self) -> str:
        said = f"{self.kind} of {self.maker}" if self.maker else str(self.kind)
        return said + (f": {self.note}" if self.note else "")


# What a page means by its status alone, where nothing else tells.
_BY_STATUS = {
    403: PageKind.BLOCKED,
    404: PageKind.NOT_FOUND,
    405: PageKind.METHOD,
    410: PageKind.NOT_FOUND,
    401: PageKind.CREDENTIALS,
    407: PageKind.CREDENTIALS,
    400: PageKind.VALIDATION,
    415: PageKind.VALIDATION,
    422: PageKind.VALIDATION,
    500: PageKind.CRASH,
    502: PageKind.PROXY,
    503: PageKind.PROXY,
    504: PageKind.PROXY,
}

_FRAMEWORKS: tuple[tuple[str, Callable[[Mapping[str, object]], bool]], ...] = (
    ("FastAPI", lambda d: set(d) == {"detail"} and isinstance(d["detail"], list)),
    ("FastAPI or Django REST framework", lambda d: set(d) == {"detail"}),
    ("Spring Boot", lambda d: {"timestamp", "status", "error", "path"} <= set(d)),
    ("ASP.NET Core", lambda d: {"type", "title", "status"} <= set(d) and isinstance(d["status"], int)),
    ("Fastify or NestJS", lambda d: {"statusCode", "message"} <= set(d)),
    ("Laravel", lambda d: set(d) == {"message", "errors"}),
    ("Laravel or Amazon API Gateway", lambda d: set(d) == {"message"}),
    ("Ruby on Rails", lambda d: set(d) == {"status", "error"} and isinstance(d["status"], int)),
    # One list of complaints per field.
    ("Django REST framework", lambda d: bool(d) and all(isinstance(value, list) for value in d.values())),
)

_LOGIN = re.compile(r"log-?in|sign-?in|signon|\bsso\b|oauth|openid|/auth\b|saml|/session/new", re.IGNORECASE)
_LOGIN_FORM = re.compile(r"<input[^>]{0,300}type\s*=\s*[\"']?password", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]{0,200}>(.{1,400}?)</title>", re.IGNORECASE | re.DOTALL)
_REFERENCES = (
    re.compile(r"Request ID: ([\w=+/-]{8,90})"),
    re.compile(r"Ray ID:\s*(?:<[^>]{0,80}>)?\s*([0-9a-f]{12,20})", re.IGNORECASE),
    re.compile(r"Reference\s*(#\S{6,60})"),
    re.compile(r"incident ID: ([\w-]{6,60})"),
    re.compile(r"support ID is: ?(\d{6,40})"),
)
_REFERENCE_HEADERS = ("x-amz-cf-id", "cf-ray", "x-azure-ref", "x-amzn-requestid", "x-iinfo", "ngrok-error-code")
# The words before the caller's address, and what may be one in the text that follows.
_CALLER = re.compile(r"Your IP\b|Client IP\b|IP address not allowed", re.IGNORECASE)
_AFTER_CALLER = 400
_ADDRESS = re.compile(r"[0-9a-f]{0,4}[.:][0-9a-f:.]{3,40}", re.IGNORECASE)


def recognise(reply: Reply) -> Page | None:
    """Tell what an answer is that the wallet itself did not write.

    Args:
        reply: A reply with a status; one without a complete head tells nothing.

    Returns:
        None for a JSON object that no framework is known to write, whatever its HTTP
        status: that may be the wallet's own. Else the page, by its own marks where it has
        some, and by its HTTP status otherwise.
    """
    document = _object(reply.body)
    if reply.status is None or (reply.status == HTTP_OK and document is not None):
        return None
    text = html.unescape(reply.body[:_READ].decode("utf-8", "replace")).strip()
    if 300 <= reply.status < 400 and (location := reply.header("location")):  # noqa: PLR2004 - HTTP's redirects
        kind = PageKind.LOGIN if _is_login(location) else PageKind.REDIRECT
        shown = one_line(address(location))
        return Page(kind, location=shown, note=f"it leads to {shown}")
    if mark := next((m for m in MARKS if m.fits(reply, text)), None):
        return Page(mark.kind, mark.maker, mark.note or _title(text), _reference(reply, text), _caller(reply, text))
    if document is not None:
        return _framework(reply.status, document)
    if _LOGIN_FORM.search(text):
        return Page(PageKind.LOGIN, note=_title(text))
    if reply.status == HTTP_OK and not _is_html(reply, text):  # JSON of another form, or a bare text
        return None
    return Page(kind_by_status(reply.status), note=_title(text))


def kind_by_status(status: int) -> PageKind:
    """What a page means by its HTTP status alone."""
    return _BY_STATUS.get(status, PageKind.OTHER)


def _framework(status: int, document: Mapping[str, object]) -> Page | None:
    """The JSON that web frameworks answer with by themselves, told by its keys."""
    kind = kind_by_status(status)
    maker = next((maker for maker, fits in _FRAMEWORKS if fits(document)), None)
    # A wallet's own code may refuse with 403, or with a status of few uses.
    if kind in (PageKind.OTHER, PageKind.BLOCKED) or maker is None:
        return None
    words = (document.get(key) for key in ("message", "detail", "title", "error"))
    return Page(kind, maker, next((printable(word) for word in words if isinstance(word, str)), ""))


def _object(body: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _is_login(location: str) -> bool:
    try:
        parts = urlsplit(location)
    except ValueError:
        return False
    return bool(_LOGIN.search(f"{parts.netloc}{parts.path}"))


def _is_html(reply: Reply, text: str) -> bool:
    return "html" in (reply.header("content-type") or "") or text[:200].lstrip().lower().startswith(
        ("<!doctype", "<html")
    )


def _title(text: str) -> str:
    found = _TITLE.search(text)
    return printable(found[1]) if found else ""


def _reference(reply: Reply, text: str) -> str:
    for pattern in _REFERENCES:
        if found := pattern.search(text):
            return one_line(found[1])
    return next((one_line(value) for name in _REFERENCE_HEADERS if (value := reply.header(name))), "")


def _caller(reply: Reply, text: str) -> str:
    found = _CALLER.search(text)
    near = text[found.end() : found.end() + _AFTER_CALLER] if found else ""
    for candidate in (reply.header("x-ms-forbidden-ip") or "", *_ADDRESS.findall(near)):
        try:
            return str(ipaddress.ip_address(candidate.strip("[] .")))
        except ValueError:
            continue
    return ""


def printable(text: str) -> str:
    """At most 100 printable characters of what an operator sent, redacted, on one line."""
    return one_line(readable(text[:_READ]))


def one_line(text: str) -> str:
    """At most 100 printable characters of a text that holds no secret, on one line."""
    line = " ".join(text.split())
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return clean if len(clean) <= _SHOWN else clean[: _SHOWN - 1] + "…"
