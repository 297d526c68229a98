"""One validated object out of options and ini values."""

from __future__ import annotations

import math
import os
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_provider_contract.dsse import CertificationKey, load_certification_key
from pytest_provider_contract.history import Player
from pytest_provider_contract.profile import Profile, ProfileError, load_profile
from pytest_provider_contract.redaction import typed
from pytest_provider_contract.rules import Need, select
from pytest_provider_contract.signing import TEST_KEY, SigningKey, SigningKeyError, key_in, load_key
from pytest_provider_contract.transport import Endpoint, ca_file

STATE_DIRECTORY = ".provider-contract"
CERTIFICATE_DAYS = 180
_MOST_DAYS = 3660


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a run may take.

    Attributes:
        name: The effort's name.
        total_s: Seconds from the start until which it generates, starting up included. What
            comes after, such as the closing table, takes a second or two.
        directed_s: Seconds that the scenarios of the suite's tests may take, without those that are drawn.
        storm_s: Seconds for which callbacks at the same time are repeated, for each rule of them.
    """

    name: str
    total_s: float
    directed_s: float
    storm_s: float


EFFORTS = {
    effort.name: effort
    for effort in (Effort("quick", 13, 13, 0.2), Effort("standard", 57, 40, 1.5), Effort("certify", 295, 200, 8))
}


@dataclass(frozen=True, slots=True)
class Certification:
    """What ``--operator-certificate`` asks for.

    Attributes:
        path: Where the certificate is to be written.
        key: Signs it; None when no key was given.
        days: How long it is to hold.
    """

    path: Path
    key: CertificationKey | None
    days: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run was asked for; the defaults are those of the options.

    Attributes:
        target: ``--operator-url`` as it was given.
        endpoint: Where the callbacks go; None until the bundled operator is started.
        profile: The contract dialect.
        key: Signs the callbacks; None with ``--operator-unsigned``.
        key_source: Where the key was found, for the header.
        players: The test players; empty for the bundled operator, which brings its own.
        rewards: Granted free-bet rewards.
        games: Games that the wallet knows; without any, every scenario's game is new.
        max_stake: Largest stake in minor units, or None.
        rate: At most so many callbacks a second, or None.
        rules: Ids of the rules to test, or None for all.
        effort: How much is generated.
        strict: Whether SHOULD rules fail too.
        unsigned: Whether signatures are left out.
        directory: Where failures are written, and reports if any.
        report: Whether reports were asked for.
        replay: A recorded failure to run instead of the suite, or None.
        save: Where the run's transactions are written, or None.
        recheck: Saved transactions to replay instead of running the suite, or None.
        seed: Seed of everything that is drawn.
        certification: What certificate is asked for, or None.
    """

    target: str
    endpoint: Endpoint | None
    profile: Profile
    key: SigningKey | None = None
    key_source: str = ""
    players: tuple[Player, ...] = ()
    rewards: tuple[str, ...] = ()
    games: tuple[str, ...] = ()
    max_stake: int | None = None
    rate: float | None = None
    rules: frozenset[str] | None = None
    effort: Effort = EFFORTS["standard"]
    strict: bool = False
    unsigned: bool = False
    directory: Path = Path(STATE_DIRECTORY)
    report: bool = False
    replay: Path | None = None
    save: Path | None = None
    recheck: Path | None = None
    seed: int = 0
    certification: Certification | None = None

    @property
    def bundled(self) -> bool:
        """Whether the bundled operator is the target."""
        return self.target.partition(":")[0] == "reference"

    def lacks(self, need: Need | None) -> str | None:
        """Why the options switch off what needs something, or None when it is given."""
        if need == "second player" and len(self.players) < 2:  # noqa: PLR2004 - the second one
            return "no second player: give a second --operator-player"
        if need == "reward" and not self.rewards:
            return "no granted reward: give --operator-reward"
        if need == "signature" and self.unsigned:
            return "signatures are switched off by --operator-unsigned"
        return None


def option(config: pytest.Config, name: str) -> Any:
    """An option's value, or the ini value of the same name with underscores."""
    value = config.getoption(name)
    return value if value not in (None, [], False) else config.getini(name) or value


