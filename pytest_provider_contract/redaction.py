"""What of an exchange may be shown to others: applied once, where something is recorded.

A shareable file or a terminal shows the contract's own values, words, and small numbers.
Sessions, signatures, tokens and everything that looks like a secret is masked. What a secret
looks like can't be known for certain, so the rule is the other way round: only what looks
like ordinary language passes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

MASK = "***"
# Of a body, in bytes: a contract's reply has a few hundred, an error page tells all in its beginning.
BODY_LIMIT = 4096

# A session of one or two letters is no secret, and masking it would spoil every word.
_LEAST_SECRET = 4
_LONGEST_WORD = 24
_SHOWN_HEADERS = 30
_DEEPEST = 4

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_STATUS = re.compile(r"[A-Za-z]{1,20}([_ -][A-Za-z]{1,20}){0,4}")
_NAME = re.compile(r"[A-Za-z][A-Za-z_.-]{0,40}")
_NUMBER = re.compile(r"-?\d{1,20}(\.\d{1,6})?")
# Words, and what is put before a value by whoever writes a secret into a text.
_TOKEN = re.compile(
    r"(?P<label>(?i:\b(?:token|secret|password|passwd|pwd|key|session(?:[-_ ]?id)?|sid|signature|authorization|cookie|"
    r"otl|jwt|pin)\b[\"']?\s*[=:]\s*[\"']?(?:(?:bearer|basic)\s+)?|\b(?:bearer|basic)\s+)|[?#]|=\s*[\"']?)?"
    r"(?P<word>[A-Za-z0-9_+/.~%:@$^\x80-\ud7ff\ue000-\U0010ffff-]+)"
)
_PART = re.compile(r"[A-Za-z]+(?:Error|Exception)|[hvx]?\d{1,4}|")
_HARMLESS_VALUE = re.compile(r"(?i)charset=[\"']?$")
_DATE_OR_NUMBER = re.compile(r"\d{1,12}|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
# Base64 of a signature or a key, wherever a program may have put it.
_BASE64 = re.compile(r"[A-Za-z0-9+/]{80,}={0,2}")

_PLAIN_HEADERS = frozenset({
    "accept", "accept-encoding", "accept-ranges", "age", "allow", "cache-control", "connection", "content-encoding",
    "content-language", "content-type", "keep-alive", "pragma", "retry-after", "server", "transfer-encoding",
    "upgrade", "vary", "via", "x-cache", "x-powered-by",
})  # fmt: skip
_STRUCTURED_HEADERS = frozenset({"date", "expires", "content-length"})
_WORDY_FIELDS = frozenset({"message", "error", "detail", "description", "reason", "title", "errorMessage"})


def masked(secret: str) -> str:
    """A stand-in for a secret that still shows whether two are the same."""
    return f"{MASK}{hashlib.sha256(secret.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"


def hidden(text: str, secrets: Iterable[str]) -> str:
    """A text of our own with known secrets, and whatever looks like a signature, masked."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _LEAST_SECRET:
            text = text.replace(secret, masked(secret))
    return _BASE64.sub(lambda found: masked(found[0]), text)


def readable(text: str, *, amounts: bool = False) -> str:
    """A text an operator sent, with only what looks like ordinary language left.

    Args:
        text: Any text: an error page, a message, a value.
        amounts: Whether long numbers are shown too; right where money is expected.
    """

    def shown(found: re.Match[str]) -> str:
        label, word = found["label"] or "", found["word"]
        named = bool(label) and not _HARMLESS_VALUE.search(text[: found.start("word")])
        if amounts and _NUMBER.fullmatch(word):
            return label + word
        bare = word.rstrip(".:")
        if not named and _is_language(bare):
            return label + word
        return label + MASK + word[len(bare) :]

    return _TOKEN.sub(shown, text)


