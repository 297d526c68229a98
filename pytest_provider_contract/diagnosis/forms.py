"""What is wrong with a reply that is no answer of the contract, told from the reply itself."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pytest_provider_contract.checks import HTTP_OK, Violation, shown
from pytest_provider_contract.diagnosis.cause import Cause
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.pages import Page, recognise
from pytest_provider_contract.pages.marks import PageKind
from pytest_provider_contract.profile import Kind, Profile, Status
from pytest_provider_contract.redaction import status_text
from pytest_provider_contract.transport import Failure

_ALWAYS_200 = "answer HTTP 200 and put the outcome into status"
_OWN_HANDLER = "parse and check the body in your own handler, and answer 200 with UNKNOWN_ERROR"


@dataclass(frozen=True)
class Form:
    """One reply that breaks the contract's form, and what is known about it."""

    exchange: Exchange
    violation: Violation | None
    profile: Profile
    earlier: tuple[Exchange, ...]
    page: Page | None
    fields: dict[str, object] | None
    value: object

    @classmethod
    def of(
        cls, exchange: Exchange, violation: Violation | None, profile: Profile, earlier: tuple[Exchange, ...] = ()
    ) -> Form:
        """Look at a reply."""
        reply = exchange.reply
        try:
            value = json.loads(reply.body)
        except (ValueError, RecursionError):
            value = None
        fields = profile.from_wire(value) if isinstance(value, dict) else None
        return cls(exchange, violation, profile, earlier, recognise(reply), fields, value)

    @property
    def own(self) -> bool:
        """Whether the body is one of the contract's: the wallet itself has answered."""
        return self.fields is not None and isinstance(self.fields.get("status"), str)

    @property
    def media(self) -> str:
        """The media type, in lower case."""
        return (self.exchange.reply.header("content-type") or "").partition(";")[0].strip().lower()


def causes_of_form(exchanges: tuple[Exchange, ...], violation: Violation | None, profile: Profile) -> tuple[Cause, ...]:
    """The likely cause of a reply that is no answer of the contract.

    Args:
        exchanges: The callbacks and their replies, the one objected to last.
        violation: What was objected to; None for advice that was not followed.
        profile: The dialect.
    """
    form = Form.of(exchanges[-1], violation, profile, exchanges[:-1])
    for look in _LOOKS:
        if cause := next(look(form), None):
            return (cause,)
    return ()


# -- no complete reply ------------------------------------------------------------------------------

_FAILURES = {
    Failure.REFUSED: (
        "connection-refused",
        "nothing listens at the operator's address",
        "start the wallet, check host and port",
        "T",
    ),
    Failure.UNREACHABLE: ("host-unreachable", "the host can't be reached", "check name, route and firewall", "T"),
    Failure.TLS: ("tls-fails", "the TLS handshake fails", "check the certificate, its chain and its name", "T"),
    Failure.CLOSED: (
        "connection-closed",
        "the connection is closed without a reply, as by a worker that crashes",
        "look into the server's log for a crash or a limit",
        "T",
    ),
    Failure.RESET: (
        "connection-closed",
        "the connection is reset without a reply, as by a worker that crashes",
        "look into the server's log for a crash or a limit",
        "T",
    ),
    Failure.INCOMPLETE: (
        "reply-cut",
        "the reply ends before its Content-Length or last chunk",
        "let the server compute Content-Length, and look for a crash while writing",
        "D",
    ),
    Failure.NOT_HTTP: ("not-http", "what answers does not speak HTTP/1.1", "check scheme and port", "D"),
    Failure.TOO_LARGE: (
        "reply-too-large",
        "the reply is far larger than one JSON object",
        "send nothing but the object",
        "D",
    ),
    Failure.ENCODING: (
        "reply-encoding",
        "the reply's content encoding is wrong",
        "leave compression off or to the server",
        "D",
    ),
    Failure.TRAILING: (
        "content-length-wrong",
        "bytes follow the end of the reply: Content-Length is too small, as if characters were counted",
        "count the bytes of the encoded body, or let the server do it",
        "D",
    ),
}


