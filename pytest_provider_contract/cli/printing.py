"""Text that a command prints though a stranger wrote it."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text on one line, without anything that could steer a terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
