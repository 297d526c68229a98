"""The first look at wallets that are healthy, faulty in part, or not to be tested at all."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from looking import ALICE, BOB, PROFILE, Look
from small_wallet import HTML, JSON, Request, Response, Wallet, serving

from pytest_provider_contract.history import Player
from pytest_provider_contract.preflight.access import candidates
from pytest_provider_contract.preflight.checkup import Checkup, Item, Outcome, Who
from pytest_provider_contract.profile import Kind
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.signing import SigningKey, generate_key

ALL = {id_ for id_, rule in RULES.items() if rule.part == "preflight"}
A_DOZEN = 12


def stop_of(checkup: Checkup) -> Item:
    assert checkup.stop is not None, checkup.items
    assert checkup.stop.mend
    return checkup.stop


def notices(checkup: Checkup) -> list[str]:
    assert checkup.stop is None, checkup.stop
    return [item.rule for item in checkup.notices]


# -- healthy ----------------------------------------------------------------------------------------


def test_a_healthy_wallet(look: Look, key: SigningKey) -> None:
    wallet = Wallet(key)
    with serving(wallet) as port:
        checkup = look(port)
    assert notices(checkup) == []
    assert set(checkup.good) == ALL - {"PREFLIGHT-03"}
    assert checkup.callbacks == len(wallet.calls) <= A_DOZEN
    assert wallet.balances == {"alice": 10_000, "bob": 10_000}
    assert not any(bet["open"] for bet in wallet.bets.values())


def test_the_callbacks_say_what_they_are_for(look: Look, key: SigningKey) -> None:
    wallet = Wallet(key)
    with serving(wallet) as port:
        look(port)
    assert all("(PREFLIGHT)" in call.headers["User-Agent"] for call in wallet.calls)


def test_a_wallet_without_signatures_and_a_run_without(look: Look) -> None:
    with serving(Wallet(None)) as port:
        assert notices(look(port, signing=None)) == []


def test_without_a_player_only_the_way_is_looked_at(look: Look, key: SigningKey) -> None:
    wallet = Wallet(key)
    with serving(wallet) as port:
        checkup = look(port, signing=key, players=())
    assert checkup.stop is None
    assert "PREFLIGHT-07" in checkup.good
    assert {call.name for call in wallet.calls} == {"balance"}


class Habit(Wallet):
    """A wallet with one of the ways the contract leaves open."""


class Lean(Habit):
    def reply(self, request: Request, status: str = "SUCCESS", **more: Any) -> Response:
        response = super().reply(request, status, **more)
        told = json.loads(response.body)
        if status != "SUCCESS":
            told = {name: told[name] for name in ("status", "requestId", "clientPlayerId")}
        return Response(body=json.dumps(told).encode())


class LeastStake(Habit):
    def declines(self, fields: dict[str, Any]) -> str | None:
        return super().declines(fields) or ("BET_LIMIT_REACHED_ERROR" if fields["amount"] < 100 else None)


class LimitOfOne(Habit):
    def declines(self, fields: dict[str, Any]) -> str | None:
        return super().declines(fields) or ("BET_LIMIT_REACHED_ERROR" if fields["amount"] > 1 else None)


class Moody(Habit):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked = 0

    def declines(self, fields: dict[str, Any]) -> str | None:
        self.asked += 1
        return "UNKNOWN_ERROR" if self.asked <= 2 else super().declines(fields)


class Stumbling(Habit):
    """Its first answer of all is an accident."""

    def answer(self, request: Request) -> Response:
        return self.reply(request, "UNKNOWN_ERROR") if len(self.calls) == 1 else super().answer(request)


class RefusesStrayRollbacks(Habit):
    def rollback(self, request: Request) -> Response:
        known = request.fields["referenceTransactionId"] in self.bets
        return super().rollback(request) if known else self.reply(request, "UNKNOWN_ERROR")


class PaysEarlyWins(Habit):
    def win(self, request: Request) -> Response:
        self.balances[request.fields["clientPlayerId"]] += request.fields["amount"]
        return self.reply(request)


@pytest.mark.parametrize(
    "habit", [Lean, LeastStake, LimitOfOne, Moody, Stumbling, RefusesStrayRollbacks, PaysEarlyWins]
)
def test_a_conforming_wallet_is_not_accused(look: Look, key: SigningKey, habit: type[Habit]) -> None:
    wallet = habit(key)
    with serving(wallet) as port:
        checkup = look(port)
    assert notices(checkup) == []
    assert wallet.balances == {"alice": 10_000, "bob": 10_000}


@pytest.mark.parametrize("balance", [1, 3, 99])
def test_a_poor_player_is_enough(look: Look, key: SigningKey, balance: int) -> None:
    wallet = Wallet(key, {"alice": balance, "bob": 0})
    with serving(wallet) as port:
        assert notices(look(port)) == []
    assert wallet.balances == {"alice": balance, "bob": 0}


# -- in front of the wallet ---------------------------------------------------------------------------


def page(status: int, body: str, **headers: str) -> Callable[[Request], Response]:
    sent = {**HTML, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return lambda _request: Response(status, body.encode(), sent)


CLOUDFRONT = (
    "<HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD><BODY>Request blocked."
    "<PRE>Generated by cloudfront (CloudFront)\nRequest ID: QGJDmdNqJJ6zS3AL==\n</PRE></BODY></HTML>"
)
CLOUDFLARE = "<title>Attention Required! | Cloudflare</title>Sorry, you have been blocked. Your IP: 203.0.113.9"
AKAMAI = '<H1>Access Denied</H1>You don\'t have permission to access "http&#58;&#47;&#47;wallet" on this server.'
TO_TLS = "Client sent an HTTP request to an HTTPS server."
NGINX = "<html><center><h1>%s</h1></center><hr><center>nginx/1.24.0</center></html>"


@pytest.mark.parametrize(
    ("answer", "rule", "who", "words"),
    [
        pytest.param(page(403, CLOUDFRONT), "04", Who.OPERATOR, ["CloudFront", "QGJDmdNqJJ6zS3AL=="], id="cloudfront"),
        pytest.param(page(403, CLOUDFLARE), "04", Who.OPERATOR, ["Cloudflare", "203.0.113.9"], id="cloudflare"),
        pytest.param(page(403, AKAMAI, Server="AkamaiGHost"), "04", Who.OPERATOR, ["Akamai"], id="akamai"),
        pytest.param(page(403, "<h1>403</h1>", Server="awselb/2.0"), "04", Who.OPERATOR, ["AWS WAF"], id="aws-waf"),
        pytest.param(page(403, NGINX % "403 Forbidden"), "04", Who.OPERATOR, ["nginx", "never reached"], id="nginx"),
        pytest.param(page(403, ""), "04", Who.OPERATOR, ["not on the list"], id="a-bare-403"),
        pytest.param(page(202, "", x_amzn_waf_action="challenge"), "04", Who.OPERATOR, ["bot"], id="challenge"),
        pytest.param(page(403, "CSRF verification failed."), "04", Who.OPERATOR, ["Django", "csrf_exempt"], id="csrf"),
        pytest.param(page(401, "", WWW_Authenticate="Basic"), "04", Who.OPERATOR, ["credentials"], id="basic-auth"),
        pytest.param(page(502, NGINX % "502 Bad Gateway"), "07", Who.OPERATOR, ["nginx", "can't reach it"], id="proxy"),
        pytest.param(page(500, "<h1>Server Error (500)</h1>"), "07", Who.OPERATOR, ["Django", "log"], id="crash"),
        pytest.param(page(422, '{"detail":[{"loc":["body"]}]}'), "07", Who.OPERATOR, ["FastAPI"], id="validation"),
        pytest.param(page(200, "<html><title>Welcome to nginx!</title>"), "07", Who.EITHER, ["Welcome"], id="web-site"),
        pytest.param(page(302, "", Location="/admin/login?next=/x"), "06", Who.OPERATOR, ["login"], id="login"),
        pytest.param(page(200, '<html><input type="password">'), "06", Who.OPERATOR, ["login"], id="login-form"),
        pytest.param(page(301, "", Location="https://new.example/x"), "06", Who.OPERATOR, ["new.example"], id="moved"),
        pytest.param(page(400, TO_TLS), "03", Who.TESTER, ["https://"], id="tls-port"),
        pytest.param(lambda _request: None, "07", Who.OPERATOR, ["log"], id="hangs-up"),
    ],
)  # fmt: skip
def test_no_callback_reaches_a_wallet(
    look: Look, answer: Callable[[Request], Response | None], rule: str, who: Who, words: list[str]
) -> None:
    with serving(answer) as port:
        checkup = look(port)
    stop = stop_of(checkup)
    assert (stop.rule, stop.who) == (f"PREFLIGHT-{rule}", who)
    told = "\n".join(stop.lines())
    for word in words:
        assert word in " ".join(told.split()), told
    assert checkup.callbacks <= A_DOZEN


def test_a_redirect_to_https_names_the_right_url(look: Look) -> None:
    def to_https(request: Request) -> Response:
        return Response(301, b"", {"Location": f"https://wallet.example{request.path}"})

    with serving(to_https) as port:
        stop = stop_of(look(f"http://127.0.0.1:{port}/api"))
    assert (stop.rule, stop.wrong_use) == ("PREFLIGHT-06", True)
    assert "--operator-url=https://wallet.example/api" in stop.mend


def test_a_redirect_to_a_slash(look: Look) -> None:
    with serving(lambda request: Response(308, b"", {"Location": request.path + "/"})) as port:
        stop = stop_of(look(port))
    assert (stop.rule, stop.who) == ("PREFLIGHT-06", Who.OPERATOR)
    assert "slash" in stop.mend


@contextmanager
def saying(data: bytes) -> Iterator[int]:
    """Anything but HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    sock, _ = server.accept()
                except OSError:
                    return
                with sock:
                    sock.settimeout(2)
                    try:
                        sock.recv(65536)
                        sock.sendall(data)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00\xff\x1b[2J" * 100, b"HTTP/1.1 banana\r\n\r\n"])
def test_something_else_than_a_web_server(look: Look, data: bytes) -> None:
    with saying(data) as port:
        stop = stop_of(look(port))
    assert stop.rule == "PREFLIGHT-07"
    assert "\n".join(stop.lines()).replace("\n", "").isprintable()


def test_a_wallet_that_hangs(look: Look) -> None:
    released = threading.Event()

    def hang(_request: Request) -> None:
        released.wait(10)

    short = {kind: dataclasses.replace(terms, deadline_s=0.2) for kind, terms in PROFILE.callbacks.items()}
    with serving(hang) as port:
        stop = stop_of(look(port, profile=dataclasses.replace(PROFILE, callbacks=short)))
        released.set()
    assert stop.rule == "PREFLIGHT-07"
    assert "hangs" in stop.cause


# -- the path -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "given"),
    [
        ("/wallet", "/wallet/wallet"),
        ("/api/wallet", "/api/api/wallet"),
        ("/wallet", "/wallet/balance"),
        ("/wallet", ""),
        ("/api/wallet", "/api"),
        ("", "/v2/wallet"),
        ("/api", "/api/wallet"),
        ("/game", "/games/game"),
    ],
)
def test_a_wrong_base_url_is_corrected(look: Look, key: SigningKey, right: str, given: str) -> None:
    wallet = Wallet(key, base=right)
    with serving(wallet) as port:
        stop = stop_of(look(f"http://127.0.0.1:{port}{given}"))
    assert (stop.rule, stop.wrong_use, stop.who) == ("PREFLIGHT-05", True, Who.TESTER)
    assert stop.mend == f"give --operator-url=http://127.0.0.1:{port}{right}"
    assert wallet.balances == {"alice": 10_000, "bob": 10_000}


