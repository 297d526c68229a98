"""Create the wallet's tables, and give players money to play with.

    python seed.py --player alice:session-1:EUR:1000000 --reward 5d1cf1a1-0b1c-4b7e-8f39-7ed1a1f9a0f4

What is there already stays as it is: a player keeps the balance, a session or reward is only added.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

SCHEMA = Path(__file__).with_name("schema.sql")


@dataclass(frozen=True, slots=True)
class NewPlayer:
    player_id: str
    session_id: str
    currency: str
    balance: int

    @classmethod
    def parse(cls, text: str) -> "NewPlayer":
        try:
            player_id, session_id, currency, balance = text.rsplit(":", 3)
            return cls(player_id, session_id, currency, int(balance))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not ID:SESSION:CURRENCY:BALANCE") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--player",
        dest="players",
        action="append",
        default=[],
        type=NewPlayer.parse,
        metavar="ID:SESSION:CURRENCY:BALANCE",
        help="a player, their session and their money in minor units; repeatable, also for more sessions of one",
    )
    parser.add_argument(
        "--reward",
        dest="rewards",
        action="append",
        default=[],
        metavar="UUID",
        help="a free-bet reward that every player may use; repeatable",
    )


def seed(database_url: str, players: Sequence[NewPlayer], rewards: Sequence[str]) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(8000)")  # two at once would create the same tables
        connection.execute(SCHEMA.read_bytes())
        for player in players:
            connection.execute(
                "INSERT INTO players (player_id, currency, balance) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (player.player_id, player.currency, player.balance),
            )
            connection.execute(
                "INSERT INTO sessions (player_id, session_id) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (player.player_id, player.session_id),
            )
        for reward in rewards:
            connection.execute("INSERT INTO rewards (reward_id) VALUES (%s) ON CONFLICT DO NOTHING", (reward,))


def main() -> None:
    parser = argparse.ArgumentParser(description="Create the wallet's tables and seed them.")
    parser.add_argument("--database-url", default=os.environ.get("DATABASE_URL"), help="default: $DATABASE_URL")
    add_arguments(parser)
    arguments = parser.parse_args()
    if not arguments.database_url:
        parser.error("give --database-url or set DATABASE_URL")
    seed(arguments.database_url, arguments.players, arguments.rewards)


if __name__ == "__main__":
    main()
