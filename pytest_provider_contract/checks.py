"""Small checks of single exchanges: is this a reply of the contract, and what does it say?

The money is not judged here; that is the ledger's work. The checks run in the order of
`CHECKS` and the first that objects names the rule.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from pytest_provider_contract.history import Defect, Exchange
from pytest_provider_contract.profile import Kind, Profile, Status
from pytest_provider_contract.redaction import address, identity, readable, status_text
from pytest_provider_contract.schemas import first_error
from pytest_provider_contract.transport import Failure

HTTP_OK = 200
_FORMAT_FAILURES = (Failure.NOT_HTTP, Failure.TOO_LARGE, Failure.INCOMPLETE, Failure.TRAILING, Failure.ENCODING)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that an exchange breaks, with what was expected and what was seen."""

    rule: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a well-formed reply says.

    Attributes:
        status: The contract's status, also for a retired spelling.
        balance: Minor units, or None where an error reply leaves it out.
        currency: ISO 4217, or None likewise.
        advisory: SHOULD rules that the reply does not follow.
    """

    status: Status
    balance: int | None
    currency: str | None
    advisory: frozenset[str] = frozenset()


def read_answer(exchange: Exchange, profile: Profile) -> Answer | Violation:
    """Check the form of a reply and read it.

    Args:
        exchange: A callback whose reply came or failed to come; an idle connection's
            unknown outcome must not be asked about.
        profile: The dialect with statuses and field names.
    """
    for check in _WIRE_CHECKS:
        if violation := check(exchange, profile):
            return violation
    parsed = _parse(exchange.reply.body)
    if isinstance(parsed, str):
        return Violation("REPLY-04", "one JSON object", parsed)
    fields = profile.from_wire(parsed)
    wire = fields.get("status")
    status = profile.status(wire) if isinstance(wire, str) else None
    if status is not None:
        fields["status"] = status.value
    if error := first_error("reply", _without_damaged_echo(exchange, fields)) or _missing(exchange, fields):
        defect = exchange.defect
        rule = defect.rule if defect is not None and defect.kind == "unreadable" else "REPLY-05"
        return Violation(rule, "the fields of a reply, each of its type", readable(error, amounts=True))
    if status is None:
        known = ", ".join(profile.statuses[s] for s in Status if s in profile.callbacks[exchange.kind].statuses)
        return Violation("REPLY-07", f"one of {known}", f"status {ascii(status_text(str(wire)))[:100]}")
    if violation := _wrong_echo(exchange, fields, status):
        return violation
    return _answer(exchange, fields, status, str(wire), profile)


def _answer(exchange: Exchange, fields: dict[str, object], status: Status, wire: str, profile: Profile) -> Answer:
    balance, currency = fields.get("balance"), fields.get("currency")
    advisory = set()
    if wire in profile.retired_statuses or status not in profile.callbacks[exchange.kind].statuses:
        advisory.add("REPLY-08")
    if exchange.defect is None and (balance is None or currency is None):
        advisory.add("REPLY-09")
    return Answer(
        status,
        balance if isinstance(balance, int) else None,
        currency if isinstance(currency, str) else None,
        frozenset(advisory),
    )


# -- the reply as bytes -------------------------------------------------------------------------


def _is_complete(exchange: Exchange, profile: Profile) -> Violation | None:
    failure = exchange.reply.failure
    if failure is None:
        return None
    detail = exchange.reply.detail
    if failure in _FORMAT_FAILURES:
        # The words are a library's, and quote what the operator sent.
        detail = readable(detail)
    actual = f"{failure}" + (f" ({shorten(detail)})" if detail else "")
    if failure in _FORMAT_FAILURES:
        return Violation("REPLY-04", "a complete HTTP reply", actual)
    deadline_s = profile.callbacks[exchange.kind].deadline_s
    late_bet = failure is Failure.TIMEOUT and exchange.kind is Kind.BET
    return Violation("TIME-01" if late_bet else "REPLY-01", f"a reply within {deadline_s:g} s", actual)


def _is_200(exchange: Exchange, profile: Profile) -> Violation | None:  # noqa: ARG001 - all checks are called alike
    status = exchange.reply.status
    if status == HTTP_OK:
        return None
    actual = f"HTTP {status}"
    if location := exchange.reply.header("location"):
        actual += f", a redirect to {ascii(address(location))[:100]}"
    return Violation(_status_rule(exchange.defect), "HTTP 200 with the outcome in the body", actual)


def _status_rule(defect: Defect | None) -> str:
    match defect.kind if defect else None:
        case "unreadable":
            return "REPLY-02"
        case "field":
            return "REPLY-03"
        case _:
            return "REPLY-01"


def _is_json_type(exchange: Exchange, profile: Profile) -> Violation | None:  # noqa: ARG001 - as above
    content_type = exchange.reply.header("content-type")
    media, _, parameters = (content_type or "").partition(";")
    charset = dict(p.strip().lower().partition("=")[::2] for p in parameters.split(";")).get("charset", "utf-8")
    if media.strip().lower() == "application/json" and charset.strip('"') in ("utf-8", "utf8", "us-ascii"):
        return None
    return Violation("REPLY-04", "Content-Type application/json in UTF-8", f"Content-Type {shown(content_type)}")


_WIRE_CHECKS: tuple[Callable[[Exchange, Profile], Violation | None], ...] = (_is_complete, _is_200, _is_json_type)


# -- the reply as JSON ----------------------------------------------------------------------------


class _BadJsonError(ValueError):
    pass


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _BadJsonError("an object with the same name twice")
    return found


def _no_constant(name: str) -> object:
    raise _BadJsonError(f"{name}, which is no JSON")


# One decoder for all replies: json.loads with hooks would build one for each.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def _parse(body: bytes) -> dict[str, object] | str:
    """The reply's object, or what it is instead."""
    if not body:
        return "an empty body"
    try:
        value = _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        return f"bytes that are not UTF-8: {shown(body[:60])}"
    except _BadJsonError as error:
        return str(error)
    except RecursionError:
        return "JSON nested too deeply"
    except ValueError as error:
        return f"no JSON ({shorten(str(error))}): {shown(body[:60])}"
    return value if isinstance(value, dict) else f"JSON that is no object: {shown(body[:60])}"