def test_nothing_is_anywhere(look: Look, key: SigningKey) -> None:
    with serving(Wallet(key, base="/somewhere/else")) as port:
        stop = stop_of(look(f"http://127.0.0.1:{port}/wallet"))
    assert (stop.rule, stop.wrong_use, stop.who) == ("PREFLIGHT-05", False, Who.EITHER)


def test_a_slash_too_many_in_the_wallet_s_paths(look: Look, key: SigningKey) -> None:
    class Slashed(Wallet):
        def handle(self, request: Request) -> Response | None:
            bare = dataclasses.replace(request, path=request.path.removesuffix("/"))
            return super().handle(bare) if request.path.endswith("/") else Response(404)

    with serving(Slashed(key)) as port:
        stop = stop_of(look(port))
    assert (stop.rule, stop.who) == ("PREFLIGHT-05", Who.OPERATOR)
    assert "/balance/" in stop.said


def test_candidates_are_few_and_new() -> None:
    for path in ("", "/a", "/a/a", "/a/b/c/d/e/f", "/balance", "/x" * 500):
        found = candidates(path, "/balance")
        assert path not in found
        assert len(found) == len(set(found)) <= A_DOZEN


# -- the signature ------------------------------------------------------------------------------------


class Telling(Wallet):
    def refuse(self, request: Request, why: str) -> Response:
        return self.reply(request, {"signature": "INVALID_SIGNATURE", "player": "PLAYER_NOT_FOUND_ERROR"}[why])


