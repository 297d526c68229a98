"""The JSON Schemas, found in the wheel or in the source tree, compiled once."""

from __future__ import annotations

import json
import textwrap
from functools import cache
from pathlib import Path

import jsonschema

_PACKAGE = Path(__file__).parent


def schema_directory() -> Path:
    """Where the schemas lie: inside an installed wheel, or beside the package in a checkout."""
    installed = _PACKAGE / "schemas"
    return installed if installed.is_dir() else _PACKAGE.parent / "schemas"


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    """The compiled validator of ``schemas/<name>.schema.json``."""
    text = (schema_directory() / f"{name}.schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(
        json.loads(text), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def first_error(name: str, instance: object) -> str | None:
    """What is wrong with an instance, in one line, or None when it is valid.

    Args:
        name: The schema's file name without ``.schema.json``.
        instance: Parsed JSON.
    """
    error = next(iter(validator(name).iter_errors(instance)), None)
    if error is None:
        return None
    where = ".".join(str(part) for part in error.absolute_path)
    # A hostile instance can make the message arbitrarily long.
    message = textwrap.shorten(error.message, 200, placeholder="…")
    return f"{where}: {message}" if where else message