def _failed(form: Form) -> Iterator[Cause]:
    reply = form.exchange.reply
    if reply.failure is Failure.TIMEOUT:
        deadline_s = form.profile.callbacks[form.exchange.kind].deadline_s
        if reply.status is not None or reply.body:
            yield Cause(
                "reply-trickles",
                f"the reply begins, but its end comes after more than {deadline_s:g} s",
                "write the whole reply at once; the deadline counts until its last byte",
                "T",
            )
        else:
            yield Cause(
                "reply-too-slow",
                f"/{form.exchange.kind} waits for something slow for more than {deadline_s:g} s; "
                "the provider gives up" + (" and rolls back" if form.exchange.kind is Kind.BET else " and retries"),
                "give every lock, query and outgoing call a limit well below the deadline",
                "T",
            )
    elif reply.failure is not None:
        yield Cause(*_FAILURES[reply.failure])


# -- the HTTP status --------------------------------------------------------------------------------


def _outcome_in_status(form: Form) -> Iterator[Cause]:
    status, defect = form.exchange.reply.status or 0, form.exchange.defect
    if status == HTTP_OK or not form.own:
        return
    if status < 300:  # noqa: PLR2004 - HTTP's successes
        yield Cause(
            "http-success-code",
            f"success is told by HTTP {status}, as a framework does for what it creates",
            "answer HTTP 200, whatever was done",
            "T",
        )
        return
    what = "a bad signature" if defect and defect.kind == "forged" else "a malformed request" if defect else "an error"
    if status >= 500:  # noqa: PLR2004 - HTTP's server errors
        yield Cause(
            "exception-in-http-status",
            f"{what} raises an exception, which is answered with HTTP {status}",
            "catch it in your own handler and answer 200 with UNKNOWN_ERROR",
            "T",
        )
    yield Cause("outcome-in-http-status", f"{what} is told by HTTP {status}", _ALWAYS_200, "T")


_PAGES: dict[PageKind, tuple[str, str, str]] = {
    PageKind.BLOCKED: (
        "blocked",
        "the request never reached the wallet: {page}",
        "put this machine's address on the operator's list; no signature is involved",
    ),
    PageKind.CHALLENGE: (
        "blocked",
        "the request never reached the wallet: {page}",
        "exempt the callbacks' path from checks for browsers",
    ),
    PageKind.LOGIN: (
        "login-redirect",
        "the callback is sent to a login page{where}, as by a guard of the admin's pages",
        "exempt the callbacks from the login; their signature is all they have",
    ),
    PageKind.WRONG_SCHEME: ("wrong-scheme", "the port wants TLS: {page}", "give an https URL"),
    PageKind.NOT_FOUND: (
        "not-found",
        "there is nothing at this address: {page}",
        "check the base URL; an unknown player, bet or round must be told by status with HTTP 200",
    ),
    PageKind.METHOD: (
        "method-not-allowed",
        "POST is not allowed there: {page}",
        "route POST to the callback's handler",
    ),
    PageKind.CSRF: (
        "csrf-protection",
        "a protection of web forms refuses the callback: {page}",
        "exempt the callbacks from it; their signature takes its place",
    ),
    PageKind.CREDENTIALS: (
        "credentials-wanted",
        "something in front of the wallet wants credentials: {page}",
        "exempt the callbacks; their signature is all they have",
    ),
    PageKind.PROXY: (
        "proxy-error",
        "the wallet behind the proxy did not answer: {page}",
        "look whether the wallet runs, crashes or is slower than the proxy's own limit",
    ),
    PageKind.VALIDATION: (
        "framework-validation",
        "the web framework answers malformed requests itself: {page}",
        _OWN_HANDLER,
    ),
    PageKind.CRASH: (
        "error-page",
        "an exception is answered with an error page: {page}",
        "catch everything in your own handler and answer 200 with UNKNOWN_ERROR",
    ),
}


def _page(form: Form) -> Iterator[Cause]:
    page, reply = form.page, form.exchange.reply
    if page is None:
        return
    if page.kind is PageKind.REDIRECT:
        yield _redirect(form, page)
    elif reply.status == HTTP_OK and page.kind in (PageKind.OTHER, PageKind.CRASH):
        yield Cause(
            "error-page",
            f"{_seen(page)} is sent with HTTP 200 in place of JSON",
            "catch everything in your own handler and answer JSON with UNKNOWN_ERROR",
            "D",
        )
    elif page.kind in _PAGES:
        id_, text, remedy = _PAGES[page.kind]
        where = f" ({page.location})" if page.location else ""
        yield Cause(id_, text.format(page=_seen(page), where=where), remedy, "T")