def read_settings(config: pytest.Config) -> Settings:
    """Validate options and ini values.

    Raises:
        pytest.UsageError: One sentence that names the option and the mend.
    """
    target = str(option(config, "operator_url"))
    bundled = target.partition(":")[0] == "reference"
    profile = profile_of(option(config, "operator_profile") or "155io")
    unsigned = bool(option(config, "operator_unsigned"))
    if unsigned and config.getoption("operator_key"):
        raise pytest.UsageError("--operator-unsigned sends no signatures: leave --operator-key out, or the other")
    key, source = (
        (None, "none: signatures are switched off")
        if unsigned
        else key_of(option(config, "operator_key"), Path(config.invocation_params.dir))
    )
    players = tuple(player_of(text) for text in option(config, "operator_player") or ())
    if not players and not bundled:
        raise pytest.UsageError(
            "no test player: give one that the operator knows with --operator-player=ID[:SESSION[:CURRENCY]]"
        )
    if len({p.player_id for p in players}) < len(players):
        raise pytest.UsageError("--operator-player names the same player twice: each must be another account")
    report = _report(config)
    return Settings(
        target=target,
        endpoint=_endpoint(config, target, bundled=bundled),
        profile=profile,
        key=key,
        key_source=source,
        players=players,
        rewards=_uuids(config, "operator_reward", "a granted reward"),
        games=_uuids(config, "operator_game", "a game that the wallet knows"),
        max_stake=_positive(config, "operator_max_stake", int),
        rate=_positive(config, "operator_rate", float),
        rules=_rules(option(config, "operator_rules")),
        effort=_effort(option(config, "operator_effort") or "standard"),
        strict=bool(option(config, "operator_strict")),
        unsigned=unsigned,
        directory=report or Path(config.invocation_params.dir) / STATE_DIRECTORY,
        report=report is not None,
        replay=_existing(config, "operator_replay"),
        save=_writable(config, bundled=bundled),
        recheck=_existing(config, "operator_recheck"),
        seed=_seed(config),
        certification=_certification(config),
    )


def profile_of(name: str) -> Profile:
    """A bundled profile by name, or one's own by path.

    Raises:
        pytest.UsageError: See `load_profile`.
    """
    try:
        return load_profile(name)
    except ProfileError as error:
        raise pytest.UsageError(f"--operator-profile: {error}") from None


def key_of(where: str | None, directory: Path) -> tuple[SigningKey, str]:
    """The key that signs, and where it is from.

    Args:
        where: A file, ``env:NAME``, or None or empty for the test key, which is made if missing.
        directory: Where the run was started: files are found from there, the test key below it.

    Raises:
        pytest.UsageError: It can't be used.
    """
    try:
        if not where:
            where_from = f"{STATE_DIRECTORY}/{TEST_KEY} (made here; hand its .pub.pem to the operator)"
            return key_in(directory / STATE_DIRECTORY), where_from
        return load_key(_from(directory, where)), where
    except SigningKeyError as error:
        raise pytest.UsageError(f"--operator-key: {error}") from None


def certificate_path(config: pytest.Config) -> Path | None:
    """Where a certificate is asked for, or None."""
    path = option(config, "operator_certificate")
    return Path(config.invocation_params.dir) / path if path else None


def _certification(config: pytest.Config) -> Certification | None:
    path = certificate_path(config)
    if path is None:
        for name in ("certify-key", "certificate-days"):
            if config.getoption(f"operator_{name.replace('-', '_')}"):
                raise pytest.UsageError(f"--operator-{name} needs --operator-certificate=FILE")
        return None
    where = option(config, "operator_certify_key")
    days = _positive(config, "operator_certificate_days", int) or CERTIFICATE_DAYS
    if days > _MOST_DAYS:
        raise pytest.UsageError(f"--operator-certificate-days={days}: give at most {_MOST_DAYS}")
    here = Path(config.invocation_params.dir)
    try:
        key = load_certification_key(_from(here, where)) if where else None
    except SigningKeyError as error:
        raise pytest.UsageError(f"--operator-certify-key: {error}") from None
    return Certification(path, key, days)


def _from(directory: Path, where: str) -> str:
    return where if where.startswith("env:") else str(directory / where)


def player_of(text: str) -> Player:
    """A test player as ``ID[:SESSION[:CURRENCY]]``.

    Raises:
        pytest.UsageError: It has another form.
    """
    player_id, _, rest = text.partition(":")
    session_id, _, currency = rest.partition(":")
    if not player_id:
        raise pytest.UsageError(f"--operator-player={player_id}…: give ID, ID:SESSION or ID:SESSION:CURRENCY")
    if currency and not re.fullmatch("[A-Z]{3}", currency):
        raise pytest.UsageError(
            f"--operator-player={player_id}:…: the currency is a code of three capitals such as EUR"
        )
    return Player(player_id, session_id or f"session-{player_id}", currency or None)


def uuid_of(text: str, name: str, what: str) -> str:
    """A UUID that an option gives.

    Raises:
        pytest.UsageError: It is none.
    """
    if not re.fullmatch("[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", text):
        raise pytest.UsageError(f"--{name}={text}: give the UUID of {what}")
    return text


