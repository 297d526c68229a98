"""Names, ports and TLS, each with a real socket."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from looking import Look
from small_wallet import Wallet, serving

from pytest_provider_contract.preflight.checkup import Item, Outcome, Who
from pytest_provider_contract.preflight.reach import reach
from pytest_provider_contract.signing import SigningKey
from pytest_provider_contract.transport import Endpoint

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority is one that this machine knows."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


def stopped(port: int, scheme: str = "https", host: str = "localhost") -> Item:
    last = reach(Endpoint.parse(f"{scheme}://{host}:{port}/wallet")).items[-1]
    assert last.outcome is Outcome.STOP
    return last


def test_a_name_that_does_not_resolve() -> None:
    item = stopped(80, "http", "nowhere.invalid")
    assert (item.rule, item.wrong_use) == ("PREFLIGHT-01", True)
    assert "nowhere.invalid" in item.said


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "-.example", "xn--a.invalid"])
def test_a_name_that_is_none(host: str) -> None:
    assert stopped(80, "http", host).rule == "PREFLIGHT-01"


def test_a_port_that_refuses() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        item = stopped(taken.getsockname()[1], "http", "127.0.0.1")
    assert (item.rule, item.wrong_use) == ("PREFLIGHT-02", True)
    assert "refused" in item.said


@pytest.mark.usefixtures("trusted")
def test_tls_that_works(authority: trustme.CA) -> None:
    with serving(Wallet(None), context(authority.issue_cert("localhost"))) as port:
        items = reach(Endpoint.parse(f"https://localhost:{port}")).items
    assert [(item.rule, item.outcome) for item in items] == [
        ("PREFLIGHT-01", Outcome.GOOD),
        ("PREFLIGHT-02", Outcome.GOOD),
        ("PREFLIGHT-03", Outcome.GOOD),
    ]


def test_tls_of_an_authority_that_is_named(authority: trustme.CA, tmp_path: Path) -> None:
    ca = tmp_path / "authority.pem"
    with serving(Wallet(None), context(authority.issue_cert("localhost"))) as port:
        unknown = stopped(port)
        authority.cert_pem.write_to_path(str(ca))
        known = reach(Endpoint.parse(f"https://localhost:{port}", ca)).items[-1]
    assert "--operator-ca=FILE" in unknown.mend
    assert (known.rule, known.outcome) == ("PREFLIGHT-03", Outcome.GOOD)


Issue = Callable[[trustme.CA], trustme.LeafCert]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("issue", "words"),
    [
        pytest.param(
            lambda ca: ca.issue_cert("localhost", not_before=NOW - 9 * DAY, not_after=NOW - DAY),
            f"expired on {NOW - DAY:%Y-%m-%d}",
            id="expired",
        ),
        pytest.param(
            lambda ca: ca.issue_cert("localhost", not_before=NOW + DAY, not_after=NOW + 9 * DAY),
            f"not valid before {NOW + DAY:%Y-%m-%d}",
            id="not-yet-valid",
        ),
        pytest.param(
            lambda ca: ca.issue_cert("wallet.example", "www.wallet.example"),
            "not for localhost, but for wallet.example, www.wallet.example",
            id="wrong-host",
        ),
        pytest.param(lambda _: trustme.CA().issue_cert("localhost"), "not known here", id="unknown-authority"),
    ],
)
def test_a_certificate_that_is_refused(authority: trustme.CA, issue: Issue, words: str) -> None:
    with serving(Wallet(None), context(issue(authority))) as port:
        item = stopped(port)
    assert (item.rule, item.wrong_use) == ("PREFLIGHT-03", False)
    assert words in item.said
    assert item.who in (Who.OPERATOR, Who.EITHER)
    assert item.mend


def test_a_port_for_plain_http() -> None:
    with serving(Wallet(None)) as port:
        item = stopped(port)
    assert (item.rule, item.wrong_use) == ("PREFLIGHT-03", True)
    assert f"http://localhost:{port}/wallet" in item.mend


@pytest.mark.usefixtures("trusted")
def test_tls_that_is_too_old(authority: trustme.CA) -> None:
    old = context(authority.issue_cert("localhost"))
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1 "):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with serving(Wallet(None), old) as port:
        item = stopped(port)
    assert item.rule == "PREFLIGHT-03"
    assert "too old" in item.cause


def test_a_handshake_that_is_broken_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        item = stopped(server.getsockname()[1], host="127.0.0.1")
        thread.join()
    assert (item.rule, item.who) == ("PREFLIGHT-03", Who.OPERATOR)


@pytest.mark.usefixtures("trusted")
def test_a_client_certificate_that_is_asked_for(
    authority: trustme.CA, key: SigningKey, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_provider_contract.transport._context", None, raising=False)
    asking = context(authority.issue_cert("localhost"))
    asking.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(asking)
    with serving(Wallet(key), asking) as port:
        stop = look(f"https://localhost:{port}").stop
    assert stop is not None
    assert stop.rule in ("PREFLIGHT-03", "PREFLIGHT-07")
    assert stop.who is Who.OPERATOR


@pytest.mark.usefixtures("trusted")
def test_a_healthy_wallet_behind_tls(
    authority: trustme.CA, key: SigningKey, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_provider_contract.transport._context", None, raising=False)
    with serving(Wallet(key), context(authority.issue_cert("localhost"))) as port:
        checkup = look(f"https://localhost:{port}")
    assert checkup.stop is None
    assert "PREFLIGHT-03" in checkup.good
