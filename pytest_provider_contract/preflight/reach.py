"""Can the wallet be reached at all: its name, its port, its TLS. Sends no callback."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from pytest_provider_contract.pages import one_line
from pytest_provider_contract.preflight.checkup import Item, Outcome, Who, good
from pytest_provider_contract.transport import Endpoint

CONNECT_S = 5.0
_NAMES_SHOWN = 4
# OpenSSL's X509_V_ERR_… numbers.
_EXPIRED, _NOT_YET_VALID = 10, 9
_UNTRUSTED = frozenset({18, 19, 20, 21})
_WRONG_HOST = frozenset({62, 64})


@dataclass(slots=True)
class Reach:
    """How far a connection got.

    Attributes:
        items: What was found, in the order of looking; a stop is the last.
        address: The wallet's address, or empty.
        own_address: The address of this machine's end of the connection, or empty.
    """

    items: list[Item] = field(default_factory=list)
    address: str = ""
    own_address: str = ""


def reach(endpoint: Endpoint) -> Reach:
    """Resolve the name, connect, and shake hands, each for at most `CONNECT_S` seconds."""
    found = Reach()
    found.items.extend(_look(endpoint, found))
    return found


def _look(endpoint: Endpoint, found: Reach) -> Iterator[Item]:
    try:
        known = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        yield _unresolved(endpoint, error)
        return
    addresses = list(dict.fromkeys(str(info[4][0]) for info in known))
    found_at = ", ".join(addresses[:_NAMES_SHOWN])
    yield good("PREFLIGHT-01", found_at if found_at == endpoint.host else f"{endpoint.host} is {found_at}")
    started_s = time.monotonic()
    try:
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout=CONNECT_S)
    except OSError as error:
        yield _unconnected(endpoint, error)
        return
    with closing(plain):
        found.address, found.own_address = plain.getpeername()[0], plain.getsockname()[0]
        took_ms = (time.monotonic() - started_s) * 1000
        yield good("PREFLIGHT-02", f"port {endpoint.port} of {found.address} accepted a connection in {took_ms:.0f} ms")
        if endpoint.scheme == "https":
            yield _shake_hands(endpoint, plain)


def _unresolved(endpoint: Endpoint, error: OSError | UnicodeError) -> Item:
    return Item(
        "PREFLIGHT-01",
        Outcome.STOP,
        f"{endpoint.host} port {endpoint.port} can't be reached: the name does not resolve ({_words(error)})",
        "the host is misspelt, or only known inside the operator's network or VPN",
        Who.TESTER,
        "check the host in the URL, and that this machine uses a name server that knows it",
        wrong_use=True,
    )


def _unconnected(endpoint: Endpoint, error: OSError) -> Item:
    if isinstance(error, ConnectionRefusedError):
        cause, mend = "nothing listens on that port", "start the wallet, or check host and port in the URL"
    elif isinstance(error, TimeoutError):
        cause = "a firewall drops connections from this address, or the host is down"
        mend = "check host and port, and ask the operator to let this machine's address through"
    else:
        cause, mend = "there is no way to that address from here", "check host, port and this machine's network"
    said = f"{endpoint.host} port {endpoint.port} can't be reached: {_words(error)}"
    return Item("PREFLIGHT-02", Outcome.STOP, said, cause, Who.TESTER, mend, wrong_use=True)


# -- TLS ------------------------------------------------------------------------------------------


def _shake_hands(endpoint: Endpoint, plain: socket.socket) -> Item:
    try:
        with ssl.create_default_context(cafile=endpoint.ca).wrap_socket(
            plain, server_hostname=endpoint.host
        ) as secured:
            ends = secured.getpeercert() or {}
            said = f"{secured.version()}, certificate valid until {ends.get('notAfter', 'an unknown time')}"
            return good("PREFLIGHT-03", said)
    except ssl.SSLCertVerificationError as error:
        return _distrusted(endpoint, error)
    except (OSError, ValueError) as error:
        return _unsecured(endpoint, error)


def _distrusted(endpoint: Endpoint, error: ssl.SSLCertVerificationError) -> Item:
    certificate = _certificate(endpoint)
    code, who = error.verify_code, Who.OPERATOR
    if code in (_EXPIRED, _NOT_YET_VALID):
        word, when = (
            ("expired on", "not_valid_after_utc") if code == _EXPIRED else ("not valid before", "not_valid_before_utc")
        )
        said = (
            f"the certificate is {word} {getattr(certificate, when):%Y-%m-%d %H:%M} UTC"
            if certificate
            else error.verify_message
        )
        cause, mend = "it was not renewed, or this machine's clock is wrong", "renew the certificate"
    elif code in _WRONG_HOST:
        said = f"the certificate is not for {endpoint.host}, but for {_names(certificate)}"
        cause, mend = (
            "another server answers, or the URL has another name than the certificate",
            ("install a certificate for that name, or tell the name that the certificate has"),
        )
    elif code in _UNTRUSTED:
        said = f"the certificate is of an authority that is not known here: {_issuer(certificate)}"
        cause = "it is self-signed or of a private authority, or the server does not send the intermediate certificates"
        mend = (
            "send the whole chain of a public authority; for a private one, give its certificate "
            "with --operator-ca=FILE"
        )
        who = Who.EITHER
    else:
        said, cause, mend = f"the certificate is refused: {error.verify_message}", "", "install a valid certificate"
    return Item("PREFLIGHT-03", Outcome.STOP, one_line(said), cause, who, mend)


def _unsecured(endpoint: Endpoint, error: OSError | ValueError) -> Item:
    reason = getattr(error, "reason", None) or ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return Item(
            "PREFLIGHT-03",
            Outcome.STOP,
            f"port {endpoint.port} does not speak TLS",
            "it is the port for plain http",
            Who.TESTER,
            f"give http://{endpoint.authority}{endpoint.path}, or the port for https",
            wrong_use=True,
        )
    if reason in ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE"):
        cause, mend = "the server's TLS is too old, or its ciphers are", "switch TLS 1.2 or 1.3 on"
    elif "CERTIFICATE_REQUIRED" in reason:
        cause, mend = "it asks for a client certificate, and callbacks have none", "let callbacks in without one"
    elif "UNRECOGNIZED_NAME" in reason:
        cause, mend = "it serves other names at this address", f"serve {endpoint.host} there, or correct the URL"
    else:
        cause, mend = "the server, or a firewall before it, breaks the handshake off", "make TLS work on that port"
    said = f"TLS with {endpoint.authority} failed: {_words(error)}"
    return Item("PREFLIGHT-03", Outcome.STOP, said, cause, Who.OPERATOR, mend)


def _certificate(endpoint: Endpoint) -> x509.Certificate | None:
    """The certificate that was refused, fetched once more to be read, and trusted with nothing."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), timeout=CONNECT_S) as plain,
            context.wrap_socket(plain, server_hostname=endpoint.host) as secured,
        ):
            return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None


def _names(certificate: x509.Certificate | None) -> str:
    if certificate is None:
        return "another host"
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        assert isinstance(extension, x509.SubjectAlternativeName)  # noqa: S101 - its class by its OID
        names = [str(name.value) for name in extension]
    except (x509.ExtensionNotFound, ValueError):
        names = [str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return ", ".join(one_line(name) for name in names[:_NAMES_SHOWN]) or "no host at all"


def _issuer(certificate: x509.Certificate | None) -> str:
    return one_line(certificate.issuer.rfc4514_string()) if certificate else "it can't be read"


def _words(error: OSError | UnicodeError | ValueError) -> str:
    return one_line(str(getattr(error, "strerror", None) or error) or type(error).__name__)


def is_public(address: str) -> bool:
    """Whether an address is one that a host on the internet sees."""
    return bool(address) and ipaddress.ip_address(address.partition("%")[0]).is_global


def is_loopback(address: str) -> bool:
    """Whether an address never leaves this machine."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