class Messages(Wallet):
    def refuse(self, request: Request, why: str) -> Response:
        return self.reply(
            request, "UNKNOWN_ERROR", message={"signature": "Bad signature", "player": "No such player"}[why]
        )


class Status401(Wallet):
    def refuse(self, request: Request, why: str) -> Response:
        return dataclasses.replace(self.reply(request, "UNKNOWN_ERROR"), status=401 if why == "signature" else 200)


class Backwards(Lean):
    """Its keys come in an order in which the player's name stands before an unknown error."""

    def reply(self, request: Request, status: str = "SUCCESS", **more: Any) -> Response:
        told = json.loads(super().reply(request, status, **more).body)
        return Response(body=json.dumps(dict(reversed(told.items()))).encode())


class Unread(Wallet):
    """Does not read a body whose signature is wrong, so that its reply echoes nothing."""

    def refuse(self, request: Request, why: str) -> Response:
        if why == "player":
            return super().refuse(request, why)
        return Response(body=b'{"status": "UNKNOWN_ERROR", "requestId": "", "clientPlayerId": ""}')


class Middleware(Wallet):
    """Its gateway refuses with words of its own."""

    def refuse(self, request: Request, why: str) -> Response:
        if why == "player":
            return super().refuse(request, why)
        return Response(403, b'{"error": "signature verification failed"}', dict(JSON))


