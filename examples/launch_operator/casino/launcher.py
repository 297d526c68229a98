"""The launch half: asks the provider for a URL, anew for every launch."""

import secrets

import httpx

DEMO = "XXX"


class LaunchError(Exception):
    """The provider gave no URL."""


class Launcher:
    """Asks one provider for launch URLs.

    `operator_id` is what the provider issued; `brand` is a name of our own.
    """

    def __init__(self, api_url: str, operator_id: str, brand: str) -> None:
        self.api_url = api_url.rstrip("/")
        self.operator_id = operator_id
        self.brand = brand

    def games(self) -> list[dict]:
        """The games to be offered."""
        return [game for game in self.post("/game/games", {"operatorId": self.operator_id}) if game["enabled"]]

    def demo_url(self, game: str) -> str:
        """A URL for playing with fun money."""
        return self.url(self.request(game, DEMO))

    def real_url(self, game: str, player: str, session: str, currency: str) -> str:
        """A URL for one launch of a player; the session must be a new one."""
        ids = {"clientPlayerId": player, "clientSessionId": session, "username": player}
        return self.url({**self.request(game, currency), **ids})

    def request(self, game: str, currency: str) -> dict:
        return {
            "operatorId": self.operator_id,
            "partnerId": self.brand,
            "gameId": game,
            "currency": currency,
            "platform": "DESKTOP",
            "language": "en",
            "country": "GB",
            "lobbyUrl": "https://casino.example/lobby",
        }

    def url(self, request: dict) -> str:
        return self.post("/game/url", request)["url"]

    def new_session(self) -> str:
        return secrets.token_hex(16)

    def post(self, path: str, fields: dict):
        reply = httpx.post(self.api_url + path, json=fields, timeout=10)
        if reply.status_code != httpx.codes.OK:
            raise LaunchError(f"HTTP {reply.status_code}: {reply.text[:200]}")
        return reply.json()