def _seen(page: Page) -> str:
    return str(page)


def _redirect(form: Form, page: Page) -> Cause:
    location, path = page.location, form.exchange.path
    if location.rstrip("/").endswith(path) and location.endswith("/"):
        return Cause(
            "redirect-to-slash", f"the framework redirects {path} to {path}/", "route the path without a slash too", "T"
        )
    if location.startswith("https:"):
        return Cause("redirect-to-https", "plain http is redirected to https", "give an https URL", "T")
    return Cause("redirect", f"the callback is redirected to {location}", "answer it where it was sent", "T")


_CODES: dict[int, tuple[str, str, str]] = {
    401: ("outcome-in-http-status", "a refusal is told by HTTP 401", _ALWAYS_200),
    429: (
        "rate-limited",
        "callbacks are limited: HTTP 429",
        "exempt the provider; it retries what fails, but a bet is lost",
    ),
}


def _code(form: Form) -> Iterator[Cause]:
    status = form.exchange.reply.status or 0
    if status == HTTP_OK:
        return
    if status in _CODES:
        yield Cause(*_CODES[status], "T")
    elif status < 300:  # noqa: PLR2004 - HTTP's successes
        yield Cause(
            "http-success-code",
            f"success is told by HTTP {status}, without the reply that is due",
            "answer HTTP 200 with a body, whatever was done",
            "T",
        )
    elif status >= 500:  # noqa: PLR2004 - HTTP's server errors
        yield Cause(
            "error-page",
            f"an exception is answered with HTTP {status}",
            "catch everything in your own handler and answer 200 with UNKNOWN_ERROR",
            "T",
        )
    else:
        yield Cause("outcome-in-http-status", f"an error is told by HTTP {status}", _ALWAYS_200, "T")


# -- the body ---------------------------------------------------------------------------------------


def _bytes(form: Form) -> Iterator[Cause]:
    body = form.exchange.reply.body
    if not body.strip():
        yield Cause(
            "empty-body",
            "the reply has no body, as after an exception that was swallowed",
            "answer JSON with a status in every case",
            "D",
        )
    elif body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        yield Cause(
            "byte-order-mark",
            "the reply begins with a byte order mark, as of a source file or a wrong encoding",
            "write UTF-8 without one",
            "D",
        )
    elif isinstance(form.value, list):
        yield Cause("reply-in-a-list", "the reply is a list around the object", "send the object itself", "D")
    elif isinstance(form.value, str):
        yield Cause(
            "json-encoded-twice", "the reply is a JSON string: the object was encoded twice", "encode it once", "D"
        )
    elif form.value is None and (trailing := _after_object(body)):
        yield Cause(
            "output-after-reply",
            f"something is written behind the JSON: {shown(trailing)}",
            "switch debugging output off for the callbacks",
            "D",
        )
    elif form.fields is not None and form.violation and "twice" in form.violation.actual:
        yield Cause(
            "key-twice",
            "a key stands in the reply twice, and readers disagree which counts",
            "build the reply as a map, and let a library write it",
            "D",
        )
    elif form.value is None:
        yield Cause(
            "not-json",
            "the reply is no JSON, as of a template, a var_dump or single quotes",
            "let a JSON library write it",
            "D",
        )


def _after_object(body: bytes) -> bytes:
    try:
        text = body.decode("utf-8")
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return b""
    return text[end:].strip().encode()


def _content_type(form: Form) -> Iterator[Cause]:
    if form.fields is not None and form.violation is not None and form.violation.rule == "REPLY-04":
        if form.media != "application/json":
            yield Cause(
                "content-type-wrong",
                f"the JSON is sent as {form.media or 'no type'}",
                "send Content-Type: application/json",
                "D",
            )
        elif "Content-Type" in form.violation.expected:
            yield Cause(
                "content-type-wrong",
                "the JSON is sent in another encoding than UTF-8",
                "send Content-Type: application/json, in UTF-8",
                "D",
            )