WALLETS = [Telling, Messages, Status401, Middleware]


@pytest.mark.parametrize("wallet", WALLETS)
def test_a_wrong_public_key(look: Look, key: SigningKey, wallet: type[Wallet]) -> None:
    with serving(wallet(generate_key())) as port:
        stop = stop_of(look(port))
    assert (stop.rule, stop.wrong_use) == ("PREFLIGHT-08", False)
    assert key.fingerprint in stop.cause


@pytest.mark.parametrize("wallet", [Lean, Backwards, Unread])
def test_refusals_that_do_not_tell_name_both_causes(look: Look, key: SigningKey, wallet: type[Wallet]) -> None:
    with serving(wallet(generate_key())) as port:
        stop = stop_of(look(port))
    assert stop.rule == "PREFLIGHT-12"
    assert key.fingerprint in stop.cause
    assert "player" in stop.cause


@pytest.mark.parametrize("wallet", WALLETS)
def test_a_run_without_signatures_at_a_wallet_that_wants_them(
    look: Look, key: SigningKey, wallet: type[Wallet]
) -> None:
    with serving(wallet(key)) as port:
        stop = stop_of(look(port, signing=None))
    assert stop.rule in ("PREFLIGHT-08", "PREFLIGHT-12")
    assert "signature" in stop.cause


@pytest.mark.parametrize(
    ("rewrite", "words"),
    [
        pytest.param(json.dumps, "space after", id="python"),
        pytest.param(lambda f: json.dumps(f, separators=(",", ":"), sort_keys=True), "alphabetical", id="go"),
        pytest.param(lambda fields: json.dumps(fields, sort_keys=True), "both", id="both"),
    ],
)
def test_a_body_that_is_written_again(
    look: Look, key: SigningKey, rewrite: Callable[[dict[str, Any]], str], words: str
) -> None:
    class Rewriting(Wallet):
        def verified(self, request: Request) -> bytes:
            return rewrite(request.fields).encode()

    with serving(Rewriting(key)) as port:
        stop = stop_of(look(port))
    assert (stop.rule, stop.who) == ("PREFLIGHT-08", Who.OPERATOR)
    assert words in stop.said
    assert "raw bytes" in stop.mend


def test_signatures_that_are_not_checked_are_told_and_left_to_the_suite(look: Look) -> None:
    with serving(Wallet(None)) as port:
        assert notices(look(port)) == ["PREFLIGHT-09"]


@pytest.mark.parametrize("name", ["bet", "win", "rollback"])
def test_a_callback_whose_signature_is_not_checked_stops_nothing(look: Look, key: SigningKey, name: str) -> None:
    class PartlyOpen(Wallet):
        def is_signed(self, request: Request) -> bool:
            return request.name == name or super().is_signed(request)

    wallet = PartlyOpen(key)
    with serving(wallet) as port:
        assert notices(look(port)) == []
    assert wallet.balances["alice"] == 10_000


