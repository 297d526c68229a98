"""The example casino with each mistake of the field, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from casino.app import Casino
from casino.launcher import DEMO, Launcher, LaunchError
from casino.wallet import Wallet

from pytest_provider_contract.launch.provider_api import ProviderApi
from pytest_provider_contract.signing import generate_key


@dataclass(frozen=True)
class Mistake:
    """A casino and the rules that it breaks, the first of them its own."""

    rules: tuple[str, ...]
    casino: type[Casino] = Casino
    launcher: type[Launcher] = Launcher
    wallet: type[Wallet] = Wallet
    arrange: Callable[[ProviderApi], None] = field(default=lambda _api: None)


def sends(**changes: Any) -> type[Launcher]:
    """A launch code that sends these fields; None leaves one out."""

    class Changed(Launcher):
        def url(self, request: dict[str, Any]) -> str:
            changed = {**request, **{name: value for name, value in changes.items() if value is not None}}
            return super().url({name: v for name, v in changed.items() if changes.get(name, v) is not None})

    return Changed


def sends_in_real_play(**changes: Any) -> type[Launcher]:
    """The same in real play only."""

    class Changed(sends(**changes)):  # type: ignore[misc]
        def url(self, request: dict[str, Any]) -> str:
            return super().url(request) if request["currency"] != DEMO else Launcher.url(self, request)

    return Changed


class DoublesThePath(Launcher):
    def post(self, path: str, fields: dict[str, Any]) -> Any:
        return super().post(path.replace("/game/url", "/game/game/url"), fields)


class NamesTheOperatorAsBrand(Launcher):
    def request(self, game: str, currency: str) -> dict[str, Any]:
        return {**super().request(game, currency), "partnerId": self.operator_id}


class AsksWithAnotherOperatorId(Launcher):
    def post(self, path: str, fields: dict[str, Any]) -> Any:
        return super().post(path, {**fields, "operatorId": "op-of-staging"} if path == "/game/url" else fields)


class NamesThePlayerInDemo(Launcher):
    def demo_url(self, game: str) -> str:
        return self.url({**self.request(game, DEMO), "clientPlayerId": "alice", "clientSessionId": "s"})


class InventsADemoCurrency(Launcher):
    def demo_url(self, game: str) -> str:
        return self.url(self.request(game, "FUN"))


class OffersWhatIsNotEnabled(Launcher):
    def games(self) -> list[dict[str, Any]]:
        every = self.post("/game/games", {"operatorId": self.operator_id})
        return [game for game in every if not game["enabled"]]


class CachesTheLinkOfAPlayer(Casino):
    links: dict[str, str]

    def play(self, player: str, game: str) -> str:
        self.links = getattr(self, "links", {})
        if player not in self.links:
            self.links[player] = super().play(player, game)
        return self.links[player]


class CachesTheLinkOfAGame(Casino):
    links: dict[str, str]

    def play(self, player: str, game: str) -> str:
        self.links = getattr(self, "links", {})
        if game not in self.links:
            self.links[game] = super().play(player, game)
        return self.links[game]


class AsksLongBeforeThePlayerPlays(Casino):
    pause: Callable[[], None]

    def play(self, player: str, game: str) -> str:
        url = super().play(player, game)
        self.pause()
        return url


class RetriesInTheSameSession(Casino):
    def play(self, player: str, game: str) -> str:
        session = self.launcher.new_session()
        self.wallet.start_session(session, player)
        try:
            return self._in(session, player, game)
        except LaunchError:
            return self._in(session, player, game)

    def _in(self, session: str, player: str, game: str) -> str:
        return self.launcher.real_url(game, player, session, self.wallet.currency(player))


class PlaysInOneSessionForEver(Casino):
    sessions: dict[str, str]

    def session(self, player: str) -> str:
        return f"session-of-{player}"

    def launch(self, player: str, game: str) -> str:
        self.sessions = getattr(self, "sessions", {})
        session = self.session(player)
        if session not in self.sessions:
            self.sessions[session] = player
            self.wallet.start_session(session, player)
        return self.launcher.real_url(game, player, session, self.wallet.currency(player))


class SharesOneSession(PlaysInOneSessionForEver):
    def session(self, player: str) -> str:
        return "casino-session"


class MissesTheBalance(Casino):
    def __call__(self, environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].endswith("/balance"):
            start_response("404 Not Found", [("Content-Type", "text/html")])
            return [b"<h1>Not Found</h1>"]
        return super().__call__(environ, start_response)


class FailsOnWins(Casino):
    def __call__(self, environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].endswith("/win"):
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"oops"]
        return super().__call__(environ, start_response)


class VerifiesWithAnotherKey(Wallet):
    def __init__(self, public_pem: bytes) -> None:
        super().__init__(generate_key().public_pem)


class RefundsTwice(Wallet):
    def _rollback(self, player: str, fields: dict[str, Any]) -> None:
        super()._rollback(player, fields)
        self._move(player, 500)


class NeverVoids(Wallet):
    def void(self, bet: str) -> None:
        pass


def _not_on_the_list(api: ProviderApi) -> None:
    api.agree(allowed=("203.0.113.7", "198.51.100.0/24"))


MISTAKES = {
    "doubled path": Mistake(("LAUNCH-01",), launcher=DoublesThePath),
    "no platform": Mistake(("LAUNCH-12",), launcher=sends(platform=None)),
    "no partner": Mistake(("LAUNCH-02",), launcher=sends(partnerId=None)),
    "no username": Mistake(("LAUNCH-02",), launcher=sends_in_real_play(username=None)),
    "deposit undefined": Mistake(("LAUNCH-03",), launcher=sends(depositUrl="undefined")),
    "deposit null": Mistake(("LAUNCH-03",), launcher=sends(depositUrl="null")),
    "deposit None": Mistake(("LAUNCH-03",), launcher=sends(depositUrl="None")),
    "deposit empty": Mistake(("LAUNCH-03",), launcher=sends(depositUrl="")),
    "deposit relative": Mistake(("LAUNCH-03",), launcher=sends(depositUrl="/deposit")),
    "lobby without scheme": Mistake(("LAUNCH-03",), launcher=sends(lobbyUrl="casino.example/lobby")),
    "partner is operator": Mistake(("LAUNCH-04",), launcher=NamesTheOperatorAsBrand),
    "another operatorId": Mistake(("LAUNCH-05",), launcher=AsksWithAnotherOperatorId),
    "no session": Mistake(("LAUNCH-06",), launcher=sends_in_real_play(clientSessionId=None)),
    "no player": Mistake(("LAUNCH-06",), launcher=sends_in_real_play(clientPlayerId=None)),
    "player undefined": Mistake(("LAUNCH-06",), launcher=sends_in_real_play(clientPlayerId="undefined")),
    "demo in an invented currency": Mistake(("LAUNCH-06",), launcher=InventsADemoCurrency),
    "demo with player": Mistake(("LAUNCH-07",), launcher=NamesThePlayerInDemo),
    "unknown game": Mistake(("LAUNCH-08",), launcher=sends(gameId="00000000-0000-4000-8000-000000000000")),
    "game that is off": Mistake(("LAUNCH-08",), launcher=OffersWhatIsNotEnabled),
    "language in words": Mistake(("LAUNCH-09",), launcher=sends(language="english")),
    "language with region": Mistake(("LAUNCH-09",), launcher=sends(language="en-GB")),
    "country UK": Mistake(("LAUNCH-10",), launcher=sends(country="UK")),
    "country of three letters": Mistake(("LAUNCH-10",), launcher=sends(country="GBR")),
    "currency in small letters": Mistake(("LAUNCH-11",), launcher=sends_in_real_play(currency="eur")),
    "another currency": Mistake(("LAUNCH-11", "LAUNCH-21"), launcher=sends_in_real_play(currency="USD")),
    "platform in small letters": Mistake(("LAUNCH-12",), launcher=sends(platform="desktop")),
    "address not on the list": Mistake(("LAUNCH-13",), arrange=_not_on_the_list),
    "link cached by player": Mistake(("LAUNCH-14",), casino=CachesTheLinkOfAPlayer),
    "link asked for too early": Mistake(("LAUNCH-15",), casino=AsksLongBeforeThePlayerPlays),
    "link cached by game": Mistake(("LAUNCH-16", "LAUNCH-14"), casino=CachesTheLinkOfAGame),
    "retry in the same session": Mistake(("LAUNCH-17",), casino=RetriesInTheSameSession),
    "one session for ever": Mistake(("LAUNCH-18", "LAUNCH-17"), casino=PlaysInOneSessionForEver),
    "one session for all": Mistake(("LAUNCH-19", "LAUNCH-20", "LAUNCH-21", "LAUNCH-17"), casino=SharesOneSession),
    "balance not found": Mistake(("LAUNCH-20", "LAUNCH-21"), casino=MissesTheBalance),
    "another public key": Mistake(("LAUNCH-20", "LAUNCH-21"), wallet=VerifiesWithAnotherKey),
    "wins fail": Mistake(("LAUNCH-22", "REPLY-01"), casino=FailsOnWins),
    "refund is doubled": Mistake(("ROLLBACK-01",), wallet=RefundsTwice),
    "debit is not voided": Mistake(("LAUNCH-23",), wallet=NeverVoids),
}