# -- the fields -------------------------------------------------------------------------------------


def _status_missing(form: Form) -> Iterator[Cause]:
    fields = form.fields or {}
    if "status" in fields:
        return
    known = {*form.profile.statuses.values(), *form.profile.retired_statuses}
    other = next((key for key, value in fields.items() if isinstance(value, str) and value in known), None)
    if other is not None:
        yield Cause(
            "status-under-another-key", f"the status stands under the key {shown(other)}", "call the key status", "D"
        )
    elif form.page is None:
        yield Cause("status-missing", "the reply has no status", "put the outcome into status, in errors too", "D")


def _status_misspelt(form: Form) -> Iterator[Cause]:
    wire = (form.fields or {}).get("status")
    if not isinstance(wire, str) or form.profile.status(wire) is not None:
        return
    near = _nearest(wire, form.profile)
    yield Cause(
        "status-misspelt",
        f"the status is written {status_text(wire)!r}" + (f" instead of {near}" if near else ""),
        "use the contract's spellings exactly" if near else "use one of the contract's statuses",
        "D",
    )


_WORDS = {
    "ok": Status.SUCCESS,
    "true": Status.SUCCESS,
    "0": Status.SUCCESS,
    "funds": Status.INSUFFICIENT_BALANCE,
    "insufficient": Status.INSUFFICIENT_BALANCE,
    "exists": Status.DUPLICATE,
    "duplicate": Status.DUPLICATE,
    "already": Status.DUPLICATE,
    "limit": Status.BET_LIMIT,
    "bonus": Status.BONUS,
}


def _nearest(wire: str, profile: Profile) -> str | None:
    spellings = {spelling.lower(): spelling for spelling in profile.statuses.values()}
    plain = wire.strip().lower().replace("-", "_").replace(" ", "_")
    for lower, spelling in spellings.items():
        if plain and (plain == lower or lower.removesuffix("_error") == plain):
            return spelling
    if close := difflib.get_close_matches(plain, spellings, n=1, cutoff=0.75):
        return spellings[close[0]]
    word = next((status for word, status in _WORDS.items() if word in plain.split("_")), None)
    return profile.statuses[word] if word else None


def _balance_type(form: Form) -> Iterator[Cause]:
    balance = (form.fields or {}).get("balance")
    if isinstance(balance, str):
        decimals = "." in balance or "," in balance
        kind = "in major units, with a decimal point" if decimals else "as text"
        yield Cause(
            "balance-as-text",
            f"the balance is written {kind}: {shown(balance)}",
            "write a JSON number of whole minor units",
            "D",
        )
    elif isinstance(balance, float):
        yield Cause(
            "balance-as-decimal",
            f"the balance is written with a decimal point: {balance!r}",
            "write a whole number of minor units",
            "D",
        )
    elif isinstance(balance, bool | list | dict):
        yield Cause("balance-as-text", "the balance is no number", "write a JSON number of whole minor units", "D")


def _field_missing(form: Form) -> Iterator[Cause]:
    fields = form.fields or {}
    if not form.own or form.violation is None or form.violation.rule not in ("REPLY-05", "REPLY-02", "REPLY-03"):
        return
    success = fields.get("status") == form.profile.statuses[Status.SUCCESS]
    wanted = ("requestId", "clientPlayerId", *(("currency", "balance") if success else ()))
    if missing := [name for name in wanted if fields.get(name) is None]:
        which = "" if success else "error "
        yield Cause(
            "field-missing",
            f"{which}replies of /{form.exchange.kind} lack {' and '.join(missing)}",
            "build every reply, of errors too, in one place with all fields",
            "D",
        )
    else:
        yield Cause(
            "field-mistyped",
            f"a field has the wrong type: {form.violation.actual}",
            "build every reply in one place with all fields",
            "D",
        )


