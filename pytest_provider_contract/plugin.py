"""pytest's side: options, fixtures, and the switch that loads the rest.

Nothing but pytest is imported here, so that a session without ``--operator-url`` pays next
to nothing for the plugin being installed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_provider_contract.history import Player
    from pytest_provider_contract.launch.provider_api import ProviderApi
    from pytest_provider_contract.launch.terms import Terms
    from pytest_provider_contract.ledger import Ledger
    from pytest_provider_contract.operator import Operator
    from pytest_provider_contract.profile import Profile
    from pytest_provider_contract.session import Session
    from pytest_provider_contract.signing import SigningKey
    from pytest_provider_contract.suite_check import SuiteCheck

_SESSION = "provider-contract-session"

_OPTIONS: tuple[tuple[str, str, str], ...] = (
    ("url", "URL", "base URL of the four callbacks, or reference[:NAME] for the bundled operator"),
    ("profile", "NAME|FILE", "contract dialect: 155io (default), or a TOML file of your own"),
    ("key", "FILE|env:NAME", "PEM private key that signs; by default one is made in .provider-contract/"),
    ("ca", "FILE", "PEM certificates to trust over https instead of this machine's, for a private authority"),
    ("max-stake", "N", "largest stake in minor units"),
    ("rate", "N", "at most N callbacks a second"),
    ("rules", "RULES", "only these chapters or rules, e.g. ROLLBACK,SIG-03"),
    ("effort", "NAME", "quick (15 s), standard (60 s, the default) or certify (5 min)"),
    ("report", "DIR", "where report.html, report.json, junit.xml and failures are written"),
    ("replay", "FILE", "run one recorded failure again, with fresh ids and signatures"),
    ("certificate", "FILE", "write a signed certificate of a certify run that leaves nothing out and holds"),
    ("certify-key", "FILE|env:NAME", "PEM private key that signs the certificate; never the key of the callbacks"),
    ("certificate-days", "N", "how many days the certificate holds; default 180"),
    ("save", "FILE", "keep the ids of some of the run's transactions, for --operator-recheck"),
    ("recheck", "FILE", "replay saved transactions instead of the suite: after a deploy, a restart, a day"),
    ("seed", "N", "seed of everything that is drawn; printed in the header"),
)
_LISTS: tuple[tuple[str, str, str], ...] = (
    ("player", "ID[:SESSION[:CURRENCY]]", "a test player of the operator; repeatable, the second turns isolation on"),
    ("reward", "UUID", "a granted free-bet reward; turns on the checks that need one"),
    ("game", "UUID", "a game that bets name, for a wallet that takes none of others; a second one is its conflict"),
)
_SWITCHES: tuple[tuple[str, str], ...] = (
    ("strict", "SHOULD rules fail too"),
    ("unsigned", "send no signatures and skip the signature rules; never a full run"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ``--operator-…`` options and their ini values."""
    group = parser.getgroup("provider-contract", "provider contract")
    for name, metavar, help_ in _OPTIONS:
        group.addoption(f"--operator-{name}", metavar=metavar, default=None, help=help_)
        parser.addini(_ini(name), help_, default=None)
    for name, metavar, help_ in _LISTS:
        group.addoption(f"--operator-{name}", metavar=metavar, action="append", default=[], help=help_)
        parser.addini(_ini(name), help_, type="linelist", default=[])
    for name, help_ in _SWITCHES:
        group.addoption(f"--operator-{name}", action="store_true", default=False, help=help_)
        parser.addini(_ini(name), help_, type="bool", default=False)


def _ini(name: str) -> str:
    return "operator_" + name.replace("-", "_")


def pytest_configure(config: pytest.Config) -> None:
    """Load the contract when an operator is given."""
    config.addinivalue_line("markers", "provider_rule(id): the contract's rule that a test puts to the test")
    config.addinivalue_line("markers", "provider_contract: a test of the bundled contract suite")
    if config.getoption("operator_url") or config.getini("operator_url"):
        if config.option.help or config.getoption("version", 0):
            return
        from pytest_provider_contract.session import Session

        session = Session.start(config)
        config.pluginmanager.register(session, _SESSION)
        for name in ("collecting", "failing", "folding"):
            config.pluginmanager.register(getattr(session, name), f"{_SESSION}-{name}")
    else:
        given = [name for name, *_ in (*_OPTIONS, *_LISTS, *_SWITCHES) if config.getoption(_ini(name))]
        if given:
            raise pytest.UsageError(f"--operator-{given[0]} needs --operator-url=URL")


