"""The players that an operator knows. Kept apart from the wallet so that it is cheap to import."""

from __future__ import annotations

from dataclasses import dataclass

MAX_MONEY = 2**63 - 1
"""The largest amount and balance: what a signed 64 bit integer holds."""


@dataclass(frozen=True, slots=True)
class Account:
    """A player and the player's money.

    Attributes:
        player_id: The operator's id of the player.
        session_id: The player's session. The wallet does not ask for it: a win or a rollback
            may well arrive after the session has ended.
        currency: ISO 4217.
        balance: Minor units.
    """

    player_id: str
    session_id: str
    currency: str
    balance: int

    @classmethod
    def parse(cls, text: str) -> Account:
        """Reads ``ID:SESSION:CURRENCY:BALANCE``; only the id may itself hold colons.

        Raises:
            ValueError: The text has another form.
        """
        parts = text.rsplit(":", 3)
        if len(parts) != 4 or not all(parts):  # noqa: PLR2004 - as in the error below
            raise ValueError(f"{text!r} is not of the form ID:SESSION:CURRENCY:BALANCE")
        player_id, session_id, currency, balance = parts
        if not (balance.isascii() and balance.isdigit()) or int(balance) > MAX_MONEY:
            raise ValueError(f"{balance!r} is not a balance: a whole number from 0 to {MAX_MONEY}")
        return cls(player_id, session_id, currency, int(balance))

    def __str__(self) -> str:
        return f"{self.player_id}:{self.session_id}:{self.currency}:{self.balance}"
