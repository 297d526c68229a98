"""The stand-in itself: what the provider knows and does between a launch request and the last settlement."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from pytest_provider_contract.checks import shown
from pytest_provider_contract.launch.findings import Findings, told
from pytest_provider_contract.launch.game import OpenGame, PlayError, open_game
from pytest_provider_contract.launch.launches import Desk, LaunchFailedError
from pytest_provider_contract.launch.requests import (
    LaunchRequestError,
    Mistake,
    check_games_request,
    named,
    read_request,
)
from pytest_provider_contract.launch.rounds import Round, Rounds
from pytest_provider_contract.launch.terms import Clock, Game, Terms
from pytest_provider_contract.launch.wallet import Wallet
from pytest_provider_contract.profile import Profile
from pytest_provider_contract.signing import SigningKey
from pytest_provider_contract.transport import Endpoint

_SESSIONS = 5_000
_NO_BALANCE = "the player's balance could not be read"


class LaunchViolation(AssertionError):  # noqa: N818 - it is the operator's error, not the program's
    """A launch broke rules; the message is the findings' text."""


class UnavailableError(Exception):
    """The provider refuses a launch although nothing is wrong with it."""


@dataclass(slots=True, repr=False)
class ProviderApi:
    """A stand-in for the provider, for one operator.

    Attributes:
        profile: The dialect of the callbacks.
        key: Signs the callbacks; None sends no signatures.
        terms: What was agreed.
        url: Base URL of the API, once it is served.
        clock: The time, which a test may set forward.
        findings: What was found so far.
        rounds: The rounds on record: ``rounds.open`` are the open ones.
    """

    profile: Profile
    key: SigningKey | None
    terms: Terms = field(default_factory=Terms)
    url: str = ""
    clock: Clock = field(default_factory=Clock)
    findings: Findings = field(default_factory=Findings)
    rounds: Rounds = field(init=False)
    _desk: Desk = field(init=False)
    _wallet: Wallet | None = None
    _games: OrderedDict[str, OpenGame] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _outage: str | None = None
    _demo_works: bool = False
    _real_broken: bool = False

    def __post_init__(self) -> None:
        self.rounds = Rounds(self.terms, self.findings)
        self._desk = Desk(self.terms, self.clock, self.findings)

    def __repr__(self) -> str:
        return f"ProviderApi({self.url})"

    # -- arranging ----------------------------------------------------------------------------------

    @property
    def games(self) -> tuple[Game, ...]:
        """The games that can be launched."""
        return tuple(game for game in self.terms.games if game.enabled)

    @property
    def public_pem(self) -> bytes:
        """The public key that the operator verifies callbacks with; empty where nothing is signed."""
        return self.key.public_pem if self.key else b""

    def use_wallet(self, url: str, ca: Path | None = None) -> None:
        """Say where the operator's four callbacks are.

        Args:
            url: Their base URL.
            ca: PEM file of the certificates that https trusts, or None for those that this machine does.

        Raises:
            ValueError: It is no base URL.
        """
        self._wallet = Wallet(Endpoint.parse(url, ca), self.profile, self.key)

    def agree(self, **changes: object) -> None:
        """Change what was agreed, for instance ``allowed=("203.0.113.7",)``.

        Raises:
            TypeError: There is no such term.
            ValueError: See `Terms`.
        """
        self.terms = replace(self.terms, **changes)  # type: ignore[arg-type]
        self.rounds.terms = self._desk.terms = self.terms

    def fail_next_launch(self, why: str = "under maintenance") -> None:
        """Refuse the next launch request with HTTP 503, so that the operator's retry can be seen."""
        self._outage = why

    # -- the API ------------------------------------------------------------------------------------

    def launch(self, body: bytes, http: str) -> str:
        """Answer a launch request.

        Args:
            body: What was posted.
            http: The request in a few words, for findings.

        Returns:
            The launch URL.

        Raises:
            LaunchRequestError: It can't be granted; the mistakes are reported.
            UnavailableError: See `fail_next_launch`.
        """
        with self._reported(http):
            request = read_request(body, self.terms)
        with self._lock:
            outage, self._outage = self._outage, None
        if outage is not None:
            self._desk.turned_away(request, outage)
            raise UnavailableError(outage)
        launch = self._desk.grant(request, http)
        self.findings.held({"LAUNCH-01", *request.checked, *({"LAUNCH-13"} if self.terms.allowed else ())})
        shown_by_the_page = {"country": request.country, "language": request.language}
        query = {"otl": launch.token, **{name: value for name, value in shown_by_the_page.items() if value}}
        return f"{self.url}/?{urlencode(query)}"

    def ask_for_games(self, body: bytes, http: str) -> None:
        """Hold a request for the game list against its schema; see `launch`."""
        with self._reported(http):
            check_games_request(body, self.terms)

    @contextmanager
    def _reported(self, http: str) -> Iterator[None]:
        try:
            yield
        except LaunchRequestError as error:
            for mistake in error.mistakes:
                self.findings.report(mistake, http, [http])
            raise

    def turned_away(self, address: str, http: str) -> None:
        """Report a call from an address that is not on the list."""
        allowed = ", ".join(self.terms.allowed)
        self.findings.report(Mistake("LAUNCH-13", f"a call from {allowed}", f"a call from {address}"), http, [http])

    def misdirected(self, method: str, path: str, http: str) -> None:
        """Report a call of a path or method that the API does not have."""
        actual = f"{method} {shown(path)[1:-1]}"
        self.findings.report(Mistake("LAUNCH-01", "POST /game/url or POST /game/games", actual), http, [http])

    # -- the player ---------------------------------------------------------------------------------

    def open(self, url: str, *, browser: str = "the player's browser", player_id: str | None = None) -> OpenGame:
        """Open a launch URL as the player's browser does, and load the game.

        Args:
            url: What the operator's launch gave.
            browser: Who opens it: a second browser with the same URL is a cached link.
            player_id: The player whom the launch is for: another one's URL is a cached link.

        Raises:
            LaunchFailedError: The game does not load; a finding says why.
            PlayError: Real play, and the wallet's URL is not known.
        """
        parts = urlsplit(url)
        if f"{parts.scheme}://{parts.netloc}" != self.url:
            raise LaunchFailedError(f"this is no launch URL of {self.url}: {shown(url)}")
        return self.enter(parse_qs(parts.query).get("otl", [""])[0], browser, player_id)

    def enter(self, token: str, browser: str, player_id: str | None = None) -> OpenGame:
        """Open a launch by its one-time token; see `open`."""
        launch = self._desk.open(token, browser, player_id)
        game = open_game(launch, self._wallet, self.terms, self.rounds, self.findings)
        if game is None:
            self._desk.failed(launch, _NO_BALANCE)
        self._compare(launch.request.demo, works=game is not None)
        if game is None:
            raise LaunchFailedError(_NO_BALANCE)
        with self._lock:
            self._games[game.key] = game
            while len(self._games) > _SESSIONS:
                self._games.popitem(last=False)
        return game

    def running(self, key: str) -> OpenGame | None:
        """The running game of a page's key."""
        with self._lock:
            return self._games.get(key)

    def _compare(self, demo: bool, *, works: bool) -> None:
        """Notice the case where demo works and real play does not [T]."""
        with self._lock:
            if demo:
                self._demo_works = True
            else:
                self._real_broken = not works
            noticed = self._demo_works and self._real_broken
            if noticed:
                self._demo_works = False  # told once
        if noticed:
            mistake = Mistake("LAUNCH-21", "real play to work as demo play does", f"demo works, and {_NO_BALANCE}")
            self.findings.report(mistake, "the launch URL was opened", ["launch demo play", "launch real play"])
        elif works and not demo and self._demo_works:
            self.findings.held({"LAUNCH-21"})

    # -- stuck rounds -------------------------------------------------------------------------------

    def push(self, round_id: str) -> Round:
        """Push a round's settlement again [T].

        Raises:
            RoundError: The provider has no such round, or no settlement for it.
            PlayError: The wallet's URL is not known.
        """
        if self._wallet is None:
            raise PlayError("name the operator's wallet first")
        return self.rounds.push(self._wallet, self.rounds[round_id])

    def check_pending(self, pending: Iterable[str]) -> list[str]:
        """Report the pending debits that must be voided because the provider has no record of them [T].

        Args:
            pending: transactionIds of the bets that the operator's wallet holds as pending.

        Returns:
            The transactionIds to void.
        """
        unknown = self.rounds.to_void(pending)
        for id_ in unknown:
            mistake = Mistake("LAUNCH-23", "only debits of bets on record", f"a pending debit of bet {named(id_)}")
            self.findings.report(mistake, "the operator's pending debits", ["compare the pending debits"])
        if not unknown:
            self.findings.held({"LAUNCH-23"})
        return unknown

    # -- for tests ------------------------------------------------------------------------------------

    @contextmanager
    def expecting(self, *rules: str) -> Iterator[None]:
        """Expect exactly these rules to be broken within a ``with``; the findings are then forgotten.

        Raises:
            LaunchViolation: Others were broken, or one of them was not.
        """
        before = self.findings.take()
        try:
            yield
        finally:
            found = self.findings.take()
            self.findings.keep(before)
        broken = tuple(dict.fromkeys(finding.rule for finding in found))
        if set(broken) != set(rules):
            seen = ", ".join(broken) or "no rule"
            raise LaunchViolation(f"expected {', '.join(rules)} to be broken, and {seen} was\n\n{told(found)}")

    def check(self, *, strict: bool = False) -> None:
        """Fail if a MUST rule was broken, with `strict` a SHOULD rule too.

        Raises:
            LaunchViolation: With every finding as text.
        """
        if serious := self.findings.serious(strict=strict):
            raise LaunchViolation(told(serious))

    def explain(self, error: Exception) -> None:
        """Add what was found to an exception, which it most likely explains."""
        if found := self.findings.all:
            error.add_note("\nThe stand-in for the provider found:\n\n" + told(found))
