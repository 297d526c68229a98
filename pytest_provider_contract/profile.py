"""A provider's dialect of the contract, read from TOML and validated when loaded."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pytest_provider_contract.schemas import first_error

DIRECTORY = Path(__file__).parent / "profiles"


class Kind(StrEnum):
    """The four callbacks of the contract."""

    BALANCE = "balance"
    BET = "bet"
    WIN = "win"
    ROLLBACK = "rollback"


class Status(StrEnum):
    """The outcomes of the contract, whatever a profile calls them on the wire."""

    SUCCESS = "SUCCESS"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE_ERROR"
    DUPLICATE = "DUPLICATE_TRANSACTION_ERROR"
    BONUS = "BONUS_ERROR"
    BET_LIMIT = "BET_LIMIT_REACHED_ERROR"
    UNKNOWN = "UNKNOWN_ERROR"


class ProfileError(ValueError):
    """A profile can't be found, read or trusted; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class CallbackProfile:
    """Path, deadline in seconds for the whole reply, and statuses of one callback."""

    path: str
    deadline_s: float
    statuses: frozenset[Status]


@dataclass(frozen=True, slots=True)
class Either:
    """The choices the contract leaves: each attribute says whether an answer conforms."""

    bet_replay: frozenset[Status] = frozenset({Status.SUCCESS, Status.DUPLICATE})
    early_win_credited: bool = True
    early_win_refused: bool = True
    unknown_rollback_succeeds: bool = True
    unknown_rollback_refused: bool = True
    zero_bet_accepted: bool = True
    zero_bet_declined: bool = True
    replay_reports_current: bool = True
    replay_reports_original: bool = True


@dataclass(frozen=True, slots=True)
class Retry:
    """How the provider retries: callbacks, first delay in seconds, factor of the backoff."""

    callbacks: frozenset[Kind]
    first_delay_s: float
    factor: float


@dataclass(frozen=True, slots=True)
class Profile:
    """A validated contract dialect.

    Attributes:
        name: The profile's name, for instance ``155io``.
        version: Its version, shown in every report.
        signature_header: Header that carries the signature.
        callbacks: What belongs to each of the four callbacks.
        fields: Contract field name to name on the wire.
        statuses: Contract status to status on the wire.
        retired_statuses: Wire status of an older edition to the contract status it counts as.
        retry: How the provider retries.
        either: The conforming answers where the contract leaves a choice.
    """

    name: str
    version: str
    signature_header: str
    callbacks: Mapping[Kind, CallbackProfile]
    fields: Mapping[str, str]
    statuses: Mapping[Status, str]
    retired_statuses: Mapping[str, Status]
    retry: Retry
    either: Either = field(default_factory=Either)

    def to_wire(self, fields: Mapping[str, object]) -> dict[str, object]:
        """Rename contract fields to their names on the wire; others stay as they are."""
        return {self.fields.get(name, name): value for name, value in fields.items()}

    def from_wire(self, fields: Mapping[str, object]) -> dict[str, object]:
        """Rename wire fields to their contract names; others stay, but for a name that would be taken for one."""
        back = {wire: name for name, wire in self.fields.items()}
        return {back.get(name, name): v for name, v in fields.items() if name in back or name not in self.fields}

    def status(self, wire: str) -> Status | None:
        """The contract status of a status on the wire, or None for an unknown spelling."""
        for status, spelling in self.statuses.items():
            if spelling == wire:
                return status
        return self.retired_statuses.get(wire)


def load_profile(name_or_file: str) -> Profile:
    """Load a bundled profile by name or one's own by path.

    Args:
        name_or_file: ``155io``, or the path of a TOML file (recognised by its ``.toml``).

    Raises:
        ProfileError: It does not exist, is no TOML, or does not fit the profile schema.
    """
    return _build(_merged(name_or_file, seen=()), name_or_file)


def _merged(name_or_file: str, seen: tuple[str, ...]) -> dict[str, Any]:
    if name_or_file in seen:
        raise ProfileError(f"profile {name_or_file!r} extends itself")
    path = Path(name_or_file) if name_or_file.endswith(".toml") else DIRECTORY / f"{name_or_file}.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        bundled = ", ".join(sorted(p.stem for p in DIRECTORY.glob("*.toml")))
        raise ProfileError(
            f"profile {name_or_file!r} can't be read ({error.strerror}); bundled profiles: {bundled}; "
            "a file of your own ends in .toml"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileError(f"profile {name_or_file!r} is not valid TOML: {error}") from None
    base = data.pop("extends", None)
    if base is None:
        return data
    if not isinstance(base, str):
        raise ProfileError(f"profile {name_or_file!r}: extends must name a profile")
    return _overlay(_merged(base, (*seen, name_or_file)), data)


def _overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in over.items():
        old = both.get(key)
        both[key] = _overlay(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _build(data: dict[str, Any], origin: str) -> Profile:
    if error := first_error("profile", data):
        raise ProfileError(f"profile {origin!r} does not fit: {error}")
    for table in ("fields", "statuses"):
        wire = list(data[table].values())
        if twice := sorted({w for w in wire if wire.count(w) > 1}):
            raise ProfileError(f"profile {origin!r}: {table} uses the wire name {twice[0]!r} twice")
    numbers = [call["deadline_s"] for call in data["callbacks"].values()]
    if not all(map(math.isfinite, [*numbers, data["retry"]["first_delay_s"], data["retry"]["factor"]])):
        raise ProfileError(f"profile {origin!r}: a number of seconds must be finite")
    paths = [call["path"] for call in data["callbacks"].values()]
    if len(set(paths)) < len(paths):
        raise ProfileError(f"profile {origin!r}: two callbacks have the same path")
    try:
        return Profile(
            name=data["name"],
            version=data["version"],
            signature_header=data["signature"]["header"],
            callbacks={
                Kind(kind): CallbackProfile(
                    call["path"], float(call["deadline_s"]), frozenset(map(Status, call["statuses"]))
                )
                for kind, call in data["callbacks"].items()
            },
            fields=data["fields"],
            statuses={Status(status): wire for status, wire in data["statuses"].items()},
            retired_statuses={wire: Status(status) for wire, status in data["retired_statuses"].items()},
            retry=Retry(
                frozenset(map(Kind, data["retry"]["callbacks"])),
                float(data["retry"]["first_delay_s"]),
                float(data["retry"]["factor"]),
            ),
            either=_either(data["either"]),
        )
    except ValueError as error:
        raise ProfileError(f"profile {origin!r}: {error}") from None


def _either(choices: dict[str, list[str]]) -> Either:
    return Either(
        bet_replay=frozenset(map(Status, choices["bet_replay"])),
        early_win_credited="credit" in choices["early_win"],
        early_win_refused="refuse" in choices["early_win"],
        unknown_rollback_succeeds="succeed" in choices["unknown_rollback"],
        unknown_rollback_refused="refuse" in choices["unknown_rollback"],
        zero_bet_accepted="accept" in choices["zero_bet"],
        zero_bet_declined="decline" in choices["zero_bet"],
        replay_reports_current="current" in choices["replay_balance"],
        replay_reports_original="original" in choices["replay_balance"],
    )
