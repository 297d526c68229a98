"""The operator's side of the wallet API: four callbacks, each answered with HTTP 200 and JSON.

Run it with `uvicorn app:app`; settings.py lists what it needs in the environment.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from callbacks import BalanceInquiry, Bet, Callback, JsonObject, MalformedError, Rollback, Win, read_json
from database import Database
from fastapi import FastAPI, Request, Response
from psycopg import AsyncConnection
from settings import Settings
from starlette.requests import ClientDisconnect
from store import Store
from verify import SIGNATURE_HEADER, SignatureVerifier
from wallet import Outcome, Rules, Status, carry_out

MAX_BODY_BYTES = 256 * 1024
BODY_SECONDS = 30

log = logging.getLogger("wallet")


@dataclass(frozen=True, slots=True)
class Operator:
    """What the four callbacks need."""

    verifier: SignatureVerifier
    database: Database
    rules: Rules


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings = Settings.from_environment()
    verifier = SignatureVerifier.from_pem_file(settings.provider_public_key)
    async with Database(settings.database_url, settings.pool_size).opened() as database:
        app.state.operator = Operator(verifier, database, Rules(max_stake=settings.max_stake))
        yield


app = FastAPI(lifespan=lifespan, redirect_slashes=False, docs_url=None, redoc_url=None, openapi_url=None)


@app.post("/balance")
async def balance(request: Request) -> Response:
    return await answer(request, BalanceInquiry)


@app.post("/bet")
async def bet(request: Request) -> Response:
    return await answer(request, Bet)


@app.post("/win")
async def win(request: Request) -> Response:
    return await answer(request, Win)


@app.post("/rollback")
async def rollback(request: Request) -> Response:
    return await answer(request, Rollback)


@app.get("/health")
async def health(request: Request) -> Response:
    """For the load balancer, not for the provider."""
    up = await request.app.state.operator.database.is_up()
    return Response(status_code=200 if up else 503)


async def answer(request: Request, kind: type[Callback]) -> Response:
    """Whatever happens, HTTP 200: the provider would take anything else for a wallet that is down."""
    payload: JsonObject = {}
    try:
        body = await read_body(request)
        operator: Operator = request.app.state.operator
        genuine = operator.verifier.accepts(body, request.headers.getlist(SIGNATURE_HEADER))
        payload = read_json(body)
        if genuine:
            outcome = await perform(operator, kind.read(payload))
        else:
            log.warning("%s: bad signature", kind.kind)
            outcome = Outcome(Status.UNKNOWN)
    except ClientDisconnect:
        return Response()  # half a request, and nobody left to read this
    except MalformedError as error:
        log.warning("%s malformed: %s", kind.kind, error)
        outcome = Outcome(Status.UNKNOWN)
    except Exception:
        log.exception("%s failed", kind.kind)
        outcome = Outcome(Status.UNKNOWN)
    return reply(payload, outcome)


async def read_body(request: Request) -> bytes:
    """Read to the end, so that the sender listens to the answer, but keep no more than a callback's size."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk[: MAX_BODY_BYTES + 1 - len(body)]
    except TimeoutError as error:
        raise MalformedError("the body does not end") from error
    if len(body) > MAX_BODY_BYTES:
        raise MalformedError("the body is too large")
    return bytes(body)


async def perform(operator: Operator, callback: Callback) -> Outcome:
    """Carry the callback out in one database transaction; nothing is answered before it is committed."""

    async def work(connection: AsyncConnection[Any]) -> Outcome:
        return await carry_out(callback, Store(connection), operator.rules)

    return await operator.database.in_transaction(work)


def reply(payload: JsonObject, outcome: Outcome) -> Response:
    content: JsonObject = {
        "status": outcome.status,
        "requestId": echo(payload, "requestId"),
        "clientPlayerId": echo(payload, "clientPlayerId"),
    }
    if outcome.player:
        content |= {"currency": outcome.player.currency, "balance": outcome.player.balance}
    # Pure ASCII: an echoed lone surrogate has no other way out.
    return Response(json.dumps(content, ensure_ascii=True), media_type="application/json")


def echo(payload: JsonObject, name: str) -> str | None:
    value = payload.get(name)
    return value if isinstance(value, str) else None