def _uuids(config: pytest.Config, name: str, what: str) -> tuple[str, ...]:
    return tuple(uuid_of(text, name.replace("_", "-"), what) for text in option(config, name) or ())


def endpoint_of(url: str) -> Endpoint:
    """Where a base URL leads.

    Raises:
        pytest.UsageError: It is no base URL.
    """
    try:
        return Endpoint.parse(url)
    except ValueError as error:
        hint = "" if "://" in url else ", or reference for the bundled operator"
        raise pytest.UsageError(f"--operator-url={typed(url)}: {error}{hint}") from None


def trusting(endpoint: Endpoint | None, where: str, directory: Path) -> Endpoint:
    """The endpoint that trusts the certificates of a file.

    Args:
        endpoint: Where the callbacks go; None for the bundled operator.
        where: The file, in PEM form.
        directory: Where the run was started: files are found from there.

    Raises:
        pytest.UsageError: The file can't be used, or certificates are of no use to the endpoint.
    """
    if endpoint is None or endpoint.scheme != "https":
        raise pytest.UsageError("--operator-ca says what https trusts: give a URL with https, or leave it out")
    try:
        return replace(endpoint, ca=ca_file(directory / where))
    except ValueError as error:
        raise pytest.UsageError(f"--operator-ca={where}: {error}") from None


def _endpoint(config: pytest.Config, target: str, *, bundled: bool) -> Endpoint | None:
    endpoint = None if bundled else endpoint_of(target)
    is_secure = endpoint is not None and endpoint.scheme == "https"
    # What an ini file says for the real wallet must not keep anybody from trying another.
    ca = option(config, "operator_ca") if is_secure else config.getoption("operator_ca")
    return trusting(endpoint, ca, Path(config.invocation_params.dir)) if ca else endpoint


def _positive(config: pytest.Config, name: str, kind: type[Any]) -> Any:
    text = option(config, name)
    if text in (None, ""):
        return None
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not 0 < value < math.inf:
        number = "a whole number" if kind is int else "a number"
        raise pytest.UsageError(f"--{name.replace('_', '-')}={text}: give {number} above 0")
    return value


def _rules(text: str | None) -> frozenset[str] | None:
    if not text:
        return None
    try:
        return select(text.split(","))
    except ValueError as error:
        raise pytest.UsageError(f"--operator-rules: {error}") from None


def _effort(name: str) -> Effort:
    if name not in EFFORTS:
        raise pytest.UsageError(f"--operator-effort={name}: give one of {', '.join(EFFORTS)}")
    return EFFORTS[name]


def _existing(config: pytest.Config, name: str) -> Path | None:
    given = option(config, name)
    if not given:
        return None
    path = Path(config.invocation_params.dir, str(given))
    if not os.path.isfile(path):  # noqa: PTH113 - Path's own raises where a name is too long
        raise pytest.UsageError(f"--{name.replace('_', '-')}={given}: there is no such file")
    return path


def _writable(config: pytest.Config, *, bundled: bool) -> Path | None:
    save, recheck = option(config, "operator_save"), option(config, "operator_recheck")
    if bundled and (save or recheck):
        given = "save" if save else "recheck"
        raise pytest.UsageError(
            f"--operator-{given}: the bundled operator forgets everything when the run ends; start it yourself with "
            "'python -m pytest_provider_contract.reference --database FILE' and give its URL"
        )
    if recheck and (save or option(config, "operator_replay")):
        other = "save" if save else "replay"
        raise pytest.UsageError(f"--operator-recheck plays nothing new: leave --operator-{other} out")
    if not save:
        return None
    path = Path(config.invocation_params.dir, str(save))
    if os.path.isdir(path) or not os.access(path.parent, os.W_OK):  # noqa: PTH112 - as above
        raise pytest.UsageError(f"--operator-save={save}: no file can be written there")
    return path


def _report(config: pytest.Config) -> Path | None:
    """The directory of the reports, made at once: a run must not find out at its end that it can't be."""
    name = option(config, "operator_report")
    if not name:
        return None
    directory = Path(config.invocation_params.dir, str(name))
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise pytest.UsageError(f"--operator-report={name}: this is a file; give a directory") from None
    except OSError as error:
        raise pytest.UsageError(f"--operator-report={name}: {error.strerror}; give a directory to write to") from None
    if not os.access(directory, os.W_OK):
        raise pytest.UsageError(f"--operator-report={name}: give a directory to write to")
    return directory


def _seed(config: pytest.Config) -> int:
    text = option(config, "operator_seed") or config.getoption("hypothesis_seed", None)
    if text in (None, "", "random"):
        return random.SystemRandom().randrange(1 << 32)
    try:
        return int(str(text))
    except ValueError:
        raise pytest.UsageError(f"--operator-seed={text}: give a whole number") from None