# -- players, currencies, clocks ------------------------------------------------------------------------


@pytest.mark.parametrize("wallet", [Telling, Messages, Unread, Middleware])
def test_an_unknown_player(look: Look, key: SigningKey, wallet: type[Wallet]) -> None:
    with serving(wallet(key)) as port:
        stop = stop_of(look(port, Player("carol", "s-carol", "EUR")))
    assert (stop.rule, stop.who) == ("PREFLIGHT-10", Who.EITHER)
    assert "carol" in stop.said


@pytest.mark.parametrize("wallet", [Lean, Backwards])
def test_an_unknown_player_whom_no_reply_tells_from_a_wrong_key(
    look: Look, key: SigningKey, wallet: type[Wallet]
) -> None:
    class Refusing(wallet):  # type: ignore[misc, valid-type]
        def rollback(self, request: Request) -> Response:
            return self.reply(request, "UNKNOWN_ERROR")

    with serving(Refusing(key)) as port:
        stop = stop_of(look(port, Player("carol", "s-carol", "EUR")))
    assert stop.rule == "PREFLIGHT-12"
    assert key.fingerprint in stop.cause
    assert "does not know the player" in stop.cause


def test_an_unknown_session(look: Look, key: SigningKey) -> None:
    class Sessions(Wallet):
        def balance(self, request: Request) -> Response:
            known = request.fields["clientSessionId"] == "s-alice"
            return self.reply(request, "SUCCESS" if known else "SESSION_EXPIRED_ERROR")

        def bet(self, request: Request) -> Response:
            known = request.fields["clientSessionId"] == "s-alice"
            return super().bet(request) if known else self.reply(request, "UNKNOWN_ERROR")

    with serving(Sessions(key)) as port:
        stop = stop_of(look(port, Player("alice", "session-alice", "EUR")))
    assert stop.rule == "PREFLIGHT-10"
    assert "made up" in stop.cause


def test_an_unknown_second_player(look: Look, key: SigningKey) -> None:
    with serving(Telling(key)) as port:
        stop = stop_of(look(port, ALICE, Player("carol", "s-carol")))
    assert stop.rule == "PREFLIGHT-10"
    assert "carol" in stop.said


def test_an_option_with_the_wrong_currency(look: Look, key: SigningKey) -> None:
    wallet = Wallet(key, currency="USD")
    with serving(wallet) as port:
        stop = stop_of(look(port, ALICE))
    assert (stop.rule, stop.wrong_use) == ("PREFLIGHT-11", True)
    assert "USD" in stop.mend
    assert wallet.balances["alice"] == 10_000


def test_an_option_with_the_wrong_currency_at_a_wallet_with_a_least_stake(look: Look, key: SigningKey) -> None:
    with serving(LeastStake(key, currency="USD")) as port:
        assert stop_of(look(port, ALICE)).rule == "PREFLIGHT-11"


def test_a_wallet_that_tells_another_currency_is_left_to_the_suite(look: Look, key: SigningKey) -> None:
    class Mislabelled(Wallet):
        def reply(self, request: Request, status: str = "SUCCESS", **more: Any) -> Response:
            return super().reply(request, status, **{**more, "currency": "USD"})

    with serving(Mislabelled(key)) as port:
        assert set(notices(look(port))) == {"PREFLIGHT-11"}


def test_a_currency_that_no_option_gives(look: Look, key: SigningKey) -> None:
    with serving(Wallet(key, currency="SEK")) as port:
        assert notices(look(port, Player("alice", "s-alice"))) == []


def clock(ahead: timedelta) -> Callable[[], str]:
    return lambda: format_datetime(datetime.now(UTC) + ahead, usegmt=True)


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(hours=-3)])
def test_a_clock_that_differs(look: Look, key: SigningKey, ahead: timedelta) -> None:
    with serving(Wallet(key), date=clock(ahead)) as port:
        assert notices(look(port)) == ["PREFLIGHT-13"]


def test_a_clock_that_differs_by_little(look: Look, key: SigningKey) -> None:
    with serving(Wallet(key), date=clock(timedelta(seconds=4))) as port:
        assert notices(look(port)) == []


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Nov 2026 99:99:99 GMT", "Tue, 24 Nov 9999 10:00:00 GMT"])
def test_a_date_that_is_none(look: Look, key: SigningKey, date: str) -> None:
    with serving(Wallet(key), date=lambda: date) as port:
        assert look(port).stop is None


