"""A small casino with both halves: it launches games, and it is the wallet they are played from."""

import json

from casino.launcher import Launcher, LaunchError
from casino.wallet import Wallet

WALLET = "/wallet/"
PLAY = "/play/"
DEMO = "/demo/"


class Casino:
    """A WSGI application: ``/play/GAME?PLAYER`` and ``/demo/GAME`` lead to the game, ``/wallet/…`` is the wallet."""

    def __init__(self, wallet: Wallet, launcher: Launcher) -> None:
        self.wallet = wallet
        self.launcher = launcher

    def play(self, player: str, game: str) -> str:
        """A launch URL for a player. The first try may fail; the second has a session of its own."""
        try:
            return self.launch(player, game)
        except LaunchError:
            return self.launch(player, game)

    def launch(self, player: str, game: str) -> str:
        session = self.launcher.new_session()
        self.wallet.start_session(session, player)
        return self.launcher.real_url(game, player, session, self.wallet.currency(player))

    def demo(self, game: str) -> str:
        return self.launcher.demo_url(game)

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if path.startswith(WALLET):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            signature = environ.get("HTTP_X_MARBLES_SIGNATURE", "")
            reply = self.wallet.answer(path.removeprefix(WALLET), body, signature)
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(reply).encode()]
        try:
            if path.startswith(PLAY):
                url = self.play(environ["QUERY_STRING"], path.removeprefix(PLAY))
            elif path.startswith(DEMO):
                url = self.demo(path.removeprefix(DEMO))
            else:
                start_response("404 Not Found", [("Content-Type", "text/plain")])
                return [b"not here"]
        except (LaunchError, LookupError):
            start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"the game can't be started now"]
        start_response("302 Found", [("Location", url)])
        return [b""]
