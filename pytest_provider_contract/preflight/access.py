"""Why a wallet does not answer: blocked, not there, redirected, or hidden behind something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_provider_contract.history import Player
from pytest_provider_contract.pages import Page, PageKind
from pytest_provider_contract.preflight.checkup import Item, Outcome, Who, good
from pytest_provider_contract.preflight.probe import Heard, Prober
from pytest_provider_contract.preflight.reach import is_loopback, is_public
from pytest_provider_contract.transport import Endpoint, Failure

NOT_THERE = frozenset({PageKind.NOT_FOUND, PageKind.METHOD})
_REFUSED = frozenset({PageKind.BLOCKED, PageKind.CHALLENGE, PageKind.CSRF, PageKind.CREDENTIALS})
_ELSEWHERE = frozenset({PageKind.REDIRECT, PageKind.LOGIN})
# Where wallets often are; asked only when nothing is at the given path.
_USUAL_PATHS = ("/wallet", "/api/wallet", "/api", "/api/v1", "/v1", "/callback", "/provider", "/operator")
_MOST_PATHS = 12


def explain(prober: Prober, first: Heard, player: Player, own_address: str) -> Iterator[Item]:
    """Say why a /balance was not answered by the wallet; the last item is a stop.

    Args:
        prober: Sends what else is asked, which moves no money.
        first: What /balance got.
        player: The player it was about.
        own_address: This machine's end of the connection.
    """
    others = [prober.rollback(player), prober.win_of_nothing(player, player.currency or "EUR")]
    seen = tuple(str(heard) for heard in (first, *others))
    # Half a reply may read as a whole one, by chance.
    if any(heard.is_answer and heard.exchange.reply.failure is None for heard in others):
        yield good("PREFLIGHT-04", "other callbacks get through")
        yield _broken_balance(first, seen)
        return
    kinds = {heard.page.kind for heard in (first, *others) if heard.page is not None}
    first = next((heard for heard in (first, *others) if heard.page is not None), first)
    page = first.page
    if page is None:
        yield _silence(first, seen, prober.endpoint)
    elif kinds <= _REFUSED:
        yield _refused(page, first, seen, own_address)
    elif kinds <= NOT_THERE:
        yield _not_there(prober, first, player, seen)
    elif kinds <= _ELSEWHERE:
        yield _sent_away(page, first, seen, prober.endpoint)
    elif kinds == {PageKind.WRONG_SCHEME}:
        yield _wrong_scheme(first, seen, prober.endpoint)
    else:
        yield _no_wallet(page, first, seen)


def _broken_balance(first: Heard, seen: tuple[str, ...]) -> Item:
    return Item(
        "PREFLIGHT-12",
        Outcome.STOP,
        f"{first}, while other callbacks are answered",
        "only /balance is broken: demo games work, which never ask for it, and real play does not start",
        Who.OPERATOR,
        "make /balance answer like the others: the same base path, the same check of the signature",
        seen,
    )


# -- refused before the wallet -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Refusal:
    cause: str
    mend: str


def _refused(page: Page, first: Heard, seen: tuple[str, ...], own_address: str) -> Item:
    maker = page.maker or "whatever stands in front of the wallet"
    if page.kind is PageKind.CSRF:
        told = _Refusal(
            "web forms are protected there against forged requests, and callbacks come from no form",
            "take the four callbacks out of the protection (csrf_exempt or the like); their signature protects them",
        )
    elif page.kind is PageKind.CREDENTIALS:
        told = _Refusal(
            "a user name, token or client certificate is asked for, and the provider sends none",
            "let the four callbacks in without credentials; their signature proves who sends them",
        )
    elif page.kind is PageKind.CHALLENGE:
        told = _Refusal(
            f"{maker} takes the provider for a bot and wants a browser to prove itself; no callback can",
            f"switch the check off for the four callbacks{_address(page, own_address)}",
        )
    else:
        told = _Refusal(
            "the caller's address is not on the list: the callback never reached the wallet, "
            "and its signature was not looked at",
            f"let this address through in {maker}{_address(page, own_address)}"
            + (f"; its support finds the request by {page.reference}" if page.reference else ""),
        )
    return Item("PREFLIGHT-04", Outcome.STOP, str(first), told.cause, Who.OPERATOR, told.mend, seen)


def _address(page: Page, own_address: str) -> str:
    if page.caller:
        return f" (the tester calls from {page.caller})"
    if is_public(own_address):
        return f" (the tester calls from {own_address})"
    if own_address and not is_loopback(own_address):
        return f" (this machine is {own_address} inside its network; what it is outside, checkip.amazonaws.com tells)"
    return ""


# -- somewhere else ------------------------------------------------------------------------------------


def _not_there(prober: Prober, first: Heard, player: Player, seen: tuple[str, ...]) -> Item:
    endpoint = prober.endpoint
    slash = prober.elsewhere(endpoint.path, player, slash=True)
    if slash.is_answer:
        return Item(
            "PREFLIGHT-05",
            Outcome.STOP,
            f"{first}; the wallet answers at {first.exchange.path}/ with a slash at the end",
            "the provider sends to paths without one",
            Who.OPERATOR,
            "serve the four paths without a slash too",
            (*seen, f"with a slash: {slash}"),
        )
    for path in candidates(endpoint.path, first.exchange.path):
        heard = prober.elsewhere(path, player)
        if heard.is_answer and heard.word:
            found = Endpoint(endpoint.scheme, endpoint.host, endpoint.port, path).url
            return Item(
                "PREFLIGHT-05",
                Outcome.STOP,
                f"every callback under {endpoint.url} is unknown there ({first}); the wallet answers at {found}",
                "the base URL has a path too many, too few or doubled",
                Who.TESTER,
                f"give --operator-url={found}",
                (*seen, f"at {found}: {heard}"),
                wrong_use=True,
            )
    return Item(
        "PREFLIGHT-05",
        Outcome.STOP,
        f"every callback under {endpoint.url} is unknown there: {first}",
        "the base URL has a wrong path, or this version of the wallet has no callbacks yet",
        Who.EITHER,
        "give the base URL in front of /balance, or deploy the callbacks there",
        seen,
    )


def candidates(path: str, callback: str) -> list[str]:
    """Base paths to try instead of one under which nothing is, the likeliest first.

    Args:
        path: The path that was given, without a slash at its end.
        callback: A callback's own path, such as ``/balance``.
    """
    return [guess for guess in dict.fromkeys(_guesses(path, callback)) if guess != path][:_MOST_PATHS]


def _guesses(path: str, callback: str) -> Iterator[str]:
    yield path.removesuffix(callback)
    parts = [f"/{part}" for part in path.split("/") if part]
    for index, part in enumerate(parts[1:], 1):
        if part == parts[index - 1]:
            yield "".join(parts[:index] + parts[index + 1 :])
    for length in range(len(parts) - 1, -1, -1):
        yield "".join(parts[:length])
    for index in range(len(parts)):
        yield "".join(parts[:index] + parts[index + 1 :])
    yield from (path + usual for usual in _USUAL_PATHS)
    yield from _USUAL_PATHS


def _sent_away(page: Page, first: Heard, seen: tuple[str, ...], endpoint: Endpoint) -> Item:
    base = page.location.removesuffix(first.exchange.path).rstrip("/")
    if page.kind is PageKind.LOGIN:
        cause = "the callbacks are behind a login for people, and the provider has none"
        return Item("PREFLIGHT-06", Outcome.STOP, str(first), cause, Who.OPERATOR, "let the callbacks in without", seen)
    kept = page.location.endswith(first.exchange.path)
    if endpoint.scheme == "http" and base.startswith("https://") and kept:
        cause = "the wallet wants https; a callback that is redirected is lost, as the provider follows none"
        return Item(
            "PREFLIGHT-06",
            Outcome.STOP,
            str(first),
            cause,
            Who.TESTER,
            f"give --operator-url={base}",
            seen,
            wrong_use=True,
        )
    if page.location.endswith(first.exchange.path + "/"):
        cause, mend = "the framework adds a slash to the path", "serve the four paths without a slash at the end too"
    else:
        cause, mend = (
            "the wallet has moved, or a rule of the web server is too wide",
            ("answer callbacks where they are sent, or tell the new base URL"),
        )
    return Item("PREFLIGHT-06", Outcome.STOP, str(first), cause, Who.OPERATOR, mend, seen)


def _wrong_scheme(first: Heard, seen: tuple[str, ...], endpoint: Endpoint) -> Item:
    port = "" if endpoint.port in (80, 443) else f":{endpoint.port}"
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return Item(
        "PREFLIGHT-03",
        Outcome.STOP,
        f"port {endpoint.port} speaks TLS, and the URL says http ({first})",
        "",
        Who.TESTER,
        f"give --operator-url=https://{host}{port}{endpoint.path}",
        seen,
        wrong_use=True,
    )


# -- nothing, or something else --------------------------------------------------------------------------


def _silence(first: Heard, seen: tuple[str, ...], endpoint: Endpoint) -> Item:
    reply = first.exchange.reply
    rule, who = "PREFLIGHT-07", Who.OPERATOR
    if "certificate required" in reply.detail.lower():
        rule, cause = "PREFLIGHT-03", "the wallet asks for a client certificate, and the provider sends none"
        mend = "let callbacks in without one"
    elif reply.failure is Failure.TIMEOUT:
        cause = "the connection is accepted and nothing follows: the wallet hangs, or a firewall swallows the request"
        mend = "look into the wallet's log whether the callback came"
    elif reply.failure is Failure.NOT_HTTP:
        cause, mend = "something else than a web server listens there", "check host and port in the URL"
        who = Who.TESTER
    else:
        cause = "the wallet crashes on the request, or a firewall cuts the connection"
        mend = "look into the wallet's log whether the callback came"
    return Item(rule, Outcome.STOP, f"no callback to {endpoint.url} gets a reply: {first}", cause, who, mend, seen)


def _no_wallet(page: Page, first: Heard, seen: tuple[str, ...]) -> Item:
    maker = page.maker or "the web server"
    if page.kind is PageKind.PROXY:
        cause, mend = f"{maker} stands in front of the wallet and can't reach it", "start the wallet behind it"
    elif page.kind is PageKind.CRASH:
        cause, mend = "every callback ends in an unhandled error", "the wallet's log has the traceback"
    elif page.kind is PageKind.VALIDATION:
        cause = "the framework refuses the body of a correct callback before the wallet's own code sees it"
        mend = "accept the fields of the contract, unknown ones too, and answer 200 yourself"
    else:
        cause, mend = "a web server answers, but no wallet", "check the URL, or deploy the wallet there"
    who = Who.EITHER if page.kind is PageKind.OTHER else Who.OPERATOR
    return Item("PREFLIGHT-07", Outcome.STOP, str(first), cause, who, mend, seen)