def test_a_clock_for_which_callbacks_are_refused(look: Look, key: SigningKey) -> None:
    ahead = timedelta(minutes=10)

    class Strict(Wallet):
        def answer(self, request: Request) -> Response:
            sent = datetime.fromisoformat(request.fields["timestamp"])
            late = abs(datetime.now(UTC) + ahead - sent) > timedelta(minutes=5)
            return self.reply(request, "UNKNOWN_ERROR") if late else super().answer(request)

    with serving(Strict(key), date=clock(ahead)) as port:
        stop = stop_of(look(port))
    assert stop.rule == "PREFLIGHT-13"
    assert "600 s ahead" in stop.said or "599 s ahead" in stop.said or "601 s ahead" in stop.said


# -- /balance and money -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(Response(404, b"404 page not found", {"Content-Type": "text/plain"}), id="404"),
        pytest.param(Response(500, b"<h1>Server Error (500)</h1>", dict(HTML)), id="500"),
        pytest.param(Response(403, NGINX.encode(), dict(HTML)), id="403"),
        pytest.param(Response(302, b"", {"Location": "/login"}), id="login"),
        pytest.param(Response(200, b'{"status": "UNKNOWN_ERROR"}'), id="error"),
        pytest.param(None, id="hangs-up"),
    ],
)
def test_only_balance_is_broken(look: Look, key: SigningKey, broken: Response | None) -> None:
    class HalfBroken(Wallet):
        def handle(self, request: Request) -> Response | None:
            return broken if request.name == "balance" else super().handle(request)

    wallet = HalfBroken(key)
    with serving(wallet) as port:
        stop = stop_of(look(port))
    assert (stop.rule, stop.who) == ("PREFLIGHT-12", Who.OPERATOR)
    assert "demo" in stop.cause
    assert wallet.balances["alice"] == 10_000


def test_a_player_without_money(look: Look, key: SigningKey) -> None:
    with serving(Wallet(key, {"alice": 0})) as port:
        stop = stop_of(look(port, ALICE))
    assert (stop.rule, stop.who) == ("PREFLIGHT-14", Who.EITHER)
    assert "alice" in stop.mend


@pytest.mark.parametrize("status", ["UNKNOWN_ERROR", "BET_LIMIT_REACHED_ERROR", "INSUFFICIENT_BALANCE_ERROR"])
def test_every_bet_declined(look: Look, key: SigningKey, status: str) -> None:
    class Closed(Wallet):
        def declines(self, fields: dict[str, Any]) -> str | None:
            return status

    with serving(Closed(key)) as port:
        stop = stop_of(look(port))
        narrow = look(port, narrow=True)
    assert stop.rule == "PREFLIGHT-15"
    assert status in " ".join(stop.seen)
    # Some rules need no bet: they can be asked for.
    assert notices(narrow) == ["PREFLIGHT-15"]


def test_stakes_keep_to_the_option(look: Look, key: SigningKey) -> None:
    class Closed(Wallet):
        def declines(self, fields: dict[str, Any]) -> str | None:
            return "UNKNOWN_ERROR" if fields["amount"] <= 40 else "too much"

    wallet = Closed(key)
    with serving(wallet) as port:
        look(port, max_stake=40)
    stakes = [call.fields["amount"] for call in wallet.calls if call.name == "bet"]
    assert max(stakes) == 40


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_bet_without_a_reply_is_rolled_back(look: Look, key: SigningKey, lost: str) -> None:
    class Losing(Wallet):
        def handle(self, request: Request) -> Response | None:
            if request.name != "bet":
                return super().handle(request)
            if lost == "reply":
                super().handle(request)
            return None

    wallet = Losing(key)
    with serving(wallet) as port:
        assert notices(look(port)) == ["PREFLIGHT-15"]
    assert wallet.balances["alice"] == 10_000


def test_a_bet_that_crashes_is_left_to_the_suite(look: Look, key: SigningKey) -> None:
    class Crashing(Wallet):
        def bet(self, request: Request) -> Response:
            super().bet(request)
            return Response(500, b"<h1>Server Error (500)</h1>", dict(HTML))

    wallet = Crashing(key)
    with serving(wallet) as port:
        assert notices(look(port)) == ["PREFLIGHT-15"]
    assert wallet.balances["alice"] == 10_000


