"""The bundled operator and what no provider sends: always 200, always a status, never an effect."""

from __future__ import annotations

import base64
import json
import socket
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from fake_provider import Provider, a_bet, a_rollback, a_win, new_id

CALLBACKS = ["balance", "bet", "win", "rollback"]


def everything() -> dict[str, Any]:
    """An object that is good for each of the four callbacks."""
    bet = a_bet(10)
    return {
        "requestId": new_id(),
        "clientPlayerId": "alice",
        "clientSessionId": "session-a",
        "timestamp": "2026-11-23T09:00:00.000Z",
        **a_win(bet),
        **a_rollback(bet),
        **bet,
    }


def unsigned(provider: Provider, name: str, body: bytes, signature: str | None = None) -> dict[str, Any]:
    headers = {} if signature is None else {"X-Marbles-Signature": signature}
    status, content_type, answer = provider.post(name, body, headers)
    assert (status, content_type) == (200, "application/json")
    reply: dict[str, Any] = json.loads(answer)
    return reply


@pytest.mark.parametrize("name", CALLBACKS)
def test_signature_holes(provider: Provider, name: str) -> None:
    before = provider.balance()
    fields = everything()
    body = json.dumps(fields).encode()
    good = provider.sign(body)
    other = rsa.generate_private_key(65537, 2048)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    made = {
        "empty": "",
        "not base64": "@@@@",
        "not ascii": "\xe4" * 8,
        "cut short": good[:-8],
        "extended": good + "AAAA",
        "of another body": provider.sign(body + b" "),
        "of another key": base64.b64encode(other.sign(body, padding.PKCS1v15(), hashes.SHA256())).decode(),
        "PSS": base64.b64encode(provider.key.sign(body, pss, hashes.SHA256())).decode(),
        "SHA-1": base64.b64encode(provider.key.sign(body, padding.PKCS1v15(), hashes.SHA1())).decode(),
    }
    refused = {"status": "UNKNOWN_ERROR", "requestId": fields["requestId"], "clientPlayerId": "alice"}
    assert unsigned(provider, name, body) == refused
    for hole, signature in made.items():
        assert unsigned(provider, name, body, signature) == refused, hole
    assert unsigned(provider, name, b"{", good) == {"status": "UNKNOWN_ERROR", "requestId": "", "clientPlayerId": ""}
    assert provider.balance() == before


def test_refused_signature_burns_no_id(provider: Provider) -> None:
    body = json.dumps(everything()).encode()
    assert unsigned(provider, "bet", body, "AAAA")["status"] == "UNKNOWN_ERROR"
    assert provider.send("bet", body)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    "spelled",
    [
        lambda fields: json.dumps(dict(reversed(fields.items()))),
        lambda fields: json.dumps(fields, indent=3) + "\r\n",
        lambda fields: json.dumps(fields, separators=(",", ":")),
        lambda fields: json.dumps(fields).replace("alice", "\\u0061lice"),
        lambda fields: json.dumps(fields | {"extra": {"snow": ["☃", None, 1.5, "\0"]}}, ensure_ascii=False),
    ],
)
def test_spellings(provider: Provider, spelled: Any) -> None:
    before = provider.balance()
    assert provider.send("bet", spelled(everything()).encode())["status"] == "SUCCESS"
    assert provider.balance() == before - 10


def test_header_name_in_any_case(provider: Provider) -> None:
    body = json.dumps(everything()).encode()
    for name in ("x-marbles-signature", "X-MARBLES-SIGNATURE"):
        _, _, answer = provider.post("balance", body, {name: provider.sign(body)})
        assert json.loads(answer)["status"] == "SUCCESS"


@pytest.mark.parametrize("name", CALLBACKS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"{",
        b"{}{}",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b'{"requestId": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"amount": ' + b"9" * 100_000 + b"}",
        b'{"amount": NaN}',
        b'{"amount": -Infinity}',
        b"\0" * 1_000,
        "{}".encode("utf-16"),
    ],
    ids=lambda body: repr(body[:12]),
)
def test_bodies_that_are_no_callback(provider: Provider, name: str, body: bytes) -> None:
    assert provider.send(name, body)["status"] == "UNKNOWN_ERROR"


@pytest.mark.parametrize("name", CALLBACKS)
def test_fields_missing_and_mistyped(provider: Provider, name: str) -> None:
    before = provider.balance()
    needed = {
        "balance": [],
        "bet": ["transactionId", "roundId", "gameId", "amount", "currency"],
        "win": ["transactionId", "referenceTransactionId", "roundId", "gameId", "amount", "currency", "roundClosed"],
        "rollback": ["transactionId", "referenceTransactionId", "roundId", "gameId", "roundClosed"],
    }
    for field in ["requestId", "clientPlayerId", "clientSessionId", "timestamp", *needed[name]]:
        for value in (None, "", 7, [], {}, "\0", "a\0b", "\ud800", 1.5):
            reply = provider.send(name, json.dumps(everything() | {field: value}).encode())
            assert reply["status"] == "UNKNOWN_ERROR" or (field, value) == ("amount", 7), (field, value)
        without = everything()
        del without[field]
        assert provider.send(name, json.dumps(without).encode())["status"] == "UNKNOWN_ERROR"
    assert provider.balance() == before - (7 if name == "bet" else 0)


@pytest.mark.parametrize("field", ["isFree", "rewardUuid"])
@pytest.mark.parametrize("name", ["bet", "win", "rollback"])
def test_optional_fields_mistyped(provider: Provider, name: str, field: str) -> None:
    reply = provider.send(name, json.dumps(everything() | {field: 1}).encode())
    assert reply["status"] == "UNKNOWN_ERROR"


def test_a_key_that_occurs_twice(provider: Provider) -> None:
    body = json.dumps(everything())[:-1] + ', "amount": 1}'
    assert provider.send("bet", body.encode())["status"] == "UNKNOWN_ERROR"


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: abc",
        b"Content-Length: -1",
        b"Content-Length: " + b"9" * 5_000,
        b"Content-Length: 99999999999",
        b"Transfer-Encoding: magic",
        b"Transfer-Encoding: chunked\r\n\r\nzz",
        b"no colon here",
        b"X-Other: nothing",
    ],
)
def test_broken_http(provider: Provider, header: bytes) -> None:
    host, port = provider.address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /bet HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + header + b"\r\n\r\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n"))
    assert json.loads(body)["status"] == "UNKNOWN_ERROR"


def test_half_a_request(provider: Provider) -> None:
    before = provider.balance()
    body = json.dumps(everything()).encode()
    head = f"POST /bet HTTP/1.1\r\nHost: x\r\nX-Marbles-Signature: {provider.sign(body)}\r\n"
    request = head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
    host, port = provider.address.split(":")
    for length in (10, len(head), len(request) - len(body), len(request) - 1):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(request[:length])
    assert provider.balance() == before


def test_other_paths_and_methods(provider: Provider) -> None:
    assert provider.post("jackpot", b"{}", {})[0] == 404
    assert provider.post("bet/", b"{}", {})[0] == 404
