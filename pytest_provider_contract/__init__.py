"""Play a game provider against an operator's wallet and judge every answer."""

__version__ = "0.2.0"
