"""The stand-in over HTTP: the provider's API, the player's pages, and a desk for whoever runs it."""

from __future__ import annotations

import ipaddress
import json
import logging
import secrets
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from pytest_provider_contract.checks import shown
from pytest_provider_contract.launch.game import OpenGame, PlayError
from pytest_provider_contract.launch.launches import LaunchFailedError
from pytest_provider_contract.launch.pages import blocked_page, failed_page, game_page
from pytest_provider_contract.launch.provider_api import ProviderApi, UnavailableError
from pytest_provider_contract.launch.requests import LaunchRequestError, read_object
from pytest_provider_contract.launch.rounds import RoundError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LARGEST_BODY = 1 << 16
_COOKIE = "browser"
_DIGITS = 6
_API = "/game/"
_OUTCOMES = {"lose": 0, "rollback": None}

_ROUTES = Map(
    [
        Rule("/game/url", methods=["POST"], endpoint="launch"),
        Rule("/game/games", methods=["POST"], endpoint="games"),
        Rule("/", methods=["GET"], endpoint="open"),
        Rule("/play/<key>", methods=["POST"], endpoint="play"),
        Rule("/stand-in/rounds", methods=["GET"], endpoint="rounds"),
        Rule("/stand-in/rounds/<round_id>/push", methods=["POST"], endpoint="push"),
        Rule("/stand-in/pending", methods=["POST"], endpoint="pending"),
        Rule("/stand-in/findings", methods=["GET"], endpoint="findings"),
    ],
    strict_slashes=False,
    merge_slashes=False,
)


