"""HTTP where it should be 200 and JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pytest_provider_contract.reference.accounts import MAX_MONEY
from pytest_provider_contract.reference.gateway import Gateway, Request, Response
from pytest_provider_contract.reference.messages import (
    DUPLICATE_TRANSACTION,
    INSUFFICIENT_BALANCE,
    SUCCESS,
    MalformedError,
    Reader,
    Reply,
    decode,
)
from pytest_provider_contract.reference.variants import fault

_HTML = b"<!DOCTYPE html><html><body><h1>Server Error</h1><p>Something went wrong.</p></body></html>"


def _is_json(request: Request) -> bool:
    try:
        decode(request.body)
    except MalformedError:
        return False
    return True


def _is_callback(request: Request) -> bool:
    try:
        Reader().read(request.name, decode(request.body))
    except MalformedError:
        return False
    return True


def _page(status: int, content_type: str, body: bytes, *headers: tuple[str, str]) -> Response:
    return Response(status, [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers], body)


# -- the status of HTTP -------------------------------------------------------------------------


@fault("http-400-on-invalid-json", "REPLY-02", "REPLY-01")
class Http400OnInvalidJson(Gateway):
    """A body that is not JSON gets HTTP 400."""

    def _status(self, request: Request, reply: Reply) -> int:
        return super()._status(request, reply) if _is_json(request) else 400


@fault("http-400-on-unsigned-invalid-json", "REPLY-02", "REPLY-01")
class Http400OnUnsignedInvalidJson(Gateway):
    """A body that is not JSON gets HTTP 400 where its signature is bad too: the refusal has nothing to echo."""

    def _status(self, request: Request, reply: Reply) -> int:
        known = _is_json(request) or self._is_authentic(request)
        return super()._status(request, reply) if known else 400


@fault("http-500-on-invalid-json", "REPLY-02", "REPLY-01")
class Http500OnInvalidJson(Gateway):
    """A body that is not JSON gets HTTP 500 and a page of HTML."""

    def _response(self, request: Request, reply: Reply) -> Response:
        return super()._response(request, reply) if _is_json(request) else _page(500, "text/html", _HTML)


@fault("http-500-on-json-that-is-no-object", "REPLY-02", "REPLY-01")
class Http500OnJsonThatIsNoObject(Gateway):
    """A body that is JSON but no object, such as a list or null, gets HTTP 500."""

    def _status(self, request: Request, reply: Reply) -> int:
        try:
            document = json.loads(request.body)
        except (ValueError, RecursionError):
            document = {}
        return super()._status(request, reply) if isinstance(document, dict) else 500


@fault("http-500-on-deep-json", "REPLY-02", "REPLY-01")
class Http500OnDeepJson(Gateway):
    """A body of deeply nested JSON gets HTTP 500."""

    def _status(self, request: Request, reply: Reply) -> int:
        try:
            json.loads(request.body)
        except ValueError:
            pass
        except RecursionError:
            return 500
        return super()._status(request, reply)


@fault("http-422-on-invalid-field", "REPLY-03", "REPLY-01")
class Http422OnInvalidField(Gateway):
    """A missing or mistyped field gets HTTP 422, as some frameworks do by themselves."""

    def _status(self, request: Request, reply: Reply) -> int:
        return 422 if _is_json(request) and not _is_callback(request) else super()._status(request, reply)


@fault("http-500-on-missing-field", "REPLY-03", "REPLY-01")
class Http500OnMissingField(Gateway):
    """A missing field gets HTTP 500; a mistyped one is handled well."""

    def _status(self, request: Request, reply: Reply) -> int:
        if _is_json(request) and not _is_callback(request):
            fields = decode(request.body)
            needed = {"requestId", "clientPlayerId", "clientSessionId", "timestamp"}
            if request.name != "balance":
                needed |= {"transactionId", "roundId", "gameId"}
            if not needed <= fields.keys():
                return 500
        return super()._status(request, reply)


@fault("http-500-on-null-field", "REPLY-03", "REPLY-01")
class Http500OnNullField(Gateway):
    """A field that is null gets HTTP 500."""

    def _status(self, request: Request, reply: Reply) -> int:
        if _is_json(request) and None in decode(request.body).values():
            return 500
        return super()._status(request, reply)


@fault("http-401-on-bad-signature", "REPLY-01")
class Http401OnBadSignature(Gateway):
    """A wrong or missing signature gets HTTP 401."""

    def _status(self, request: Request, reply: Reply) -> int:
        return super()._status(request, reply) if self._is_authentic(request) else 401


@fault("http-404-on-unknown-player", "REPLY-01")
class Http404OnUnknownPlayer(Gateway):
    """An unknown player gets HTTP 404."""

    def _status(self, request: Request, reply: Reply) -> int:
        unknown = reply.currency is None and _is_callback(request) and self._is_authentic(request)
        return 404 if unknown else super()._status(request, reply)


@fault("http-404-on-refused-win", "REPLY-01")
class Http404OnRefusedWin(Gateway):
    """A win that is refused, as of an unknown bet, gets HTTP 404."""

    def _status(self, request: Request, reply: Reply) -> int:
        refused = request.name == "win" and reply.status != SUCCESS and _is_callback(request)
        return 404 if refused else super()._status(request, reply)


class _StatusOf(Gateway):
    """Answers one status with another HTTP status than 200."""

    answers: ClassVar[Mapping[tuple[str, str], int]]

    def _status(self, request: Request, reply: Reply) -> int:
        return self.answers.get((request.name, reply.status), super()._status(request, reply))


@fault("http-402-on-insufficient-balance", "REPLY-01")
class Http402OnInsufficientBalance(_StatusOf):
    """A bet above the balance gets HTTP 402."""

    answers: ClassVar = {("bet", INSUFFICIENT_BALANCE): 402}


@fault("http-409-on-duplicate", "REPLY-01")
class Http409OnDuplicate(_StatusOf):
    """A duplicate transaction gets HTTP 409."""

    answers: ClassVar = {("bet", DUPLICATE_TRANSACTION): 409, ("win", DUPLICATE_TRANSACTION): 409}


@fault("http-201-on-bet", "REPLY-01")
class Http201OnBet(_StatusOf):
    """An accepted bet gets HTTP 201."""

    answers: ClassVar = {("bet", SUCCESS): 201}


@fault("http-202-on-win", "REPLY-01")
class Http202OnWin(_StatusOf):
    """A win gets HTTP 202."""

    answers: ClassVar = {("win", SUCCESS): 202}


@fault("http-204-on-rollback", "REPLY-01", "REPLY-04")
class Http204OnRollback(Gateway):
    """A rollback gets HTTP 204 without a body."""

    def _response(self, request: Request, reply: Reply) -> Response:
        return Response(204, [], b"") if request.name == "rollback" else super()._response(request, reply)


@fault("http-500-on-rollback-of-unknown", "REPLY-01")
class Http500OnRollbackOfUnknown(Gateway):
    """A rollback of a bet that is not there gets HTTP 500."""

    _bets: ClassVar[set[str]] = set()

    def _status(self, request: Request, reply: Reply) -> int:
        if _is_callback(request):
            fields = decode(request.body)
            if request.name == "bet":
                self._bets.add(fields["transactionId"])
            elif request.name == "rollback" and fields["referenceTransactionId"] not in self._bets:
                return 500
        return super()._status(request, reply)


@fault("http-302-on-balance", "PREFLIGHT-12", "REPLY-01")
class Http302OnBalance(Gateway):
    """A balance gets HTTP 302 to a page for logging in, as behind an admin's guard."""

    def _response(self, request: Request, reply: Reply) -> Response:
        if request.name == "balance":
            return _page(302, "text/html", b"", ("Location", "/login"))
        return super()._response(request, reply)