def _is_language(word: str) -> bool:
    parts = re.split(r"[-./:%]", word)
    return all(len(part) <= _LONGEST_WORD and (_PART.fullmatch(part) or _is_word(part)) for part in parts)


def _is_word(part: str) -> bool:
    return part.isalpha() and (part[1:].islower() or len(part) == 1 or part.isupper())


def status_text(value: str) -> str:
    """A status as an operator spelled it; a misspelt one is the finding, so words may be joined by ``_``."""
    return value if _STATUS.fullmatch(value) else readable(value)


def identity(value: str, known: Collection[str] = ()) -> str:
    """An id in a reply: shown when it is ours, a UUID or plain language, else a stand-in."""
    return value if value in known or _UUID.fullmatch(value) or readable(value) == value else masked(value)


def address(url: str) -> str:
    """A URL without user, query and fragment, and with only the plain parts of its path."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return MASK
    path = "/".join(p if _is_language(p) else MASK for p in parts.path.split("/"))
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    place = f"{parts.scheme}://{host}{port}" if parts.scheme or host else ""
    return place + path + (f"?{MASK}" if parts.query else "") + (f"#{MASK}" if parts.fragment else "")


def typed(url: str) -> str:
    """A URL that can't be parsed, as it was typed, without what stands before ``@`` and after ``?`` or ``#``."""
    place = re.split(r"[?#]", url)[0]
    return place if "@" not in place else MASK + place[place.rindex("@") :]


def shown_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """Header names and values with all but the harmless values masked; at most thirty."""
    found = []
    for raw_name, raw_value in list(headers)[:_SHOWN_HEADERS]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")[:300]
        lower = name.lower()
        if lower == "location":
            shown = address(value)
        elif lower in _STRUCTURED_HEADERS:
            shown = value if _DATE_OR_NUMBER.fullmatch(value) else MASK
        else:
            shown = readable(value) if lower in _PLAIN_HEADERS else masked(value)
        found.append((name if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,40}", name) else MASK, shown))
    return tuple(found)


def shown_request(body: bytes, session_field: str, session_id: str) -> str:
    """A request's body as text, its session masked; JSON is laid out line by line."""
    text = body[:BODY_LIMIT].decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        # Spoilt on purpose; a cut body may end within the session.
        cut = rf'("{re.escape(session_field)}"\s*:\s*")[^"]*'
        return hidden(re.sub(cut, rf"\g<1>{MASK}", text), [session_id])
    if isinstance(value, dict) and isinstance(value.get(session_field), str):
        value[session_field] = masked(value[session_field])
    return json.dumps(value, indent=2, ensure_ascii=False)


def shown_reply(body: bytes, names: Mapping[str, str], known: Collection[str]) -> str:
    """A reply's body as text: the contract's fields as they are, the rest as far as it is language.

    Args:
        body: What came back.
        names: Name on the wire of each contract field.
        known: Ids that were sent, which may be shown when they come back.
    """
    text = body[:BODY_LIMIT].decode("utf-8", "replace")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return readable(text)
    if not isinstance(value, dict):
        return readable(text)
    contract: dict[str, str] = {wire: name for name, wire in names.items()}
    shown = {_name(key): _field(contract.get(str(key), str(key)), content, known) for key, content in value.items()}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _name(key: str) -> str:
    return key if _NAME.fullmatch(key) else masked(key)


def _field(name: str, value: object, known: Collection[str], depth: int = 0) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return MASK if depth > _DEEPEST else {_name(k): _field(k, v, known, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return MASK if depth > _DEEPEST else [_field(name, item, known, depth + 1) for item in value[:10]]
    top = depth == 0
    if isinstance(value, str):
        if top and name == "status":
            return status_text(value)
        if top and name in ("requestId", "clientPlayerId"):
            return identity(value, known)
        if name in _WORDY_FIELDS or (top and name in ("balance", "currency")):
            return readable(value, amounts=top and name == "balance")
        return masked(value)
    return value if top and name == "balance" else MASK
