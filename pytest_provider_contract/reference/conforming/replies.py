"""Other replies that say the same."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from pytest_provider_contract.reference.gateway import Gateway, Request, Response
from pytest_provider_contract.reference.messages import SUCCESS, UNKNOWN, Callback, MalformedError, Reply, decode, echo
from pytest_provider_contract.reference.variants import conforming
from pytest_provider_contract.reference.wallet import Wallet


@conforming("lean-errors")
class LeanErrors(Gateway):
    """Error replies have status, requestId and clientPlayerId, and nothing else."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        if reply.status != SUCCESS:
            reply = replace(reply, currency=None, balance=None)
        return super()._document(request, reply)


@conforming("extra-reply-fields")
class ExtraReplyFields(Gateway):
    """Replies have fields that the contract does not know."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        extra = {"timestamp": "2026-11-23T09:00:00.000Z", "message": None, "wallet": {"bonus": 0, "tags": ["ü", "☃"]}}
        return super()._document(request, reply) | extra


@conforming("legacy-statuses")
class LegacyStatuses(Gateway):
    """A bad signature gets INVALID_SIGNATURE and an unknown player PLAYER_NOT_FOUND_ERROR, as older editions had it."""

    def _unauthentic(self, request: Request) -> Reply:
        return replace(super()._unauthentic(request), status="INVALID_SIGNATURE")

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        if reply.status == UNKNOWN and reply.player_id and reply.currency is None:
            reply = replace(reply, status="PLAYER_NOT_FOUND_ERROR")
        return super()._document(request, reply)


@conforming("balance-read-after-transaction")
class BalanceReadAfterTransaction(Wallet):
    """The balance of a reply is read after the transaction, so it may hold what others did meanwhile."""

    def answer(self, callback: Callback) -> Reply:
        """Carries one callback out and looks at the balance then."""
        reply = super().answer(callback)
        account = self._store.account(callback.player_id)
        return reply if account is None else replace(reply, balance=account.balance)


@conforming("replies-kept-by-request-id")
class RepliesKeptByRequestId(Gateway):
    """An authentic request with a requestId that was there before gets the reply of then, whatever it asks for."""

    _kept: ClassVar[dict[str, Reply]] = {}
    _one_at_a_time: ClassVar = threading.Lock()

    def _answer(self, request: Request) -> Reply:
        try:
            request_id, _ = echo(decode(request.body))
        except MalformedError:
            request_id = ""
        if not request_id or not self._is_authentic(request):
            return super()._answer(request)
        with self._one_at_a_time:
            if request_id not in self._kept:
                self._kept[request_id] = super()._answer(request)
            return self._kept[request_id]


@conforming("pretty-replies")
class PrettyReplies(Gateway):
    """Replies are indented and end with a newline."""

    def _encode(self, document: dict[str, Any]) -> bytes:
        return json.dumps(document, indent=4).encode() + b"\r\n"


@conforming("reply-keys-sorted-backwards")
class ReplyKeysSortedBackwards(Gateway):
    """Replies have their keys in another order."""

    def _encode(self, document: dict[str, Any]) -> bytes:
        return super()._encode(dict(sorted(document.items(), reverse=True)))


@conforming("replies-in-raw-unicode")
class RepliesInRawUnicode(Gateway):
    """Replies have text of other scripts as UTF-8 instead of escapes."""

    def _encode(self, document: dict[str, Any]) -> bytes:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


@conforming("charset-in-content-type")
class CharsetInContentType(Gateway):
    """Replies are sent as application/json; charset=utf-8."""

    def _content_type(self) -> str:
        return "application/json; charset=utf-8"


@conforming("gzip-when-asked")
class GzipWhenAsked(Gateway):
    """Replies are compressed for a client that accepts it."""

    def _response(self, request: Request, reply: Reply) -> Response:
        response = super()._response(request, reply)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return response
        body = gzip.compress(response.body)
        headers = [("Content-Type", self._content_type()), ("Content-Length", str(len(body)))]
        return Response(response.status, [*headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")], body)


@conforming("signed-replies")
class SignedReplies(Gateway):
    """Replies are signed with a key of the operator's, as older editions asked for."""

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    def _response(self, request: Request, reply: Reply) -> Response:
        response = super()._response(request, reply)
        signature = base64.b64encode(self._key.sign(response.body, padding.PKCS1v15(), hashes.SHA256())).decode()
        return Response(response.status, [*response.headers, ("X-Marbles-Signature", signature)], response.body)


@conforming("echoes-whatever-came")
class EchoesWhateverCame(Gateway):
    """The ids are echoed as they came, null where they were missing and a number where they were numbers."""

    def _document(self, request: Request, reply: Reply) -> dict[str, Any]:
        try:
            fields = decode(request.body)
        except MalformedError:
            fields = {}
        echoed = {name: fields.get(name) for name in ("requestId", "clientPlayerId")}
        return super()._document(request, reply) | echoed


@conforming("many-headers")
class ManyHeaders(Gateway):
    """Replies have cookies, security headers and trace ids, some of them twice."""

    def _response(self, request: Request, reply: Reply) -> Response:
        response = super()._response(request, reply)
        more = [("Set-Cookie", f"s{n}=1; Path=/; HttpOnly") for n in range(3)]
        more += [("Strict-Transport-Security", "max-age=1"), ("X-Request-Id", "a" * 200), ("Cache-Control", "no-store")]
        return Response(response.status, [*more, *response.headers], response.body)
