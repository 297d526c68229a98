"""Signatures: which forged ones are taken for good, and which good ones for forged."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import combinations

from pytest_provider_contract.callbacks import Callback
from pytest_provider_contract.checks import Answer
from pytest_provider_contract.diagnosis.cause import Cause
from pytest_provider_contract.diagnosis.flaw import FLAWED, Flaw, flaw
from pytest_provider_contract.diagnosis.record import Record
from pytest_provider_contract.history import Defect, Exchange
from pytest_provider_contract.ledger import ERRORS, Branch, State
from pytest_provider_contract.profile import Kind, Status
from pytest_provider_contract.signing import Forgery

_VERIFY = "verify RSA-SHA256 with PKCS#1 v1.5 over the raw body bytes, before anything else, on all four callbacks"

# -- forged ones taken for good ---------------------------------------------------------------------


class _Fooled(Flaw):
    """Takes some forgeries for good signatures."""

    forgeries: frozenset[Forgery] = frozenset(Forgery)

    def read(self, exchange: Exchange) -> tuple[Callback, Defect | None]:
        """The callback without its forged signature being noticed."""
        callback, defect = super().read(exchange)
        if defect is not None and defect.forgery is not None and self._is_fooled(callback, defect.forgery):
            return callback, None
        return callback, defect

    def _is_fooled(self, callback: Callback, forgery: Forgery) -> bool:
        return forgery in self.forgeries


@flaw("signature-not-verified", "no signature is verified", _VERIFY, "T")
class SignatureNotVerified(_Fooled):
    """Every forgery passes."""


@flaw("signature-not-verified-on-one-callback", "the signature is not verified", _VERIFY, "T")
class SignatureNotVerifiedOnOneCallback(_Fooled):
    """Every forgery passes on one callback."""

    kind: Kind = Kind.BALANCE

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """The callbacks that were forged."""
        return cls.each_of(record, kind=(e.kind for e in record.exchanges if e.defect and e.defect.forgery))

    @property
    def diagnosis(self) -> Cause:
        """Says which callback it is."""
        text = f"the signature of /{self.kind} is not verified"
        return Cause(f"signature-not-verified-on-{self.kind}", text, self.cause.remedy, self.cause.source)

    def _is_fooled(self, callback: Callback, forgery: Forgery) -> bool:
        return callback.kind is self.kind and super()._is_fooled(callback, forgery)


@flaw(
    "signature-not-verified-on-free-bets",
    "the signature of what is about a free bet is not verified, as by another service behind the same address",
    _VERIFY,
    "T",
)
class SignatureNotVerifiedOnFreeBets(_Fooled):
    """Every forgery passes with isFree."""

    def _is_fooled(self, callback: Callback, forgery: Forgery) -> bool:
        return bool(callback.is_free) and super()._is_fooled(callback, forgery)


def _taken(id_: str, text: str, remedy: str, source: str, *forgeries: Forgery) -> None:
    """Adds a flaw that takes these forgeries for good signatures."""
    name = "".join(word.capitalize() for word in id_.split("-"))
    flaw(id_, text, remedy, source)(type(name, (_Fooled,), {"forgeries": frozenset(forgeries), "__doc__": text}))


_REFUSE = "refuse a callback without one"
_SWALLOWED = "let every exception in verifying count as a bad signature"
_OWN_BODY = "verify every request's own raw body; keep no verdicts"
_ONE_SCHEME = "allow PKCS#1 v1.5 with SHA-256 only"

_taken("missing-signature-accepted", "the signature is verified only if there is one", _REFUSE, "D", Forgery.ABSENT)


@flaw(
    "missing-signature-accepted",
    "the signature is verified only if there is one",
    "refuse a callback without one; leave no bypass for local tests in",
    "D",
)
class MissingSignatureAcceptedOnSome(_Fooled):
    """No header, no check, on some callbacks."""

    forgeries = frozenset({Forgery.ABSENT})
    kinds: tuple[Kind, ...] = ()

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """Some callbacks, but not all."""
        for count in range(1, len(Kind)):
            for kinds in combinations(Kind, count):
                yield cls.of(record, kinds=kinds)

    def _is_fooled(self, callback: Callback, forgery: Forgery) -> bool:
        return callback.kind in self.kinds and super()._is_fooled(callback, forgery)


_taken(
    "missing-signature-accepted",
    "a missing or empty signature is taken for a good one",
    _REFUSE,
    "D",
    Forgery.ABSENT,
    Forgery.EMPTY,
)
_taken("empty-signature-accepted", "an empty signature is taken for a good one", _REFUSE, "D", Forgery.EMPTY)
_taken(
    "undecodable-signature-accepted",
    "a signature that can't be decoded is taken for a good one: the exception is swallowed",
    _SWALLOWED,
    "D",
    Forgery.NOT_BASE64,
)
_taken(
    "short-signature-accepted",
    "a signature of the wrong length is taken for a good one: the exception is swallowed",
    _SWALLOWED,
    "D",
    Forgery.TRUNCATED,
)
_taken(
    "signature-only-looked-at",
    "a signature is decoded but not verified with the provider's public key",
    _VERIFY,
    "T",
    Forgery.OTHER_KEY,
    Forgery.CHANGED_AMOUNT,
    Forgery.CHANGED_SPACE,
    Forgery.REUSED,
    Forgery.PSS,
    Forgery.SHA1,
)
_taken(
    "signature-of-another-body-accepted",
    "a signature that was good for another body is accepted",
    _OWN_BODY,
    "D",
    Forgery.CHANGED_AMOUNT,
    Forgery.CHANGED_SPACE,
    Forgery.REUSED,
)
_taken(
    "signature-of-reserialised-body-accepted",
    "a signature is verified over a body written anew, so other white space passes",
    "verify the raw body bytes as they came",
    "D",
    Forgery.CHANGED_SPACE,
)
_taken(
    "signature-reused",
    "a signature or requestId that was good once is trusted again, whatever comes with it",
    _OWN_BODY,
    "D",
    Forgery.REUSED,
)


@flaw(
    "signature-reused",
    "a requestId that came with a good signature once is trusted again, whatever comes with it",
    _OWN_BODY,
    "D",
)
class KnownRequestTrusted(Flaw):
    """Who asks again is believed."""

    def after(self, before: State, branch: Branch, callback: Callback, answer: Answer) -> State:
        """Notes the requestId."""
        state = super().after(before, branch, callback, answer)
        return state.with_notes(before.notes | {callback.request_id})

    def _defective(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        known = callback.request_id in state.notes
        # The requestId may be that of the question before the history.
        if defect.forgery is Forgery.REUSED and (known or not state.notes):
            for branch in self._correct(state, callback):
                yield replace(branch, rule=FLAWED)
        if not known:
            yield from super()._defective(state, callback, defect)


_taken(
    "signature-decoded-loosely",
    "a signature with characters that are no base64 is accepted: the decoder skips them",
    "decode strictly, refuse what is no base64",
    "D",
    Forgery.STRAY,
)
_taken("pss-signature-accepted", "signatures with PSS padding are accepted too", _ONE_SCHEME, "D", Forgery.PSS)
_taken("sha1-signature-accepted", "signatures with SHA-1 are accepted too", _ONE_SCHEME, "D", Forgery.SHA1)


@flaw(
    "known-transaction-trusted",
    "a transaction that came with a good signature once is trusted, so its replay needs none",
    _VERIFY,
    "T",
)
class KnownTransactionTrusted(Flaw):
    """Replays pass."""

    def _defective(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        known = callback.transaction_id in state.bets or callback.transaction_id in state.wins
        if defect.forgery is not None and known:
            for branch in self._correct(state, callback):
                yield replace(branch, rule=FLAWED)
        else:
            yield from super()._defective(state, callback, defect)


# -- the wrong reaction -----------------------------------------------------------------------------


class _Forged(Flaw, ABC):
    """Reacts to a forged callback in another way than with an error."""

    def _defective(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        if defect.forgery is not None and callback.player_id in state.balances:
            yield from self._react(state, callback, defect)
        else:
            yield from super()._defective(state, callback, defect)

    @abstractmethod
    def _react(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        """The answers to a forged callback."""


@flaw(
    "bad-signature-answered-success",
    "a callback with a bad signature moves nothing but is answered with SUCCESS",
    "answer with an error status",
    "D",
)
class BadSignatureAnsweredSuccess(_Forged):
    """SUCCESS, and nothing happens."""

    def _react(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        yield Branch(frozenset({Status.SUCCESS}), state, FLAWED, None)


@flaw(
    "effect-before-verification",
    "a callback is carried out first and its signature verified then, for the reply",
    "verify the signature before anything else",
    "D",
)
class EffectBeforeVerification(_Forged):
    """An error, and the money has moved."""

    def _react(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        for branch in self._correct(state, callback):
            if branch.rule is not None:
                yield Branch(ERRORS, branch.state, FLAWED, None)


@flaw(
    "bad-signature-burns-transaction",
    "a transactionId that came with a bad signature is refused when it comes with a good one",
    "keep nothing of a callback whose signature is bad",
    "D",
)
class BadSignatureBurnsTransaction(_Forged):
    """The bad attempt is remembered: by its own id, or by that of the bet it names."""

    by_reference: bool = False
    kind: Kind | None = None

    @classmethod
    def guesses(cls, record: Record) -> Iterable[Flaw]:
        """Either id, on every callback or on one of those that were forged."""
        yield cls.of(record)
        yield cls.of(record, by_reference=True)
        forged = (e for e in record.exchanges if e.defect is not None and e.defect.forgery)
        yield from cls.each_of(record, kind=(e.kind for e in forged if e.kind is not Kind.BALANCE))

    def _react(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        burnt = callback.reference_id if self.by_reference else callback.transaction_id
        burns = self.kind in (None, callback.kind)
        yield Branch(ERRORS, state.with_notes(state.notes | {burnt}) if burns else state, FLAWED, None)

    def _known_player(self, state: State, callback: Callback) -> Iterator[Branch]:
        if callback.transaction_id is not None and callback.transaction_id in state.notes:
            yield Branch(ERRORS, state, FLAWED, None)
        else:
            yield from super()._known_player(state, callback)


# -- good ones taken for forged ---------------------------------------------------------------------


class _Refuses(Flaw, ABC):
    """Refuses callbacks that are signed well, because of how they are written."""

    def read(self, exchange: Exchange) -> tuple[Callback, Defect | None]:
        """The callback with its good signature taken for a bad one."""
        callback, defect = super().read(exchange)
        if defect is None and self._mistakes(exchange):
            return callback, Defect("SIG-06", "mistaken")
        return callback, defect

    def _defective(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        if defect.kind == "mistaken":
            yield Branch(ERRORS, state, FLAWED, None)
        else:
            yield from super()._defective(state, callback, defect)

    @abstractmethod
    def _mistakes(self, exchange: Exchange) -> bool:
        """Whether a well signed callback is taken for a forged one."""


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _spaced(value: object) -> bytes:
    return json.dumps(value).encode()


def _raw(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _sorted(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")


class _Reserialises(_Refuses):
    """Verifies a body that is read and written again."""

    writers: tuple[Callable[[object], bytes], ...]

    def _mistakes(self, exchange: Exchange) -> bool:
        with suppress(ValueError, RecursionError):
            value = json.loads(exchange.body)
            return all(write(value) != exchange.body for write in self.writers)
        return False


@flaw(
    "body-reserialised",
    "what is verified is the body read and written again, so other white space or escapes are refused",
    "verify the raw body bytes as they came, before parsing",
    "D",
)
class BodyReserialised(_Reserialises):
    """As JSON libraries that write ASCII do."""

    writers = (_compact, _spaced)


@flaw(
    "body-reserialised",
    "what is verified is the body read and written again, so other white space or escapes are refused",
    "verify the raw body bytes as they came, before parsing",
    "D",
)
class BodyReserialisedRaw(_Reserialises):
    """As JSON libraries that leave other scripts as they are do."""

    writers = (_raw,)


@flaw(
    "body-reserialised",
    "what is verified is the body read and written again with its keys sorted",
    "verify the raw body bytes as they came, before parsing",
    "D",
)
class BodyReserialisedSorted(_Reserialises):
    """As JSON libraries that sort do."""

    writers = (_sorted,)


@flaw(
    "body-stripped",
    "white space around the body is stripped before it is verified",
    "verify the raw body bytes as they came",
    "D",
)
class BodyStripped(_Refuses):
    """A newline at the end breaks it."""

    def _mistakes(self, exchange: Exchange) -> bool:
        return exchange.body != exchange.body.strip()


@flaw(
    "body-not-read-as-utf-8",
    "the body is decoded in another encoding than UTF-8 before it is verified, so text in other scripts is refused",
    "verify the raw body bytes, and read them as UTF-8",
    "D",
)
class BodyNotReadAsUtf8(_Refuses):
    """What is not ASCII breaks it."""

    def _mistakes(self, exchange: Exchange) -> bool:
        return not exchange.body.isascii()


@flaw("key-order-expected", "a body whose keys come in another order is refused", "read the object by its keys", "D")
class KeyOrderExpected(_Refuses):
    """requestId must come first."""

    def _mistakes(self, exchange: Exchange) -> bool:
        with suppress(ValueError, RecursionError):
            value = json.loads(exchange.body)
            return isinstance(value, dict) and next(iter(value), None) != next(iter(exchange.callback.fields()))
        return False


@flaw(
    "unknown-field-refused",
    "a body with a field that the contract does not name is refused",
    "ignore fields you do not know",
    "D",
)
class UnknownFieldRefused(_Refuses):
    """A field more breaks it."""

    def _mistakes(self, exchange: Exchange) -> bool:
        with suppress(ValueError, RecursionError):
            value = json.loads(exchange.body)
            # The contract names meta, but no callback of the suite has it as a field of its own.
            return isinstance(value, dict) and len(value.keys() - {"meta"}) > len(exchange.callback.fields())
        return False


@flaw(
    "bet-with-meta-refused",
    "a bet that says in meta what was bet on is refused",
    "accept the object in meta, and ignore what you do not need of it",
    "D",
)
class BetWithMetaRefused(_Refuses):
    """An object is no value to it."""

    def _mistakes(self, exchange: Exchange) -> bool:
        with suppress(ValueError, RecursionError):
            value = json.loads(exchange.body)
            return exchange.kind is Kind.BET and isinstance(value, dict) and isinstance(value.get("meta"), dict)
        return False


@flaw(
    "signature-header-case-sensitive",
    "the signature header is looked up in one letter case only",
    "compare header names without regard to case; proxies and HTTP/2 send them in lower case",
    "D",
)
class SignatureHeaderCaseSensitive(_Refuses):
    """In another case the header is not found."""

    def _mistakes(self, exchange: Exchange) -> bool:
        return any(
            name.lower().endswith(b"signature") and name.isascii() and (name.islower() or name.isupper())
            for name, _ in exchange.headers
        )


@flaw(
    "every-signature-refused",
    "every callback is refused, as if its signature were bad",
    "register the public half of the key that signs, or give the key with --operator-key",
    "T",
)
class EverySignatureRefused(_Refuses):
    """Nothing passes."""

    def _mistakes(self, exchange: Exchange) -> bool:
        return True


# -- requests that are malformed --------------------------------------------------------------------


@flaw(
    "malformed-answered-success",
    "a body that is no JSON object is answered with SUCCESS",
    "answer with UNKNOWN_ERROR",
    "T",
)
class MalformedAnsweredSuccess(Flaw):
    """SUCCESS for rubbish."""

    def _defective(self, state: State, callback: Callback, defect: Defect) -> Iterator[Branch]:
        if defect.kind == "unreadable":
            yield Branch(frozenset({Status.SUCCESS}), state, FLAWED, None)
        else:
            yield from super()._defective(state, callback, defect)


@flaw(
    "conflict-not-told",
    "a known transactionId with other content is answered as if it were a replay",
    "compare the content with the original's and answer DUPLICATE_TRANSACTION_ERROR",
    "D",
)
class ConflictNotTold(Flaw):
    """The content is not compared."""

    def branches(self, state: State, callback: Callback, defect: Defect | None = None) -> list[Branch]:
        """Takes the advice not to tell a conflict for the only way."""
        found = super().branches(state, callback, defect)
        silent = [b for b in found if "IDEM-05" in b.advisory]
        return [Branch(b.statuses, b.state, FLAWED, b.balances) for b in silent] or found