@fault("http-307-to-trailing-slash", "REPLY-01")
class Http307ToTrailingSlash(Gateway):
    """A win is redirected with HTTP 307 to the same path with a slash at its end."""

    def serve(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Redirects."""
        if path == "/win":
            return _page(307, "text/plain", b"", ("Location", "/win/"))
        return super().serve(method, path.removesuffix("/"), headers, body)


@fault("http-429-when-busy", "RACE-08", "REPLY-01")
class Http429WhenBusy(Gateway):
    """More than four callbacks at once get HTTP 429."""

    _places: ClassVar = threading.Semaphore(4)

    def respond(self, request: Request) -> Response:
        """Answers if there is a place."""
        if not self._places.acquire(blocking=False):
            return _page(429, "text/plain", b"slow down")
        try:
            return super().respond(request)
        finally:
            self._places.release()


# -- the body -----------------------------------------------------------------------------------


@fault("html-page-on-malformed", "REPLY-04", "REPLY-02", "REPLY-03")
class HtmlPageOnMalformed(Gateway):
    """A malformed callback gets HTTP 200 and a page of HTML."""

    def _response(self, request: Request, reply: Reply) -> Response:
        return super()._response(request, reply) if _is_callback(request) else _page(200, "text/html", _HTML)


@fault("empty-body-on-malformed", "REPLY-02", "REPLY-04")
class EmptyBodyOnMalformed(Gateway):
    """A body that is not JSON gets HTTP 200 and nothing."""

    def _response(self, request: Request, reply: Reply) -> Response:
        return super()._response(request, reply) if _is_json(request) else _page(200, "application/json", b"")


@fault("success-on-malformed", "REPLY-02")
class SuccessOnMalformed(Gateway):
    """A body that is not JSON gets the status SUCCESS."""

    def _malformed(self, request: Request) -> Reply:
        reply = super()._malformed(request)
        return reply if _is_json(request) else replace(reply, status=SUCCESS)


@fault("content-type-text-plain", "REPLY-04")
class ContentTypeTextPlain(Gateway):
    """Replies are sent as text/plain."""

    def _content_type(self) -> str:
        return "text/plain"


@fault("content-type-text-html-on-errors", "REPLY-04")
class ContentTypeTextHtmlOnErrors(Gateway):
    """Error replies are JSON, but sent as text/html."""

    def _response(self, request: Request, reply: Reply) -> Response:
        response = super()._response(request, reply)
        if reply.status == SUCCESS:
            return response
        return _page(response.status, "text/html; charset=utf-8", response.body)


@fault("reply-followed-by-debug-text", "REPLY-04")
class ReplyFollowedByDebugText(Gateway):
    """A reply to a bet is followed by a line of debugging output."""

    def _response(self, request: Request, reply: Reply) -> Response:
        response = super()._response(request, reply)
        if request.name != "bet":
            return response
        return _page(response.status, "application/json", response.body + b"\n<!-- 3 queries, 2 ms -->")


@fault("reply-in-a-list", "REPLY-04", "REPLY-05")
class ReplyInAList(Gateway):
    """A reply to a win is a list of one object."""

    def _response(self, request: Request, reply: Reply) -> Response:
        response = super()._response(request, reply)
        if request.name != "win":
            return response
        return _page(response.status, "application/json", b"[" + response.body + b"]")


@fault("reply-with-balance-twice", "REPLY-04", "REPLY-05")
class ReplyWithBalanceTwice(Gateway):
    """A reply has the key balance twice, with two values."""

    def _encode(self, document: dict[str, Any]) -> bytes:
        return super()._encode(document)[:-1] + b', "balance": 0}'


@fault("reply-with-byte-order-mark", "REPLY-04")
class ReplyWithByteOrderMark(Gateway):
    """A reply begins with a byte order mark."""

    def _encode(self, document: dict[str, Any]) -> bytes:
        return b"\xef\xbb\xbf" + super()._encode(document)


# -- what a database or a parser chokes on ------------------------------------------------------


@fault("http-500-on-nul-character", "REPLY-03", "REPLY-01")
class Http500OnNulCharacter(Gateway):
    """A text with a NUL character gets HTTP 500, because the database takes none."""

    def _status(self, request: Request, reply: Reply) -> int:
        texts = (
            [value for value in decode(request.body).values() if isinstance(value, str)] if _is_json(request) else []
        )
        return 500 if any("\0" in text for text in texts) else super()._status(request, reply)


@fault("http-500-on-oversized-amount", "REPLY-03", "REPLY-01")
class Http500OnOversizedAmount(Gateway):
    """An amount that does not fit 64 bits gets HTTP 500, because the database takes none."""

    def _status(self, request: Request, reply: Reply) -> int:
        amount = decode(request.body).get("amount") if _is_json(request) else None
        if isinstance(amount, int) and amount > MAX_MONEY:
            return 500
        return super()._status(request, reply)


@fault("http-500-on-unknown-reward", "REPLY-01")
class Http500OnUnknownReward(_StatusOf):
    """A free bet with an unknown rewardUuid gets HTTP 500."""

    answers: ClassVar = {("bet", "BONUS_ERROR"): 500}


@fault("replay-gets-http-204", "REPLY-01", "IDEM-02")
class ReplayGetsHttp204(Gateway):
    """A win that was answered once gets HTTP 204 from then on: there is nothing more to say."""

    _answered: ClassVar[set[str]] = set()

    def _response(self, request: Request, reply: Reply) -> Response:
        response = super()._response(request, reply)
        if request.name != "win" or reply.status != SUCCESS:
            return response
        transaction_id = str(decode(request.body).get("transactionId"))
        if transaction_id in self._answered:
            return Response(204, [], b"")
        self._answered.add(transaction_id)
        return response
