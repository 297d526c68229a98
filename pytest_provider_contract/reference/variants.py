"""The operator's variants by name: what is wrong, or what is different, in each.

A variant is a subclass of one of the operator's parts that overrides one step of it. Its
docstring is the sentence that describes it.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from pytest_provider_contract.reference.gateway import Gateway
from pytest_provider_contract.reference.messages import Reader
from pytest_provider_contract.reference.server import Server
from pytest_provider_contract.reference.signature import Verifier
from pytest_provider_contract.reference.wallet import Wallet

Part = Wallet | Reader | Verifier | Gateway | Server
_P = TypeVar("_P", bound=type[Part])
_C = TypeVar("_C", bound=Part)

_registry: dict[str, Variant] = {}


@dataclass(frozen=True, slots=True)
class Parts:
    """The classes that an operator is built of."""

    wallet: type[Wallet] = Wallet
    reader: type[Reader] = Reader
    verifier: type[Verifier] = Verifier
    gateway: type[Gateway] = Gateway
    server: type[Server] = Server


_BASES: dict[str, Any] = {part.name: part.default for part in fields(Parts)}


@dataclass(frozen=True, slots=True)
class Variant:
    """An operator that differs from the correct one in one respect.

    Attributes:
        name: In kebab-case.
        kind: Whether it breaks the contract or keeps to it in another way.
        sentence: What it does.
        rules: Ids of the rules that a fault breaks: the first is the one to report, the others suffer with it.
        part: The class that takes the place of its base.
    """

    name: str
    kind: Literal["fault", "conforming"]
    sentence: str
    rules: tuple[str, ...]
    part: type[Part] = field(repr=False)

    @property
    def after_restart(self) -> bool:
        """Whether a fault shows only when the operator was restarted, so to ``--operator-recheck``."""
        return bool(getattr(self.part, "after_restart", False))

    def parts(self) -> Parts:
        """What the operator is built of."""
        return Parts(**self.changes())

    def changes(self) -> dict[str, Any]:
        """The classes that take the place of others, by their field of `Parts`."""
        taken: list[type[Part]] = [self.part]
        if issubclass(self.part, Server) and self.part.gateway_class is not Gateway:
            taken.append(self.part.gateway_class)
        return {name: _forgetful(part) for part in taken for name, base in _BASES.items() if issubclass(part, base)}


def _forgetful(part: type[_C]) -> type[_C]:
    """The class with a memory of its own: what variants remember hangs on their classes."""
    remembered = {
        name: copy.copy(value)
        for base in reversed(part.__mro__)
        for name, value in vars(base).items()
        if isinstance(value, dict | list | set | itertools.count) and not name.startswith("__")
    }
    return type(part.__name__, (part,), remembered)


def fault(name: str, *rules: str) -> Callable[[_P], _P]:
    """Registers a class as a fault that breaks these rules, the most telling first."""
    if not rules:
        raise ValueError(f"the fault {name} breaks no rule")
    return _register(name, "fault", rules)


def conforming(name: str) -> Callable[[_P], _P]:
    """Registers a class as another way to keep to the contract."""
    return _register(name, "conforming", ())


def _register(name: str, kind: Literal["fault", "conforming"], rules: tuple[str, ...]) -> Callable[[_P], _P]:
    def register(part: _P) -> _P:
        if name in _registry:
            raise ValueError(f"there are two variants {name}")
        _registry[name] = Variant(name, kind, " ".join((inspect.getdoc(part) or "").split()), rules, part)
        return part

    return register


def variants() -> Mapping[str, Variant]:
    """All variants by name: the faults theme by theme, then the conforming ones."""
    from pytest_provider_contract.reference import conforming, faults  # noqa: F401, PLC0415

    return _registry


def variant(name: str) -> Variant:
    """The variant of that name.

    Raises:
        ValueError: There is none.
    """
    known = variants()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"The bundled operator has no variant {name!r}.{hint}"
        " 'python -m pytest_provider_contract.reference --list' lists them all."
    )


def parts(names: str) -> Parts:
    """What an operator is built of that is one variant, or several at once.

    Args:
        names: One name, or several joined by ``+``.

    Raises:
        ValueError: There is no such variant, or two of them change the same part.
    """
    changes: dict[str, Any] = {}
    for name in names.split("+"):
        more = variant(name).changes()
        if twice := changes.keys() & more.keys():
            raise ValueError(f"The variants {names} can't be joined: two of them change the {min(twice)}.")
        changes |= more
    return Parts(**changes)
