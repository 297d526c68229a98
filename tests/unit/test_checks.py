"""Hostile replies: each gets the right rule, and nothing raises."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.checks import Answer, Violation, grouped, read_answer, shorten, shown
from pytest_provider_contract.history import Defect, Exchange
from pytest_provider_contract.profile import Kind, Status, load_profile
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.transport import Failure, Reply

PROFILE = load_profile("155io")
REQUEST = "3f9e0c64-0000-4000-8000-000000000001"
JSON = ((b"content-type", b"application/json"),)
GOOD: dict[str, object] = {
    "status": "SUCCESS",
    "requestId": REQUEST,
    "clientPlayerId": "alice",
    "currency": "EUR",
    "balance": 1000,
}


def exchange(reply: Reply, kind: Kind = Kind.BET, defect: Defect | None = None) -> Exchange:
    callback = Callback(kind, REQUEST, "alice", "s", "t", "tx", amount=1, currency="EUR")
    return Exchange(callback, "/bet", (), b"", reply, 0.0, 0.1, defect)


def judged(body: bytes | str, headers: tuple[tuple[bytes, bytes], ...] = JSON, **more: object) -> Answer | Violation:
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    return read_answer(exchange(Reply(200, headers, raw), **more), PROFILE)  # type: ignore[arg-type]


def reply(**changes: object) -> bytes:
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return json.dumps(fields).encode()


def raw_field(name: str, text: str) -> str:
    """A good reply with JSON text as one of its values."""
    return json.dumps({**GOOD, name: "@@"}).replace('"@@"', text)


def rule_of(found: Answer | Violation) -> str:
    assert isinstance(found, Violation), found
    assert found.rule in RULES
    for text in (found.expected, found.actual):
        assert text.isprintable(), text
        assert len(text) < 400
    return found.rule


class TestGood:
    def test_an_ordinary_reply(self) -> None:
        assert judged(reply()) == Answer(Status.SUCCESS, 1000, "EUR")

    @pytest.mark.parametrize(
        "body",
        [
            reply(extra={"a": [1, None, 2.5]}, message="Žeton 🎲"),
            reply(balance=-5),
            reply(balance=(1 << 63) - 1),
            b" \r\n" + reply() + b"\n",
            json.dumps(GOOD, indent=3).encode(),
            raw_field("currency", '"\\u0045UR"').encode(),
        ],
    )
    def test_unusual_and_right(self, body: bytes) -> None:
        assert isinstance(judged(body), Answer)

    @pytest.mark.parametrize(
        "value",
        [
            b"application/json; charset=utf-8",
            b'Application/JSON;charset="UTF-8"',
            b"application/json;charset=us-ascii",
            b"application/json; v=1",
            b"application/json;",
        ],
    )
    def test_content_types_that_are_json(self, value: bytes) -> None:
        assert isinstance(judged(reply(), ((b"content-type", value),)), Answer)

    @pytest.mark.parametrize("status", [s.value for s in Status if s is not Status.SUCCESS])
    def test_an_error_needs_no_money(self, status: str) -> None:
        bare = judged(reply(status=status, balance=..., currency=...))
        assert isinstance(bare, Answer)
        assert bare.advisory == {"REPLY-09"}
        assert judged(reply(status=status, balance=None)).advisory == {"REPLY-09"}  # type: ignore[union-attr]
        assert judged(reply(status=status)).advisory == frozenset()  # type: ignore[union-attr]

    @pytest.mark.parametrize("status", sorted(PROFILE.retired_statuses))
    def test_a_status_of_an_older_edition_is_read_with_an_advice(self, status: str) -> None:
        assert judged(reply(status=status)) == Answer(Status.UNKNOWN, 1000, "EUR", frozenset({"REPLY-08"}))

    def test_a_status_of_another_callback_is_read_with_an_advice(self) -> None:
        found = judged(reply(status="BET_LIMIT_REACHED_ERROR"), kind=Kind.WIN)
        assert found == Answer(Status.BET_LIMIT, 1000, "EUR", frozenset({"REPLY-08"}))


class TestNoJson:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" ",
            b"null",
            b"[]",
            b'"SUCCESS"',
            b"200",
            b"<html><body>OK</body></html>",
            b"{'status': 'SUCCESS'}",
            reply()[:-1],
            reply() + b"}",
            reply() + reply(),
            b"\xef\xbb\xbf" + reply(),
            json.dumps(GOOD).encode("utf-16"),
            json.dumps(GOOD).encode("utf-32-le"),
            b"\xff\xfe\x00",
            reply().replace(b"alice", b"al\xedce"),
            reply().replace(b"alice", b"\xed\xa0\x80"),
            b'{"status": "SUCCESS", ' + reply()[1:],
            b'{"a": {"x": 1, "x": 1}, ' + reply()[1:],
            raw_field("balance", "NaN").encode(),
            raw_field("balance", "Infinity").encode(),
            raw_field("balance", "-Infinity").encode(),
            raw_field("balance", "9" * 1_000_000).encode(),
            raw_field("balance", "0100").encode(),
            raw_field("balance", "0x10").encode(),
            raw_field("balance", "1_000").encode(),
            raw_field("balance", "1,000").encode(),
            raw_field("clientPlayerId", '"a\nb"').encode(),
            b"[" * 100_000,
            b"[" * 100_000 + b"]" * 100_000,
            b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
            b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"," + reply()[1:],
            b"\x00" * 1000,
        ],
        ids=range(33),
    )
    def test_a_body_that_is_no_json_object(self, body: bytes) -> None:
        assert rule_of(judged(body)) == "REPLY-04"

    @pytest.mark.parametrize("depth", [*range(800, 1100, 7), 2000, 3000, 5000, 10_000, 30_000])
    @pytest.mark.parametrize("name", ["status", "balance", "requestId", "note"])
    def test_nesting_of_any_depth_raises_nothing(self, depth: int, name: str) -> None:
        for nest in (("[", "]"), ('{"x":', "}")):
            found = judged(raw_field(name, nest[0] * depth + "1" + nest[1] * depth))
            assert isinstance(found, Answer if name == "note" else Violation) or rule_of(found) == "REPLY-04"

    @pytest.mark.parametrize(
        "value",
        [
            None,
            b"",
            b"text/html",
            b"text/json",
            b"application/problem+json",
            b"application/json; charset=iso-8859-1",
            b"application/json; charset=utf-16",
            b"\xff\xfe",
            b";" * 5000,
        ],
    )
    def test_a_content_type_that_is_not_json(self, value: bytes | None) -> None:
        headers = () if value is None else ((b"content-type", value),)
        assert rule_of(judged(reply(), headers)) == "REPLY-04"


class TestFields:
    @pytest.mark.parametrize(
        "body",
        [
            b"{}",
            *(reply(**{name: ...}) for name in GOOD),
            *(reply(**{name: None}) for name in GOOD),
            *(reply(**{name: []}) for name in GOOD),
            *(reply(**{name: True}) for name in GOOD),
            *(reply(**{name: 1.5}) for name in GOOD),
            reply(status=""),
            reply(status=200),
            reply(balance="1000"),
            reply(balance=1000.0),
            raw_field("balance", "1e3").encode(),
            raw_field("balance", "1E400").encode(),
            raw_field("balance", "-0.0").encode(),
            reply(balance=1 << 63),
            reply(balance=int("9" * 4000)),
            reply(currency="eur"),
            reply(currency="EURO"),
            reply(currency="EUR\n"),
            reply(currency=978),
            reply(requestId=17),
            reply(status="UNKNOWN_ERROR", requestId=...),
            reply(status="UNKNOWN_ERROR", clientPlayerId=None),
            reply(status="UNKNOWN_ERROR", balance="1000"),
            reply(status="UNKNOWN_ERROR", balance=10.0),
            reply(status={"code": "SUCCESS"}),
            reply(Status="SUCCESS", status=...),
            reply(status=["x" * 100_000]),
            reply(currency="\ud800"),
        ],
        ids=lambda body: None,
    )
    def test_a_missing_or_mistyped_field(self, body: bytes) -> None:
        assert rule_of(judged(body)) == "REPLY-05"

    @pytest.mark.parametrize(
        "status",
        [
            "success",
            "Success",
            "OK",
            "SUCCESS ",
            " SUCCESS",
            "SUCCESS\n",
            "BET_LIMIT_REACHED",
            "ROUND_CLOSED",
            "INSUFFICIENT_FUNDS",
            "\ud800",
            "\x1b[31mSUCCESS\x1b[0m",
            "\u202eSUCCESS",
            "x" * 100_000,
        ],
    )
    def test_a_misspelt_status(self, status: str) -> None:
        assert rule_of(judged(reply(status=status))) == "REPLY-07"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("requestId", "3f9e0c64-0000-4000-8000-000000000002"),
            ("requestId", REQUEST.upper()),
            ("requestId", ""),
            ("requestId", "\ud83d"),
            ("requestId", "x" * 1_000_000),
            ("clientPlayerId", "bob"),
            ("clientPlayerId", "Alice"),
            ("clientPlayerId", "alice\x00"),
        ],
    )
    @pytest.mark.parametrize("status", ["SUCCESS", "UNKNOWN_ERROR"])
    def test_a_wrong_echo(self, name: str, value: str, status: str) -> None:
        assert rule_of(judged(reply(**{name: value}, status=status))) == "REPLY-06"

    def test_nobody_has_to_echo_what_was_not_readable(self) -> None:
        bare = b'{"status": "UNKNOWN_ERROR"}'
        assert isinstance(judged(bare, defect=Defect("REPLY-02", "unreadable")), Answer)
        assert isinstance(judged(bare, defect=Defect("SIG-01", "forged")), Answer)
        assert isinstance(judged(bare, defect=Defect("REPLY-03", "field", "amount")), Answer)

    def test_a_success_echoes_whatever_was_right_about_the_request(self) -> None:
        wrong_id = Defect("REPLY-03", "field", "requestId", "17")
        assert isinstance(judged(reply(requestId="17"), defect=wrong_id), Answer)
        assert rule_of(judged(reply(clientPlayerId="bob"), defect=wrong_id)) == "REPLY-06"


class TestWire:
    @pytest.mark.parametrize("failure", list(Failure))
    @pytest.mark.parametrize("kind", list(Kind))
    def test_every_failure_has_a_rule(self, failure: Failure, kind: Kind) -> None:
        form = {Failure.NOT_HTTP, Failure.TOO_LARGE, Failure.INCOMPLETE, Failure.TRAILING, Failure.ENCODING}
        found = read_answer(exchange(Reply(None, failure=failure, detail="d\n" * 999), kind), PROFILE)
        late = failure is Failure.TIMEOUT and kind is Kind.BET
        assert rule_of(found) == ("REPLY-04" if failure in form else "TIME-01" if late else "REPLY-01")

    @pytest.mark.parametrize("status", [201, 204, 301, 302, 400, 401, 404, 429, 500, 503])
    def test_another_status_than_200(self, status: int) -> None:
        headers = (*JSON, (b"location", b"/login\x1b[2J\xff"))
        assert rule_of(read_answer(exchange(Reply(status, headers, reply())), PROFILE)) == "REPLY-01"
        for kind, rule in (("unreadable", "REPLY-02"), ("field", "REPLY-03"), ("forged", "REPLY-01")):
            found = read_answer(exchange(Reply(status, headers, reply()), defect=Defect("X", kind, "amount")), PROFILE)
            assert rule_of(found) == rule


HOSTILE_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["SUCCESS", "UNKNOWN_ERROR", REQUEST, "alice", "EUR", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
HOSTILE_OBJECTS = st.dictionaries(st.sampled_from([*GOOD, "note"]), HOSTILE_VALUES, max_size=6)
BODIES = st.binary() | HOSTILE_OBJECTS.map(lambda fields: json.dumps({**GOOD, **fields}).encode())
HEADERS = st.lists(st.tuples(st.sampled_from([b"content-type", b"location", b"x"]), st.binary()), max_size=3).map(tuple)


class TestAnything:
    @pytest.mark.no_cover  # it costs half the time, and the others reach every line too
    @settings(deadline=None, database=None, max_examples=300, suppress_health_check=list(HealthCheck))
    @given(
        BODIES,
        HEADERS | st.just(JSON),
        st.sampled_from(Kind),
        st.sampled_from([None, Defect("SIG-01", "forged"), Defect("REPLY-03", "field", "requestId", "17")]),
        st.sampled_from([200, 200, 200, 302, 500, None]),
    )
    def test_no_reply_raises(
        self,
        body: bytes,
        headers: tuple[tuple[bytes, bytes], ...],
        kind: Kind,
        defect: Defect | None,
        status: int | None,
    ) -> None:
        found = read_answer(exchange(Reply(status, headers, body), kind, defect), PROFILE)
        if isinstance(found, Violation):
            rule_of(found)
        else:
            assert found.status in Status
            assert type(found.balance) in (int, type(None))
            assert found.status is not Status.SUCCESS or found.balance is not None
            assert found.advisory <= RULES.keys()


def test_words_for_values_are_short_and_printable() -> None:
    assert shown("a\nb\x1b\ud800") == r"'a\nb\x1b\ud800'"
    assert shown(b"\x00") == r"b'\x00'"
    assert len(shown("x" * 10_000)) <= 100
    assert len(shown([1] * 1000)) == 100
    assert shorten("a  b\nc") == "a b c"
    assert len(shorten("word " * 100)) <= 120
    assert (grouped(0), grouped(999), grouped(-1234567)) == ("0", "999", "-1 234 567")
    assert grouped(sys.maxsize) == "9 223 372 036 854 775 807"