def _without_damaged_echo(exchange: Exchange, fields: dict[str, object]) -> dict[str, object]:
    # Of what was missing or mistyped in the request, null and whatever came are both true echoes.
    damaged = exchange.defect.field if exchange.defect else None
    return {**fields, damaged: ""} if damaged in ("requestId", "clientPlayerId") else fields


def _missing(exchange: Exchange, fields: dict[str, object]) -> str | None:
    # What a request has told and what is right about it can be echoed, in an error too.
    if exchange.defect is None:
        for name in ("requestId", "clientPlayerId"):
            if fields.get(name) is None:
                return f"{name} is missing"
    return None


def _wrong_echo(exchange: Exchange, fields: dict[str, object], status: Status) -> Violation | None:
    defect, callback = exchange.defect, exchange.callback
    if defect is not None and (defect.kind != "field" or status is not Status.SUCCESS):
        return None
    for name, sent in (("requestId", callback.request_id), ("clientPlayerId", callback.player_id)):
        if (defect is None or defect.field != name) and fields[name] != sent:
            told = identity(str(fields[name]), (callback.request_id, callback.player_id))
            return Violation("REPLY-06", f"{name} {ascii(sent)[:100]}", f"{name} {ascii(told)[:100]}")
    return None


# -- words ------------------------------------------------------------------------------------------


def shorten(text: str) -> str:
    """At most 120 characters of a text, on one line."""
    return textwrap.shorten(text, 120, placeholder="…")


def shown(value: object) -> str:
    """A value an operator sent, safe to print and to share: redacted, quoted, escaped, short."""
    if isinstance(value, bytes):
        return ascii(readable(value[:80].decode("latin-1")).encode("latin-1"))[:100]
    if isinstance(value, str):
        return ascii(readable(value[:80]))[:100]
    return readable(ascii(value), amounts=True)[:100]


def grouped(amount: int) -> str:
    """Minor units in groups of three digits: ``1 000 000``."""
    return f"{amount:,}".replace(",", " ")
