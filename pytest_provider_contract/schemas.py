"""The JSON Schemas, found in the wheel or in the source tree, compiled once."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema_rs

_DRAFT = jsonschema.Draft202012Validator
# Schemas that every callback is checked against, flat objects all of them.
_HOT = frozenset({"balance.request", "bet.request", "win.request", "rollback.request", "reply"})
_PACKAGE = Path(__file__).parent


def schema_directory() -> Path:
    """Where the schemas lie: inside an installed wheel, or beside the package in a checkout."""
    installed = _PACKAGE / "schemas"
    return installed if installed.is_dir() else _PACKAGE.parent / "schemas"


def _is_integer(checker: object, instance: object) -> bool:  # noqa: ARG001 - jsonschema calls it so
    # JSON Schema takes 1.0 for an integer. Here it is none: whoever writes so counts in doubles.
    return isinstance(instance, int) and not isinstance(instance, bool)


def _pattern(
    validator: object,  # noqa: ARG001 - jsonschema calls it so
    pattern: str,
    instance: object,
    schema: Mapping[str, Any],  # noqa: ARG001 - as above
) -> Iterator[jsonschema.ValidationError]:
    # In Python, unlike in JSON Schema, $ matches before a newline at the end too.
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    _DRAFT, {"pattern": _pattern}, type_checker=_DRAFT.TYPE_CHECKER.redefine("integer", _is_integer)
)


@cache
def validator(name: str) -> Any:
    """The compiled validator of ``schemas/<name>.schema.json``."""
    text = (schema_directory() / f"{name}.schema.json").read_text(encoding="utf-8")
    return _Validator(json.loads(text), format_checker=_DRAFT.FORMAT_CHECKER)


@cache
def _quick(name: str) -> Any:
    return jsonschema_rs.Draft202012Validator(validator(name).schema, validate_formats=True)


def _is_surely_valid(name: str, instance: object) -> bool:
    """Whether the fast validator finds an object without floats valid, as nearly all are.

    It takes 1.0 for an integer, so whatever holds a float is left to the thorough one, which
    can also say what is wrong.
    """
    if not isinstance(instance, dict) or any(isinstance(value, float) for value in instance.values()):
        return False
    try:
        return bool(_quick(name).is_valid(instance))
    except (ValueError, OverflowError, RecursionError):
        return False


def first_error(name: str, instance: object) -> str | None:
    """What is wrong with an instance, in one line, or None when it is valid.

    Args:
        name: The schema's file name without ``.schema.json``.
        instance: Parsed JSON.
    """
    if name in _HOT and _is_surely_valid(name, instance):
        return None
    try:
        error = next(iter(validator(name).iter_errors(instance)), None)
    except RecursionError:
        return "nested too deeply"
    if error is None:
        return None
    where = ".".join(str(part) for part in error.absolute_path)
    # A hostile instance can make the message arbitrarily long.
    message = textwrap.shorten(error.message, 200, placeholder="…")
    return f"{where}: {message}" if where else message
