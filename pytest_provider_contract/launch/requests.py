"""Reading a launch request: what it asks for, or what is wrong with it and how to mend that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pytest_provider_contract.checks import shorten, shown
from pytest_provider_contract.launch.terms import Terms
from pytest_provider_contract.redaction import masked
from pytest_provider_contract.schemas import first_error, validator

DEMO_CURRENCY = "XXX"
_SCHEMA = "game-url.request"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IDS = ("clientSessionId", "clientPlayerId")
# The rule that speaks of a field; whatever is not here is LAUNCH-02's.
_RULES = {
    "lobbyUrl": "LAUNCH-03",
    "depositUrl": "LAUNCH-03",
    "language": "LAUNCH-09",
    "country": "LAUNCH-10",
    "currency": "LAUNCH-11",
    "platform": "LAUNCH-12",
}
_EXPECTED = {
    "LAUNCH-03": "an absolute http(s) URL, null, or no {field} at all",
    "LAUNCH-06": "{field} of the player who is to play",
    "LAUNCH-07": "no {field} in demo play",
    "LAUNCH-09": "two small letters of ISO 639-1, such as en",
    "LAUNCH-10": "two capitals of ISO 3166-1, such as DE",
    "LAUNCH-11": "three capitals of ISO 4217, or XXX for demo play",
    "LAUNCH-12": "platform MOBILE or DESKTOP",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """A rule that a launch breaks, with what was expected and what was seen."""

    rule: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A launch that can be granted; ids are None in demo play.

    Attributes:
        checked: The rules that the request was held against.
    """

    session_id: str | None = field(repr=False)
    player_id: str | None
    operator_id: str
    partner_id: str
    game_id: str
    currency: str
    platform: str
    lobby_url: str | None
    deposit_url: str | None
    language: str | None
    country: str | None
    checked: frozenset[str] = frozenset()

    @property
    def demo(self) -> bool:
        """Whether it is played with fun money."""
        return self.currency == DEMO_CURRENCY


class LaunchRequestError(ValueError):
    """A request that can't be granted.

    Attributes:
        mistakes: What is wrong with it, at least one.
    """

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("; ".join(f"{m.rule}: expected {m.expected}, got {m.actual}" for m in mistakes))
        self.mistakes = mistakes


def named(id_: object) -> str:
    """An id, safe to print: unlike other texts a UUID is shown whole, because it says which one is meant."""
    return ascii(id_) if isinstance(id_, str) and _UUID.fullmatch(id_) else shown(id_)


def read_request(body: bytes, terms: Terms) -> LaunchRequest:
    """Read the body of ``POST /game/url`` [D].

    Args:
        body: The bytes as they came.
        terms: What was agreed with the operator.

    Raises:
        LaunchRequestError: With everything that is wrong, not only the first.
    """
    fields = read_object(body)
    mistakes = tuple({(m.rule, m.actual): m for m in (*_malformed(fields), *_wrong(fields, terms))}.values())
    if mistakes:
        raise LaunchRequestError(mistakes)
    given = {name: fields.get(name) for name in ("lobbyUrl", "depositUrl", "language", "country")}
    demo = fields["currency"] == DEMO_CURRENCY
    return LaunchRequest(
        session_id=fields.get("clientSessionId"),
        player_id=fields.get("clientPlayerId"),
        operator_id=fields["operatorId"],
        partner_id=fields["partnerId"],
        game_id=fields["gameId"].lower(),
        currency=fields["currency"],
        platform=fields["platform"],
        lobby_url=given["lobbyUrl"],
        deposit_url=given["depositUrl"],
        language=given["language"],
        country=given["country"],
        checked=frozenset({"LAUNCH-02", "LAUNCH-04", "LAUNCH-08", "LAUNCH-11", "LAUNCH-12"})
        | {_RULES[name] for name, value in given.items() if value is not None}
        | {"LAUNCH-07" if demo else "LAUNCH-06"}
        | ({"LAUNCH-05"} if terms.operator_id else set()),
    )


