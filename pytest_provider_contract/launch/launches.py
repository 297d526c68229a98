"""Launches: the one-time tokens, the sessions, and what is wrong with the way they are used."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from pytest_provider_contract.launch.findings import Findings
from pytest_provider_contract.launch.requests import LaunchRequest, Mistake, named
from pytest_provider_contract.launch.terms import Clock, Terms
from pytest_provider_contract.redaction import masked

# A launch code that runs wild must not fill the memory.
_REMEMBERED = 20_000
_STEPS = 8


class LaunchFailedError(Exception):
    """A launch URL did not open the game; the message says why, as the player would see it."""


@dataclass(slots=True)
class Launch:
    """One granted request.

    Attributes:
        request: What was asked for.
        token: The one-time login token of its URL.
        minted_s: When it was granted, in seconds since the epoch.
        trail: What happened to it, in words.
        opened_by: Who opened it, or None.
        failure: Why it failed, or None.
    """

    request: LaunchRequest
    token: str = field(repr=False)
    minted_s: float
    trail: list[str] = field(default_factory=list)
    opened_by: str | None = None
    opened_s: float = 0.0
    failure: str | None = None

    def then(self, step: str) -> None:
        """Add to the trail, of which the latest steps are kept."""
        self.trail.append(step)
        del self.trail[:-_STEPS]


class Desk:
    """Grants launches and opens them. Thread-safe."""

    def __init__(self, terms: Terms, clock: Clock, findings: Findings) -> None:
        self.terms = terms
        self._clock = clock
        self._findings = findings
        self._launches: OrderedDict[str, Launch] = OrderedDict()
        self._by_session: OrderedDict[str, Launch] = OrderedDict()
        self._lock = threading.Lock()

    def grant(self, request: LaunchRequest, http: str) -> Launch:
        """Mint a launch for a request that is in order.

        Args:
            request: What is asked for.
            http: The request in a few words, for findings.
        """
        launch = Launch(request, secrets.token_urlsafe(24), self._clock.now_s())
        with self._lock:
            earlier = self._by_session.get(request.session_id or "")
            mistake = _reused(request, earlier)
            for step in (*(earlier.trail if earlier and mistake else ()), _asked(request)):
                launch.then(step)
            if mistake is not None and mistake.rule == "LAUNCH-17":
                launch.failure = "the session failed before and is remembered as bad"
            self._launches[launch.token] = launch
            if request.session_id is not None:
                self._by_session[request.session_id] = launch
            for known in (self._launches, self._by_session):
                while len(known) > _REMEMBERED:
                    known.popitem(last=False)
        if mistake is not None:
            self._findings.report(mistake, http, launch.trail)
        elif request.session_id is not None:
            self._findings.held({"LAUNCH-17", "LAUNCH-18", "LAUNCH-19"})
        return launch

    def turned_away(self, request: LaunchRequest, why: str) -> None:
        """Remember that a launch failed before there was a URL: its session is a bad one."""
        launch = Launch(request, "", self._clock.now_s(), [f"{_asked(request)}, refused: {why}"], failure=why)
        if request.session_id is not None:
            with self._lock:
                self._by_session[request.session_id] = launch

    def open(self, token: str, browser: str, player_id: str | None = None) -> Launch:
        """Consume a token.

        Args:
            token: The ``otl`` of the URL.
            browser: Who opens it, so that a reloaded link can be told from a shared one.
            player_id: The player whom the launch is for, where the caller knows.

        Raises:
            LaunchFailedError: It opens nothing; a finding says whose mistake it is.
        """
        with self._lock:
            launch = self._launches.get(token)
            if launch is None:
                raise LaunchFailedError("this link was never valid")
            mistake = self._misused(launch, browser, player_id)
            launch.then(f"open its URL in {browser}" + (f" for {named(player_id)}" if player_id else ""))
            trail = tuple(launch.trail)
            if mistake is None and launch.failure is None:
                launch.opened_by, launch.opened_s = browser, self._clock.now_s()
            elif mistake is not None and mistake.rule == "LAUNCH-15":
                launch.failure = _SEEN["LAUNCH-15"]
        if mistake is not None:
            self._findings.report(mistake, "the launch URL was opened", trail)
            raise LaunchFailedError(_SEEN[mistake.rule])
        if launch.failure is not None:
            raise LaunchFailedError(launch.failure)
        self._findings.held({"LAUNCH-14", "LAUNCH-15", "LAUNCH-16"})
        return launch

    def failed(self, launch: Launch, why: str) -> None:
        """Remember that an opened launch came to nothing."""
        with self._lock:
            launch.failure = why
            launch.then(why)

    def _misused(self, launch: Launch, browser: str, player_id: str | None) -> Mistake | None:
        now_s, request = self._clock.now_s(), launch.request
        if player_id is not None and request.player_id != player_id:
            whose = "demo play's" if request.demo else f"that of {named(request.player_id)}"
            return Mistake("LAUNCH-16", f"a URL of {named(player_id)}", whose)
        if launch.opened_by is not None:
            age = f"{now_s - launch.opened_s:.0f} s after {launch.opened_by}"
            if browser != launch.opened_by:
                return Mistake("LAUNCH-16", "a URL of this launch's own", f"one that {browser} opened {age}")
            return Mistake("LAUNCH-14", "a URL that was not opened yet", f"opened again {age}")
        if now_s - launch.minted_s > self.terms.token_life_s:
            life_s, lived_s = self.terms.token_life_s, now_s - launch.minted_s
            return Mistake(
                "LAUNCH-15", f"opened within {life_s / 60:.0f} minutes", f"opened after {lived_s / 60:.0f} minutes"
            )
        return None


_SEEN = {
    "LAUNCH-14": "this link was used already",
    "LAUNCH-15": "this link has expired",
    "LAUNCH-16": "this link belongs to another launch",
}


def _reused(request: LaunchRequest, earlier: Launch | None) -> Mistake | None:
    if earlier is None or request.session_id is None:
        return None
    session = f"clientSessionId {masked(request.session_id)}"
    if earlier.request.player_id != request.player_id:
        owner = named(earlier.request.player_id)
        return Mistake("LAUNCH-19", f"a session of {named(request.player_id)}", f"{session} of {owner}")
    if earlier.failure is not None:
        return Mistake("LAUNCH-17", "a new clientSessionId", f"{session} of the launch that failed: {earlier.failure}")
    return Mistake("LAUNCH-18", "a new clientSessionId", f"{session} of an earlier launch")


def _asked(request: LaunchRequest) -> str:
    whom = "demo play" if request.demo else f"{named(request.player_id)} in session {masked(request.session_id or '')}"
    return f"POST /game/url for {whom}"
