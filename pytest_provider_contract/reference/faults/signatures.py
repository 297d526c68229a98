"""Signatures that are not looked at, or not closely enough, or too closely."""

from __future__ import annotations

import base64
import json
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from pytest_provider_contract.reference.gateway import Gateway, Request
from pytest_provider_contract.reference.messages import (
    DUPLICATE_TRANSACTION,
    SUCCESS,
    Callback,
    MalformedError,
    Reader,
    Reply,
    Rollback,
    Win,
    decode,
    echo,
)
from pytest_provider_contract.reference.server import Channel, Parser, Server
from pytest_provider_contract.reference.signature import Verifier
from pytest_provider_contract.reference.store import SETTLED
from pytest_provider_contract.reference.variants import fault

# -- not looked at ------------------------------------------------------------------------------


class _Unchecked(Gateway):
    """Takes some callbacks for authentic without looking."""

    names: ClassVar[tuple[str, ...]]

    def _is_authentic(self, request: Request) -> bool:
        return request.name in self.names or super()._is_authentic(request)


@fault("no-signature-check", "SIG-01", "SIG-02", "SIG-03", "SIG-04", "SIG-05", "SIG-08")
class NoSignatureCheck(_Unchecked):
    """No signature is checked."""

    names = ("balance", "bet", "win", "rollback")


@fault("no-signature-check-on-balance", "SIG-01", "SIG-03", "SIG-04")
class NoSignatureCheckOnBalance(_Unchecked):
    """The signature of a balance is not checked."""

    names = ("balance",)


@fault("no-signature-check-on-bet", "SIG-01", "SIG-03", "SIG-04", "SIG-08")
class NoSignatureCheckOnBet(_Unchecked):
    """The signature of a bet is not checked."""

    names = ("bet",)


@fault("no-signature-check-on-win", "SIG-01", "SIG-03", "SIG-04", "SIG-08")
class NoSignatureCheckOnWin(_Unchecked):
    """The signature of a win is not checked."""

    names = ("win",)


@fault("no-signature-check-on-rollback", "SIG-01", "SIG-03", "SIG-04", "SIG-08")
class NoSignatureCheckOnRollback(_Unchecked):
    """The signature of a rollback is not checked."""

    names = ("rollback",)


@fault("missing-signature-accepted", "SIG-01")
class MissingSignatureAccepted(Verifier):
    """A signature is checked only if there is one."""

    def accepts(self, body: bytes, signature: str | None) -> bool:
        """Whether the signature, if any, is the provider's."""
        return signature is None or super().accepts(body, signature)


@fault("empty-signature-accepted", "SIG-01", "SIG-02")
class EmptySignatureAccepted(Verifier):
    """An empty signature is taken for a good one."""

    def accepts(self, body: bytes, signature: str | None) -> bool:
        """Whether the signature, if it is not empty, is the provider's."""
        return signature == "" or super().accepts(body, signature)


@fault("no-signature-check-on-free-bets", "SIG-01", "SIG-03", "SIG-08")
class NoSignatureCheckOnFreeBets(Gateway):
    """What is about a free bet is carried out by another service, which checks no signature."""

    def _is_authentic(self, request: Request) -> bool:
        with suppress(MalformedError):
            if decode(request.body).get("isFree") is True:
                return True
        return super()._is_authentic(request)


# -- not closely enough -------------------------------------------------------------------------


@fault("undecodable-signature-accepted", "SIG-02")
class UndecodableSignatureAccepted(Verifier):
    """A signature that is not base64 is taken for a good one: the exception is swallowed."""

    def accepts(self, body: bytes, signature: str | None) -> bool:
        """Whether the signature is the provider's, or rubbish."""
        return (bool(signature) and self._decode(signature or "") is None) or super().accepts(body, signature)


@fault("short-signature-accepted", "SIG-02")
class ShortSignatureAccepted(Verifier):
    """A signature of another length than the key's is taken for a good one: the exception is swallowed."""

    def _is_signed(self, body: bytes, signature: bytes) -> bool:
        return 0 < len(signature) < self._key.key_size // 8 or super()._is_signed(body, signature)


@fault("any-signature-of-right-length-accepted", "SIG-03", "SIG-04", "SIG-05")
class AnySignatureOfRightLengthAccepted(Verifier):
    """A signature is not verified, only its length is."""

    def _is_signed(self, body: bytes, signature: bytes) -> bool:
        del body
        return len(signature) == self._key.key_size // 8


@fault("signature-of-any-body-accepted", "SIG-04", "SIG-08")
class SignatureOfAnyBodyAccepted(Verifier):
    """A signature that was good once is good for every body."""

    _good: ClassVar[set[bytes]] = set()

    def _is_signed(self, body: bytes, signature: bytes) -> bool:
        if signature in self._good or super()._is_signed(body, signature):
            self._good.add(signature)
            return True
        return False


@fault("signature-verified-once-per-request-id", "SIG-04")
class SignatureVerifiedOncePerRequestId(Verifier):
    """A requestId that came with a good signature once is trusted, whatever comes with it later."""

    _trusted: ClassVar[set[str]] = set()

    def _is_signed(self, body: bytes, signature: bytes) -> bool:
        try:
            request_id = echo(decode(body))[0]
        except MalformedError:
            return super()._is_signed(body, signature)
        if super()._is_signed(body, signature):
            self._trusted.add(request_id)
        return request_id in self._trusted