class App:
    """A WSGI application around one `ProviderApi`."""

    def __init__(self, api: ProviderApi) -> None:
        self._api = api
        self._handlers: dict[str, Callable[..., Response]] = {
            "launch": self._launch,
            "games": self._games,
            "open": self._open,
            "play": self._play,
            "rounds": self._rounds,
            "push": self._push,
            "pending": self._pending,
            "findings": self._findings,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; whatever goes wrong becomes an answer too."""
        request = Request(environ)
        request.max_content_length = LARGEST_BODY
        try:
            response = self._answer(request)
        except HTTPException as error:
            response = _json({"status": "UNKNOWN_ERROR", "message": error.description or error.name}, error.code or 500)
        except Exception:
            logging.getLogger(__name__).exception("the stand-in failed to answer")
            response = _json({"status": "UNKNOWN_ERROR", "message": "the stand-in failed; see its log"}, 500)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        try:
            endpoint, values = _ROUTES.bind_to_environ(request.environ).match()
        except HTTPException as error:
            return self._lost(request, error)
        if request.path.startswith(_API) and not self._api.terms.allows(_address(request)):
            return self._turned_away(request)
        if request.path.startswith("/stand-in/") and not _is_loopback(_address(request)):
            raise NotFound
        return self._handlers[endpoint](request, **values)

    # -- the provider's API -----------------------------------------------------------------------

    def _launch(self, request: Request) -> Response:
        try:
            return _json({"url": self._api.launch(request.get_data(), _told(request))})
        except LaunchRequestError as error:
            return _refused(error)
        except UnavailableError as error:
            return _json({"status": "UNKNOWN_ERROR", "message": str(error)}, 503)

    def _games(self, request: Request) -> Response:
        try:
            self._api.ask_for_games(request.get_data(), _told(request))
        except LaunchRequestError as error:
            return _refused(error)
        return _json(
            [{"id": g.id, "type": "Game", "name": g.name, "enabled": g.enabled} for g in self._api.terms.games]
        )

    def _lost(self, request: Request, error: HTTPException) -> Response:
        # Browsers ask for icons and the like; what posts, or speaks of games, is the operator's code.
        if request.method == "POST" or "game" in request.path.lower():
            if not self._api.terms.allows(_address(request)):
                return self._turned_away(request)
            self._api.misdirected(request.method, request.path, _told(request))
        if isinstance(error, NotFound | MethodNotAllowed):
            message = f"there is no {request.method} {shown(request.path)[1:-1]} here"
            return _json({"status": "UNKNOWN_ERROR", "message": message}, error.code or 404)
        raise error

    def _turned_away(self, request: Request) -> Response:
        self._api.turned_away(_address(request), _told(request))
        headers = {"Server": "CloudFront", "X-Cache": "Error from cloudfront"}
        return Response(blocked_page(), 403, headers, mimetype="text/html")

    # -- the player ---------------------------------------------------------------------------------

    def _open(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(mimetype="text/html")  # a preview of the link must not use it up
        cookie = request.cookies.get(_COOKIE, "")
        browser = cookie if cookie.isascii() and cookie.isdigit() and len(cookie) <= _DIGITS else _new_browser()
        try:
            game = self._api.enter(request.args.get("otl", ""), f"browser {browser}")
        except (LaunchFailedError, PlayError) as error:
            response = Response(failed_page(str(error)), 403, mimetype="text/html")
        else:
            page, policy = game_page(game, self._api.games)
            response = Response(page, 200, {"Content-Security-Policy": policy}, mimetype="text/html")
        response.headers["Cache-Control"] = "no-store"
        response.set_cookie(_COOKIE, browser, httponly=True, samesite="Lax")
        return response

    def _play(self, request: Request, key: str) -> Response:
        game = self._api.running(key)
        if game is None:
            return _json({"message": "this session is over"}, 404)
        try:
            wanted = read_object(request.get_data())
            message = _move(game, wanted)
        except (PlayError, LaunchRequestError) as error:
            return _json({"message": str(error)}, 400)
        return _json({"message": message, "balance": game.balance, "game": game.game.name})

    # -- whoever runs the stand-in ------------------------------------------------------------------

    def _rounds(self, request: Request) -> Response:
        rounds = self._api.rounds
        return _json([played.to_json() for played in (rounds.all if "all" in request.args else rounds.open)])

    def _push(self, request: Request, round_id: str) -> Response:  # noqa: ARG002 - handlers are called alike
        try:
            return _json(self._api.push(round_id).to_json())
        except (RoundError, PlayError) as error:
            return _json({"message": str(error)}, 404)

    def _pending(self, request: Request) -> Response:
        try:
            pending = read_object(request.get_data()).get("transactionIds")
        except LaunchRequestError as error:
            return _json({"message": str(error)}, 400)
        if not isinstance(pending, list) or not all(isinstance(id_, str) for id_ in pending):
            return _json({"message": "transactionIds must be a list of texts"}, 400)
        return _json({"void": self._api.check_pending(pending)})

    def _findings(self, request: Request) -> Response:  # noqa: ARG002 - handlers are called alike
        return _json([finding.to_json() for finding in self._api.findings.all])


def _move(game: OpenGame, wanted: dict[str, Any]) -> str:
    """Do what the page asks for; gives what happened, in words."""
    if "game" in wanted:
        game.switch(str(wanted["game"]))
        return f"switched to {game.game.name}"
    stake, outcome = wanted.get("stake"), wanted.get("play")
    if not isinstance(stake, int) or not isinstance(outcome, str):
        raise PlayError("a stake is a whole number of minor units")
    if outcome == "spin":
        played = game.spin(stake)
    elif outcome in ("lose", "win", "rollback"):
        played = game.play(stake, _OUTCOMES.get(outcome, 2 * stake))
    else:
        raise PlayError(f"there is no outcome {shown(outcome)}")
    if played is None:
        return f"played for fun: {stake}"
    return f"bet {stake}: {played.stage}" + (f" ({played.why})" if played.why else "")


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value), status, mimetype="application/json")


def _refused(error: LaunchRequestError) -> Response:
    unknown = any(mistake.rule == "LAUNCH-05" for mistake in error.mistakes)
    status = "UNKNOWN_OPERATOR" if unknown else "VALIDATION_ERROR"
    return _json({"status": status, "message": str(error)}, 404 if unknown else 400)


def _address(request: Request) -> str:
    return request.remote_addr or ""


def _new_browser() -> str:
    return str(secrets.randbelow(10**_DIGITS))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _told(request: Request) -> str:
    return f"{request.method} {shown(request.path)[1:-1]} from {_address(request)}"
