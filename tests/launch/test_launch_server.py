"""The stand-in over real sockets: what an operator's code and a player's browser meet, and hostile input."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_provider_contract.launch.findings import told
from pytest_provider_contract.launch.launches import LaunchFailedError
from pytest_provider_contract.launch.provider_api import ProviderApi, UnavailableError
from pytest_provider_contract.launch.server import serving
from pytest_provider_contract.launch.terms import Terms
from pytest_provider_contract.profile import load_profile

from .conftest import OPERATOR_ID, Reply

Post = Callable[..., Reply]


def raw(api: ProviderApi, data: bytes, *, half: bool = False) -> bytes:
    """Sends bytes and reads until the stand-in closes or has sent a whole head."""
    host, port = urlsplit(api.url).hostname, urlsplit(api.url).port
    with socket.create_connection((host, port), timeout=20) as sock:
        sock.sendall(data)
        if half:
            sock.shutdown(socket.SHUT_WR)
        return sock.recv(1 << 16)


def launch_url(post: Post, body: dict[str, Any]) -> str:
    status, _, reply = post("/game/url", body)
    assert status == 200, reply
    return str(json.loads(reply)["url"])


def visit(url: str, cookie: str = "", method: str = "GET") -> Reply:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", headers={"Cookie": cookie} if cookie else {})
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def still_works(post: Post, body: dict[str, Any]) -> bool:
    return post("/game/url", {**body, "clientSessionId": "the last one"})[0] == 200


# -- the API --------------------------------------------------------------------------------------------


def test_a_launch_gives_a_url_with_a_one_time_token(post: Post, request_body: dict[str, Any], api: ProviderApi) -> None:
    url = launch_url(post, {**request_body, "country": "DE", "language": "de"})
    assert url.startswith(f"{api.url}/?otl=")
    assert url.endswith("&country=DE&language=de")
    assert api.findings.all == ()


def test_the_game_list_tells_what_is_enabled(post: Post, api: ProviderApi) -> None:
    status, headers, body = post("/game/games", {"operatorId": OPERATOR_ID})
    assert (status, headers["content-type"]) == (200, "application/json")
    assert [game["id"] for game in json.loads(body) if game["enabled"]] == [game.id for game in api.games]


@pytest.mark.parametrize("fields", [{}, {"operatorId": 5}, {"operatorId": ""}, [], b"{", b""])
def test_a_game_list_without_an_operator_is_refused(post: Post, api: ProviderApi, fields: object) -> None:
    assert post("/game/games", fields)[0] == 400
    assert api.findings.rules == ["LAUNCH-02"]


def test_an_unknown_operator_is_not_found(post: Post, request_body: dict[str, Any], api: ProviderApi) -> None:
    for path in ("/game/games", "/game/url"):
        status, _, body = post(path, {**request_body, "operatorId": "somebody"})
        assert (status, json.loads(body)["status"]) == (404, "UNKNOWN_OPERATOR")
    assert api.findings.rules == ["LAUNCH-05"]


def test_a_refusal_names_every_mistake(post: Post, request_body: dict[str, Any], api: ProviderApi) -> None:
    status, _, body = post("/game/url", {**request_body, "depositUrl": "undefined", "country": "UK", "platform": "tv"})
    assert status == 400
    assert json.loads(body)["status"] == "VALIDATION_ERROR"
    assert set(api.findings.rules) == {"LAUNCH-03", "LAUNCH-10", "LAUNCH-12"}
    assert all(rule in json.loads(body)["message"] for rule in api.findings.rules)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/game/game/url", 404),
        ("POST", "/url", 404),
        ("POST", "/api/game/url", 404),
        ("GET", "/game/url", 405),
        ("PUT", "/game/url", 405),
        ("POST", "/", 405),
    ],
)
def test_a_wrong_path_is_a_finding(post: Post, api: ProviderApi, method: str, path: str, status: int) -> None:
    assert post(path, {"operatorId": OPERATOR_ID}, method=method)[0] == status
    assert api.findings.rules == ["LAUNCH-01"]


def test_what_a_browser_asks_for_by_itself_is_no_finding(post: Post, api: ProviderApi) -> None:
    assert post("/favicon.ico", b"", method="GET")[0] == 404
    assert api.findings.all == ()


@pytest.mark.parametrize("path", ["/game/url", "/game/games", "/game/game/url"])
def test_an_address_that_is_not_on_the_list_gets_the_cdns_page(
    post: Post, request_body: dict[str, Any], api: ProviderApi, path: str
) -> None:
    api.agree(allowed=("203.0.113.7",))
    status, headers, body = post(path, request_body)
    assert status == 403
    assert headers["content-type"].startswith("text/html")
    assert headers["server"] == "CloudFront"
    assert b"Request blocked" in body
    assert b"Generated by cloudfront" in body
    assert api.findings.rules == ["LAUNCH-13"]


def test_an_address_of_an_allowed_network_is_served(post: Post, request_body: dict[str, Any], api: ProviderApi) -> None:
    api.agree(allowed=("203.0.113.7", "127.0.0.0/8"))
    assert post("/game/url", request_body)[0] == 200
    assert api.findings.exercised["LAUNCH-13"] == 1


def test_an_outage_is_told_with_503_and_once(post: Post, request_body: dict[str, Any], api: ProviderApi) -> None:
    api.fail_next_launch()
    assert post("/game/url", request_body)[0] == 503
    assert post("/game/url", {**request_body, "clientSessionId": "session-2"})[0] == 200
    assert api.findings.all == ()


def test_an_outage_makes_the_session_a_bad_one(request_body: dict[str, Any], api: ProviderApi) -> None:
    body = json.dumps(request_body).encode()
    api.fail_next_launch()
    with pytest.raises(UnavailableError):
        api.launch(body, "POST")
    url = api.launch(body, "POST")
    assert api.findings.rules == ["LAUNCH-17"]
    with pytest.raises(LaunchFailedError, match="bad"):
        api.open(url)


# -- the player -----------------------------------------------------------------------------------------


def test_a_link_opens_once(post: Post, request_body: dict[str, Any], api: ProviderApi, open_casino: Any) -> None:
    casino = open_casino()
    casino.wallet.start_session("session-1", "alice")
    url = launch_url(post, request_body)
    status, headers, page = visit(url)
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert b"100000" in page
    cookie = headers["set-cookie"].partition(";")[0]
    assert visit(url, cookie)[0] == 403
    assert api.findings.rules == ["LAUNCH-14"]
    assert visit(url)[0] == 403
    assert api.findings.rules == ["LAUNCH-14", "LAUNCH-16"]


def test_a_link_lives_two_hours(post: Post, request_body: dict[str, Any], api: ProviderApi) -> None:
    demo = {**request_body, "currency": "XXX", "clientSessionId": None, "clientPlayerId": None}
    young, old = launch_url(post, demo), launch_url(post, demo)
    api.clock.advance(hours=2, seconds=-5)
    assert visit(young)[0] == 200
    api.clock.advance(seconds=10)
    status, _, page = visit(old)
    assert (status, b"expired" in page) == (403, True)
    assert api.findings.rules == ["LAUNCH-15"]


def test_a_preview_does_not_use_the_link_up(post: Post, request_body: dict[str, Any], api: ProviderApi) -> None:
    url = launch_url(post, {**request_body, "currency": "XXX", "clientSessionId": None, "clientPlayerId": None})
    assert visit(url, method="HEAD")[0] == 200
    assert visit(url)[0] == 200
    assert api.findings.all == ()


def test_a_link_that_was_never_given_opens_nothing(api: ProviderApi) -> None:
    for query in ("", "?otl=", "?otl=" + "x" * 5000, "?otl=%00%ff"):
        assert visit(api.url + "/" + query)[0] == 403
    with pytest.raises(LaunchFailedError, match="no launch URL of"):
        api.open("https://elsewhere.example/?otl=x")


def test_real_play_without_a_wallet_says_what_is_missing(post: Post, request_body: dict[str, Any]) -> None:
    status, _, page = visit(launch_url(post, request_body))
    assert (status, b"name its URL" in page) == (403, True)


def test_what_the_operator_sends_is_no_markup(post: Post, request_body: dict[str, Any]) -> None:
    demo = {**request_body, "currency": "XXX", "clientSessionId": None, "clientPlayerId": None}
    url = launch_url(post, {**demo, "lobbyUrl": 'https://x.example/"><script>alert(1)</script>'})
    _, headers, page = visit(url)
    assert b"<script>alert" not in page
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "move",
    [
        b"",
        b"[]",
        b"{",
        {"stake": -1, "play": "win"},
        {"stake": 1.5, "play": "win"},
        {"stake": 10**30, "play": "lose"},
        {"stake": 5, "play": "cheat"},
        {"stake": 5},
        {"game": "another"},
        {"game": None},
    ],
)
def test_a_page_that_asks_for_nonsense_is_told_so(
    post: Post, request_body: dict[str, Any], api: ProviderApi, move: object
) -> None:
    url = launch_url(post, {**request_body, "currency": "XXX", "clientSessionId": None, "clientPlayerId": None})
    game = api.open(url)
    status, _, body = post(f"/play/{game.key}", move)
    assert status == 400
    assert json.loads(body)["message"]
    assert post("/play/nobody", {"stake": 5, "play": "win"})[0] == 404


# -- the desk of whoever runs it ------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [b"", b"[]", {}, {"transactionIds": "x"}, {"transactionIds": [5]}])
def test_pending_debits_must_be_a_list(post: Post, fields: object) -> None:
    assert post("/stand-in/pending", fields)[0] == 400


def test_findings_and_rounds_can_be_read(post: Post) -> None:
    post("/game/game/url", b"{}")
    post("/stand-in/pending", {"transactionIds": ["a", "b"]})
    assert [f["rule"] for f in json.loads(post("/stand-in/findings", b"", method="GET")[2])] == [
        "LAUNCH-01",
        "LAUNCH-23",
        "LAUNCH-23",
    ]
    assert json.loads(post("/stand-in/rounds", b"", method="GET")[2]) == []
    assert post("/stand-in/rounds/none/push", b"")[0] == 404


# -- hostile input --------------------------------------------------------------------------------------

BAD_BODIES = [
    b"",
    b"\xff\xfe",
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b"9" * 60_000,
    b'{"operatorId": NaN}',
    b'"' + b"x" * 60_000 + b'"',
    json.dumps({"operatorId": {"deep": [1] * 1000}, "partnerId": None, "gameId": [], "currency": 10**400}).encode(),
    json.dumps({"clientPlayerId": "\x1b[31m\n\r\x00", "currency": "XXX"}).encode(),
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_malformed_body_is_refused(post: Post, request_body: dict[str, Any], api: ProviderApi, body: bytes) -> None:
    status, headers, reply = post("/game/url", body)
    assert (status, headers["content-type"]) == (400, "application/json")
    assert len(reply) < 5_000
    text = told(api.findings.all)
    assert text
    assert text.isprintable() or set(text) - {"\n"} == {c for c in text if c.isprintable()}
    assert still_works(post, request_body)


BAD_REQUESTS = {
    "no HTTP": b"\x16\x03\x01 hello\r\n\r\n",
    "huge header": b"POST /game/url HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 200_000 + b"\r\n\r\n",
    "length without end": b"POST /game/url HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
    "huge body": b"POST /game/url HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000,
    "negative length": b"POST /game/url HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "bad chunks": b"POST /game/url HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "bytes in the path": b"POST /game/\xff\xfe\x80%zz%00 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "bad host": b"POST /game/url HTTP/1.1\r\nHost: \xff/..\r\nContent-Length: 2\r\n\r\n{}",
    "unknown method": b"BREW /game/url HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "absolute target": b"POST http://evil.example/game/url HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_malformed_request_gets_an_error(
    post: Post, request_body: dict[str, Any], api: ProviderApi, name: str
) -> None:
    answer = raw(api, BAD_REQUESTS[name])
    assert answer.startswith(b"HTTP/1."), answer
    assert answer[9:10] == b"4", answer[:100]
    assert b"Traceback" not in answer
    assert still_works(post, request_body)


def test_slow_and_silent_callers_hold_nobody_up(post: Post, request_body: dict[str, Any], api: ProviderApi) -> None:
    parts = urlsplit(api.url)
    head = b"POST /game/url HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"
    slow = [socket.create_connection((parts.hostname, parts.port), timeout=20) for _ in range(60)]
    try:
        for number, sock in enumerate(slow):
            sock.sendall(head[: number + 1])
        assert still_works(post, request_body)
    finally:
        for sock in slow:
            sock.close()


def test_callers_that_leave_early_harm_nobody(post: Post, request_body: dict[str, Any], api: ProviderApi) -> None:
    parts = urlsplit(api.url)
    body = json.dumps({**request_body, "clientSessionId": "gone"}).encode()
    for _ in range(20):
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as sock:
            sock.sendall(b"POST /game/url HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert still_works(post, request_body)


def in_parallel(count: int, work: Callable[[int], object]) -> list[object]:
    results: list[object] = [None] * count

    def one(number: int) -> None:
        results[number] = work(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_launches_at_the_same_time_are_launches_of_their_own(
    post: Post, request_body: dict[str, Any], api: ProviderApi
) -> None:
    urls = in_parallel(40, lambda number: launch_url(post, {**request_body, "clientSessionId": f"session-{number}"}))
    assert len(set(urls)) == 40
    assert api.findings.all == ()


def test_of_many_who_open_one_link_one_gets_in(post: Post, request_body: dict[str, Any]) -> None:
    url = launch_url(post, {**request_body, "currency": "XXX", "clientSessionId": None, "clientPlayerId": None})
    statuses = Counter(in_parallel(20, lambda _number: visit(url)[0]))
    assert statuses == {200: 1, 403: 19}


def test_one_session_for_many_launches_at_once_is_found(
    post: Post, request_body: dict[str, Any], api: ProviderApi
) -> None:
    in_parallel(10, lambda _number: launch_url(post, request_body))
    assert [finding.rule for finding in api.findings.all] == ["LAUNCH-18"] * 9


def test_findings_do_not_grow_without_end(api: ProviderApi) -> None:
    for number in range(1_500):
        api.misdirected("POST", f"/{number}", "POST")
    assert len(api.findings.all) == 1_000


def test_the_address_is_free_again_after_the_end(request_body: dict[str, Any]) -> None:
    with serving(ProviderApi(load_profile("155io"), None)) as first:
        port = urlsplit(first.url).port
    with serving(ProviderApi(load_profile("155io"), None, Terms()), port=port or 0) as second:
        assert second.launch(json.dumps(request_body).encode(), "POST").startswith(second.url)
    with pytest.raises(ConnectionRefusedError):
        raw(second, b"GET / HTTP/1.1\r\n\r\n")