def _session(config: pytest.Config) -> Session:
    session = config.pluginmanager.get_plugin(_SESSION)
    if session is None:
        raise pytest.UsageError("this fixture needs an operator: give --operator-url=URL, or reference")
    return session  # type: ignore[no-any-return]


@pytest.fixture
def operator(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[Operator]:
    """A client that signs, sends and records callbacks to the operator under test."""
    with _session(pytestconfig).operator(request.node.name) as operator:
        yield operator


@pytest.fixture
def player(pytestconfig: pytest.Config) -> Player:
    """The first test player."""
    return _session(pytestconfig).player(0)


@pytest.fixture
def other_player(pytestconfig: pytest.Config) -> Player:
    """The second test player; the test is skipped where there is none."""
    return _session(pytestconfig).player(1)


@pytest.fixture(scope="session")
def contract(pytestconfig: pytest.Config) -> Profile:
    """The contract profile in use."""
    return _session(pytestconfig).settings.profile


@pytest.fixture(scope="session")
def signing_key(pytestconfig: pytest.Config) -> SigningKey:
    """The key that signs callbacks; its representation shows the fingerprint only."""
    return _session(pytestconfig).signing_key()


@pytest.fixture(scope="session")
def sign_callback(
    pytestconfig: pytest.Config,
) -> Callable[[Mapping[str, Any]], tuple[bytes, dict[str, str]]]:
    """A function: any mapping to the body bytes and the headers that go with them."""
    return _session(pytestconfig).sign_callback


@pytest.fixture
def ledger(operator: Operator) -> Ledger:
    """The oracle for the test players."""
    return operator.ledger()


@pytest.fixture
def contract_first_look(pytestconfig: pytest.Config) -> Callable[[], None]:
    """What the bundled suite's one test fails with when there is no wallet to play it at."""
    return _session(pytestconfig).first_look


@pytest.fixture
def contract_check(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[SuiteCheck]:
    """What the bundled suite's tests play scenarios with."""
    with _session(pytestconfig).check(request.node) as check:
        yield check


# -- the launch side: usable without an operator's URL too ------------------------------------------


@pytest.fixture
def provider_api_terms() -> Terms:
    """What the operator agreed with the provider; override it to change operatorId, games or addresses."""
    from pytest_provider_contract.launch.terms import Terms

    return Terms()


@pytest.fixture
def provider_api(pytestconfig: pytest.Config, provider_api_terms: Terms) -> Iterator[ProviderApi]:
    """A stand-in for the provider's own API; a test that breaks one of its MUST rules fails."""
    session = pytestconfig.pluginmanager.get_plugin(_SESSION)
    with (
        _local_stand_in(pytestconfig, provider_api_terms)
        if session is None
        else session.provider_api(provider_api_terms) as api
    ):
        yield api


def _local_stand_in(config: pytest.Config, terms: Terms) -> AbstractContextManager[ProviderApi]:
    """A stand-in of a session without an operator's URL: real play waits for `ProviderApi.use_wallet`."""
    from pytest_provider_contract.launch.provider_api import ProviderApi
    from pytest_provider_contract.launch.server import serving
    from pytest_provider_contract.profile import load_profile
    from pytest_provider_contract.settings import key_of

    key, _ = key_of(None, config.invocation_params.dir)
    return serving(ProviderApi(load_profile("155io"), key, terms))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail a test whose launches broke a rule, as part of the test itself."""
    if "provider_api" not in pyfuncitem.funcargs:
        return (yield)
    api: ProviderApi = pyfuncitem.funcargs["provider_api"]  # type: ignore[assignment]
    try:
        result = yield
    except Exception as error:
        api.explain(error)
        raise
    config = pyfuncitem.config
    api.check(strict=bool(config.getoption("operator_strict") or config.getini("operator_strict")))
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a launch's findings instead of a traceback."""
    report = yield
    if call.excinfo is not None and call.excinfo.typename == "LaunchViolation":
        report.longrepr = str(call.excinfo.value)
    return report