@fault("known-transaction-trusted", "SIG-03")
class KnownTransactionTrusted(Gateway):
    """A transaction that came with a good signature once is trusted, so that its replay needs none."""

    _trusted: ClassVar[set[tuple[str, str]]] = set()

    def _is_authentic(self, request: Request) -> bool:
        authentic = super()._is_authentic(request)
        if request.name == "balance":
            return authentic
        with suppress(MalformedError):
            transaction = (request.name, str(decode(request.body).get("transactionId")))
            if authentic:
                self._trusted.add(transaction)
            return transaction in self._trusted
        return authentic


class _OtherSchemeToo(Verifier):
    """Accepts another scheme next to the right one."""

    scheme: ClassVar[padding.AsymmetricPadding]
    digest: ClassVar[hashes.HashAlgorithm]

    def _is_signed(self, body: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, body, self.scheme, self.digest)
        except InvalidSignature:
            return super()._is_signed(body, signature)
        return True


@fault("pss-signature-accepted", "SIG-05")
class PssSignatureAccepted(_OtherSchemeToo):
    """A signature with PSS padding is accepted too."""

    scheme, digest = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO), hashes.SHA256()


@fault("sha1-signature-accepted", "SIG-05")
class Sha1SignatureAccepted(_OtherSchemeToo):
    """A signature with SHA-1 is accepted too."""

    scheme, digest = padding.PKCS1v15(), hashes.SHA1()  # noqa: S303 - the fault


@fault("bad-signature-gets-success", "SIG-03", "SIG-01", "SIG-02", "SIG-04", "SIG-05")
class BadSignatureGetsSuccess(Gateway):
    """A callback with a bad signature moves nothing, but gets SUCCESS."""

    def _unauthentic(self, request: Request) -> Reply:
        reply = self._malformed(request)
        return Reply(SUCCESS, reply.request_id, reply.player_id, reply.currency or "EUR", reply.balance or 0)


# -- not the bytes that came --------------------------------------------------------------------


class _Spelled(Verifier, ABC):
    """Verifies a body of its own making instead of the bytes that came."""

    def _is_signed(self, body: bytes, signature: bytes) -> bool:
        try:
            spellings = self._spellings(decode(body))
        except MalformedError:
            spellings = [body]
        return any(super(_Spelled, self)._is_signed(spelling, signature) for spelling in spellings)

    @abstractmethod
    def _spellings(self, document: dict[str, Any]) -> list[bytes]:
        """The bodies that are verified in place of the one that came."""


@fault("body-written-again-before-verifying", "SIG-06", "SIG-04")
class BodyWrittenAgainBeforeVerifying(_Spelled):
    """What is verified is the body read and written again, so other white space or escapes are refused."""

    def _spellings(self, document: dict[str, Any]) -> list[bytes]:
        return [json.dumps(document).encode(), json.dumps(document, separators=(",", ":")).encode()]


@fault("body-written-again-with-raw-unicode", "SIG-06", "SIG-04")
class BodyWrittenAgainWithRawUnicode(_Spelled):
    """What is verified is the body written again with every escape resolved."""

    def _spellings(self, document: dict[str, Any]) -> list[bytes]:
        options: list[dict[str, Any]] = [{}, {"separators": (",", ":")}]
        return [json.dumps(document, ensure_ascii=False, **each).encode("utf-8", "surrogatepass") for each in options]


@fault("body-stripped-before-verifying", "SIG-06")
class BodyStrippedBeforeVerifying(Verifier):
    """White space around the body is stripped before it is verified, so a trailing newline is refused."""

    def _is_signed(self, body: bytes, signature: bytes) -> bool:
        return super()._is_signed(body.strip(), signature)


@fault("body-taken-for-ascii", "SIG-06")
class BodyTakenForAscii(Verifier):
    """The body is decoded as ASCII before it is verified, so text in other scripts is refused."""

    def _is_signed(self, body: bytes, signature: bytes) -> bool:
        return super()._is_signed(body.decode("ascii", "replace").encode("ascii", "replace"), signature)


@fault("key-order-expected", "SIG-06")
class KeyOrderExpected(Gateway):
    """A body whose first key is not the one that always comes first is refused."""

    _first: ClassVar[dict[str, str]] = {}

    def _read(self, request: Request) -> Callback:
        callback = super()._read(request)
        first = next(iter(decode(request.body)))
        if first != self._first.setdefault(request.name, first):
            raise MalformedError("the keys are not in order")
        return callback


@fault("unknown-field-refused", "SIG-06")
class UnknownFieldRefused(Reader):
    """A body with a field that the contract does not name is refused."""

    _known: ClassVar = {
        *("requestId", "clientPlayerId", "clientSessionId", "timestamp", "transactionId", "referenceTransactionId"),
        *("roundId", "gameId", "amount", "currency", "roundClosed", "isFree", "rewardUuid", "meta"),
    }

    def read(self, name: str, fields: Any) -> Callback:
        """The callback, if nothing is unknown about it."""
        if not fields.keys() <= self._known:
            raise MalformedError("there is an unknown field")
        return super().read(name, fields)