def _echo(form: Form) -> Iterator[Cause]:
    if form.violation is None or form.violation.rule != "REPLY-06" or form.fields is None:
        return
    callback, told = form.exchange.callback, form.fields.get("requestId")
    sent = form.exchange.callback.request_id
    if form.fields.get("clientPlayerId") != callback.player_id and told == sent:
        session = form.fields.get("clientPlayerId") == callback.session_id
        yield Cause(
            "player-id-not-echoed",
            "clientPlayerId "
            + ("has the session's id in it" if session else "is the operator's own and not the request's"),
            "echo this request's clientPlayerId",
            "D",
        )
    elif isinstance(told, str) and told.lower() == sent.lower():
        yield Cause(
            "request-id-reformatted",
            "requestId is read as a UUID and written in another form",
            "echo the text that came",
            "D",
        )
    elif told in (callback.transaction_id, callback.reference_id, callback.round_id):
        yield Cause(
            "request-id-confused", "requestId has another id of the request in it", "echo this request's requestId", "D"
        )
    elif any(told == exchange.callback.request_id for exchange in form.earlier):
        yield Cause(
            "stored-reply-echoed",
            "a stored reply is sent again as it was, with the first attempt's requestId",
            "put this request's requestId into it",
            "D",
        )
    else:
        yield Cause(
            "request-id-of-its-own", "requestId is one of the operator's own", "echo this request's requestId", "D"
        )


def _currency(form: Form) -> Iterator[Cause]:
    if (
        form.violation is None
        or form.fields is None
        or "currency" not in form.violation.actual + form.violation.expected
    ):
        return
    if "currency" not in form.fields:
        return
    told = form.fields.get("currency")
    if isinstance(told, str) and told.upper() != told and told.isalpha():
        yield Cause(
            "currency-spelling", f"the currency is written {shown(told)}", "write it as ISO 4217 does, in capitals", "D"
        )
    elif not told:
        yield Cause(
            "currency-empty",
            f"the currency is empty in replies of /{form.exchange.kind}",
            "put the player's currency into every reply",
            "D",
        )
    else:
        yield Cause(
            "currency-wrong",
            f"replies are in {shown(told)}, which is not the player's currency",
            "report the account's own currency, whatever a request names",
            "D",
        )


def _malformed(form: Form) -> Iterator[Cause]:
    defect, told = form.exchange.defect, (form.fields or {}).get("status")
    if defect and defect.kind == "unreadable" and told == form.profile.statuses[Status.SUCCESS]:
        yield Cause(
            "malformed-answered-success",
            "a body that is no JSON object is answered with SUCCESS",
            "answer with UNKNOWN_ERROR",
            "T",
        )


_LOOKS: tuple[Callable[[Form], Iterator[Cause]], ...] = (
    _failed,
    _outcome_in_status,
    _page,
    _code,
    _bytes,
    _content_type,
    _malformed,
    _status_missing,
    _balance_type,
    _status_misspelt,
    _echo,
    _currency,
    _field_missing,
)


# -- advice that is not followed --------------------------------------------------------------------


def causes_of_advice(rule: str, exchanges: tuple[Exchange, ...], profile: Profile) -> tuple[Cause, ...]:
    """The likely cause of a SHOULD rule about replies that is not followed.

    Args:
        rule: The rule.
        exchanges: What was seen.
        profile: The dialect.
    """
    if rule == "REPLY-09":
        return (
            Cause(
                "error-without-balance",
                "error replies leave currency and balance out",
                "build every reply, of errors too, in one place with all fields",
                "D",
            ),
        )
    if rule == "REPLY-08":
        return tuple(dict.fromkeys(cause for exchange in exchanges for cause in _retired(exchange, profile)))[:1]
    return ()


def _retired(exchange: Exchange, profile: Profile) -> Iterator[Cause]:
    wire = (Form.of(exchange, None, profile).fields or {}).get("status")
    if not isinstance(wire, str):
        return
    if wire in profile.retired_statuses:
        yield Cause(
            "retired-status",
            f"{status_text(wire)!r} is a status of an older edition",
            f"answer {profile.statuses[profile.retired_statuses[wire]]}",
            "O",
        )
    elif (status := profile.status(wire)) is not None and status not in profile.callbacks[exchange.kind].statuses:
        yield Cause(
            "status-of-another-callback",
            f"/{exchange.kind} answers {wire}, which is another callback's status",
            f"answer {profile.statuses[Status.UNKNOWN]}",
            "D",
        )