def test_a_rollback_that_does_not_refund_is_made_good(look: Look, key: SigningKey) -> None:
    class Keeping(Wallet):
        def rollback(self, request: Request) -> Response:
            return self.reply(request)

    wallet = Keeping(key)
    with serving(wallet) as port:
        checkup = look(port)
    assert notices(checkup) == ["PREFLIGHT-16"]
    assert "brought back" in checkup.notices[0].said
    assert wallet.balances["alice"] == 10_000


def test_a_bet_that_costs_nothing_is_made_good(look: Look, key: SigningKey) -> None:
    class Free(Wallet):
        def bet(self, request: Request) -> Response:
            first = not any(call.name == "rollback" for call in self.calls)
            response = super().bet(request)
            self.balances["alice"] += request.fields["amount"] if first else 0
            return response

    wallet = Free(key)
    with serving(wallet) as port:
        assert notices(look(port)) == ["PREFLIGHT-16"]
    assert wallet.balances["alice"] == 10_000


def test_money_that_somebody_else_moves_is_left_alone(look: Look, key: SigningKey) -> None:
    class Busy(Wallet):
        def rollback(self, request: Request) -> Response:
            self.balances["alice"] += 777
            return super().rollback(request)

    wallet = Busy(key)
    with serving(wallet) as port:
        checkup = look(port)
    assert notices(checkup) == ["PREFLIGHT-16"]
    assert "+777" in checkup.notices[0].said
    assert [call.name for call in wallet.calls].count("bet") == 1
    assert wallet.balances["alice"] == 10_777


def test_a_bet_that_brings_money_back_is_not_left_open(look: Look, key: SigningKey) -> None:
    class Keeping(Wallet):
        def rollback(self, request: Request) -> Response:
            first = sum(call.name == "bet" for call in self.calls) == 1
            return self.reply(request) if first else super().rollback(request)

        def win(self, request: Request) -> Response:
            return self.reply(request, "UNKNOWN_ERROR")

    wallet = Keeping(key)
    with serving(wallet) as port:
        assert notices(look(port)) == ["PREFLIGHT-16"]
    assert wallet.balances["alice"] == 9_999


def test_a_win_that_is_not_there_is_told(look: Look, key: SigningKey) -> None:
    class Winless(Wallet):
        def handle(self, request: Request) -> Response | None:
            return Response(404, b"", {}) if request.name == "win" else super().handle(request)

    with serving(Winless(key)) as port:
        assert notices(look(port)) == ["PREFLIGHT-05"]


# -- what else may come ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"1e999", b"[" * 100_000, b'{"status": 5}', b'{"status": {"a": []}, "balance": "x"}',
     b'{"status": "SUCCESS", "balance": 1e400, "currency": 7}', b'{"status": "\\u001b[2J"}', b"\xff\xfe\x00{}",
     b'{"status":"SUCCESS","balance":' + b"9" * 5000 + b"}"],
    ids=range(11),
)  # fmt: skip
def test_hostile_replies_end_in_a_checkup(look: Look, body: bytes) -> None:
    with serving(lambda _request: Response(body=body)) as port:
        checkup = look(port)
    assert all(item.outcome in Outcome for item in checkup.items)
    for item in checkup.items:
        assert "".join(item.lines()).isprintable()
    json.dumps(checkup.to_json())


def test_keys_and_sessions_show_nowhere(look: Look) -> None:
    with serving(Telling(generate_key())) as port:
        checkup = look(port, ALICE, BOB)
    assert "PRIVATE" not in json.dumps(checkup.to_json())
    assert "s-alice" not in json.dumps(checkup.to_json())


def test_a_profile_with_other_names_and_paths(look: Look, key: SigningKey) -> None:
    paths = {
        kind: dataclasses.replace(terms, path=f"/v9{terms.path}") if kind is Kind.BALANCE else terms
        for kind, terms in PROFILE.callbacks.items()
    }

    class Versioned(Wallet):
        def handle(self, request: Request) -> Response | None:
            if request.path == "/balance":
                return Response(404)
            return super().handle(dataclasses.replace(request, path=request.path.removeprefix("/v9")))

    with serving(Versioned(key)) as port:
        assert notices(look(port, profile=dataclasses.replace(PROFILE, callbacks=paths))) == []