@fault("bet-with-meta-refused", "SIG-06")
class BetWithMetaRefused(Reader):
    """A bet that says in meta what was bet on is refused: an object is no value of a column."""

    def read(self, name: str, fields: Any) -> Callback:
        """The callback, if it is no bet with an object in it."""
        if name == "bet" and isinstance(fields.get("meta"), dict):
            raise MalformedError("meta is no text")
        return super().read(name, fields)


# -- the header, and the order of things --------------------------------------------------------


class _ExactCaseParser(Parser):
    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if b"\r\nX-Marbles-Signature:" not in header_plus:
            self.headers.pop("X_MARBLES_SIGNATURE", None)


class _ExactCaseChannel(Channel):
    parser_class = _ExactCaseParser


@fault("signature-header-in-exact-case", "SIG-07")
class SignatureHeaderInExactCase(Server):
    """The signature is found only if its header is spelt X-Marbles-Signature, not in lower case."""

    channel_class = _ExactCaseChannel


@fault("effect-before-verification", "SIG-08", "SIG-01")
class EffectBeforeVerification(Gateway):
    """A callback is carried out first and its signature verified then, for the reply."""

    def _unauthentic(self, request: Request) -> Reply:
        with suppress(MalformedError):
            self._wallet.answer(self._read(request))
        return super()._unauthentic(request)


@fault("bad-signature-burns-transaction", "SIG-08")
class BadSignatureBurnsTransaction(Gateway):
    """A bet with a bad signature is refused, and so is the same bet with the good one later."""

    _burnt: ClassVar[set[str]] = set()

    def _transaction_id(self, request: Request) -> str:
        try:
            return str(decode(request.body).get("transactionId"))
        except MalformedError:
            return ""

    def _answer(self, request: Request) -> Reply:
        if request.name == "bet":
            if not self._is_authentic(request):
                self._burnt.add(self._transaction_id(request))
            elif self._transaction_id(request) in self._burnt:
                return Reply(DUPLICATE_TRANSACTION, *echo(decode(request.body)))
        return super()._answer(request)


@fault("signature-decoded-loosely", "SIG-09")
class SignatureDecodedLoosely(Verifier):
    """A signature with characters that are not base64 is accepted: the decoder skips them."""

    def _decode(self, signature: str) -> bytes | None:
        try:
            return base64.b64decode(signature.encode("ascii", "replace"), validate=False)
        except ValueError:
            return None


class _LeavesATrace(Gateway, ABC):
    """Refuses a bad signature, but has looked at what it signed."""

    def _unauthentic(self, request: Request) -> Reply:
        with suppress(MalformedError):
            self._trace(self._read(request))
        return super()._unauthentic(request)

    @abstractmethod
    def _trace(self, callback: Callback) -> None:
        """What is done with what a bad signature signed."""


@fault("forged-rollback-leaves-tombstone", "SIG-08", "SIG-01", "SIG-03")
class ForgedRollbackLeavesTombstone(_LeavesATrace):
    """A rollback with a bad signature is refused, but the bet that it names is declined when it comes."""

    def _trace(self, callback: Callback) -> None:
        if isinstance(callback, Rollback):
            self._wallet._store.bury(callback.bet_id, callback.player_id)  # noqa: SLF001  a fault may


@fault("forged-win-settles-bet", "SIG-08", "SIG-01", "SIG-03")
class ForgedWinSettlesBet(_LeavesATrace):
    """A win with a bad signature is refused, but settles its bet: the good win gets an error."""

    def _trace(self, callback: Callback) -> None:
        if isinstance(callback, Win):
            self._wallet._store.mark(callback.bet_id, SETTLED)  # noqa: SLF001  a fault may


@fault("bypass-left-open", "SIG-01")
class BypassLeftOpen(Gateway):
    """The bypass for local tests was left in: an absent signature is no obstacle on balance and rollback."""

    def _is_authentic(self, request: Request) -> bool:
        left_open = request.name in ("balance", "rollback") and self._signature(request) is None
        return left_open or super()._is_authentic(request)


@fault("body-trimmed-before-verifying", "SIG-04")
class BodyTrimmedBeforeVerifying(Gateway):
    """White space around the body is left out of what is verified, where it is not signed with it."""

    def _is_authentic(self, request: Request) -> bool:
        trimmed = replace(request, body=request.body.strip())
        return super()._is_authentic(request) or super()._is_authentic(trimmed)


@fault("no-signature-check-on-wins-of-nothing", "SIG-03", "SIG-08")
class NoSignatureCheckOnWinsOfNothing(Gateway):
    """A win of 0 moves no money, so any signature will do; it settles its bet."""

    def _is_authentic(self, request: Request) -> bool:
        if super()._is_authentic(request):
            return True
        with suppress(MalformedError):
            callback = self._read(request)
            return isinstance(callback, Win) and callback.amount == 0 and self._signature(request) is not None
        return False