def check_games_request(body: bytes, terms: Terms) -> None:
    """Check the body of ``POST /game/games`` [D].

    Raises:
        LaunchRequestError: It is not one.
    """
    fields = read_object(body)
    if error := first_error("games.request", fields):
        raise LaunchRequestError((Mistake("LAUNCH-02", "operatorId, a text that says something", error),))
    if mistake := _foreign_operator(fields["operatorId"], terms):
        raise LaunchRequestError((mistake,))


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body.

    Raises:
        LaunchRequestError: It is none.
    """
    try:
        value = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        actual = f"bytes that are not UTF-8: {shown(body[:60])}"
    except RecursionError:
        actual = "JSON nested too deeply"
    except ValueError as error:
        actual = f"no JSON ({shorten(str(error))}): {shown(body[:60])}" if body else "an empty body"
    else:
        if isinstance(value, dict):
            return value
        actual = f"JSON that is no object: {shown(body[:60])}"
    raise LaunchRequestError((Mistake("LAUNCH-02", "one JSON object", actual),))


def _malformed(fields: dict[str, Any]) -> Iterator[Mistake]:
    """What the schema objects to."""
    demo = fields.get("currency") == DEMO_CURRENCY
    found = {name: _mistake(name, fields, demo=demo) for name in _objected(fields)}
    if not demo and all(fields.get(name) is None for name in _IDS):
        # Most likely meant as demo play: one mistake, not one for each field that real play needs.
        for name in (*_IDS, "username"):
            found.pop(name, None)
        if "currency" not in found:
            actual = f"neither of them, and currency {shown(fields['currency'])}"
            yield Mistake("LAUNCH-06", "clientPlayerId and clientSessionId, or currency XXX for demo play", actual)
    yield from found.values()


def _objected(fields: dict[str, Any]) -> Iterator[str]:
    """The names of the fields that are wrong or missing."""
    for error in validator(_SCHEMA).iter_errors(fields):
        if error.validator == "required":
            yield from (name for name in error.validator_value if name not in fields)
        else:
            yield str(error.absolute_path[0])


def _mistake(name: str, fields: dict[str, Any], *, demo: bool) -> Mistake:
    rule = ("LAUNCH-07" if demo else "LAUNCH-06") if name in _IDS else _RULES.get(name, "LAUNCH-02")
    expected = _EXPECTED.get(rule, "{field}, a text that says something").format(field=name)
    if name not in fields:
        return Mistake(rule, expected, f"no {name}")
    value = fields[name]
    if name == "clientSessionId" and demo and isinstance(value, str):
        told = masked(value)  # it may be a live session, which is nobody else's business
    else:
        told = named(value) if name.endswith("Id") else shown(value)
    return Mistake(rule, expected, f"{name} {told}")


def _wrong(fields: dict[str, Any], terms: Terms) -> Iterator[Mistake]:
    """What is well-formed and still not right."""
    operator_id, partner_id, game_id = (fields.get(name) for name in ("operatorId", "partnerId", "gameId"))
    if isinstance(operator_id, str) and isinstance(partner_id, str) and operator_id and _same(operator_id, partner_id):
        yield Mistake("LAUNCH-04", "partnerId of the brand", f"partnerId {named(partner_id)}, which is the operatorId")
    if isinstance(operator_id, str) and operator_id and (foreign := _foreign_operator(operator_id, terms)):
        yield foreign
    if isinstance(game_id, str) and game_id:
        game = terms.game(game_id)
        if game is None or not game.enabled:
            what = "which is not enabled" if game else "which is not in the list"
            yield Mistake("LAUNCH-08", "an enabled game of POST /game/games", f"gameId {named(game_id)}, {what}")


def _foreign_operator(operator_id: str, terms: Terms) -> Mistake | None:
    if terms.operator_id in (None, operator_id):
        return None
    return Mistake("LAUNCH-05", f"operatorId {named(terms.operator_id)}", f"operatorId {named(operator_id)}")


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()
