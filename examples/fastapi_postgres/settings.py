"""What differs between installations, read from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    database_url: str
    provider_public_key: Path
    pool_size: int = 10
    max_stake: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        missing = [name for name in ("DATABASE_URL", "PROVIDER_PUBLIC_KEY") if not environment.get(name)]
        if missing:
            raise SystemExit(f"set {' and '.join(missing)} (see README.md)")
        max_stake = environment.get("MAX_STAKE")
        return cls(
            database_url=environment["DATABASE_URL"],
            provider_public_key=Path(environment["PROVIDER_PUBLIC_KEY"]),
            pool_size=int(environment.get("POOL_SIZE") or 10),
            max_stake=int(max_stake) if max_stake else None,
        )
