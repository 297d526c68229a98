"""What the first look costs and says at every variant of the bundled operator.

    python benchmarks/first_look.py [NAME ...]

Exit status 1 when the plain operator takes more than twelve callbacks or two seconds, or a
conforming variant gets as much as a notice.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from pytest_provider_contract.history import Player
from pytest_provider_contract.preflight.checkup import Checkup
from pytest_provider_contract.preflight.examine import Target, examine
from pytest_provider_contract.profile import load_profile
from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.process import running
from pytest_provider_contract.reference.variants import variants
from pytest_provider_contract.signing import generate_key
from pytest_provider_contract.transport import Endpoint

CALLBACKS, SECONDS = 12, 2.0
PLAYERS = tuple(Player(f"player-{n}", f"session-{n}", "EUR") for n in range(1, 5))


def look(name: str | None) -> Checkup:
    """Start one variant, or the plain operator, and look at it."""
    key = generate_key()  # a new one each time: making the stranger's key is part of the cost
    accounts = [Account(p.player_id, p.session_id, "EUR", 10**10) for p in PLAYERS]
    with tempfile.TemporaryDirectory() as folder:
        public = Path(folder) / "provider.pub.pem"
        public.write_bytes(key.public_pem)
        with running(variant=name, public_key=public, players=accounts, rewards=[]) as operator:
            return examine(Target(Endpoint.parse(operator.url), load_profile("155io"), key, PLAYERS))


def main() -> int:
    """Look at the plain operator and at all variants, or at those named."""
    known, wrong, slowest = variants(), [], 0.0
    parser = argparse.ArgumentParser(description="The cost and the words of the first look at every variant.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="variants; all if none is named")
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in known]:
        parser.error(f"there is no variant {unknown[0]!r}")
    for name in [None, *(names or known)]:
        checkup = look(name)
        kind = known[name].kind if name else "plain"
        said = [f"{item.rule} {item.said}" for item in checkup.items if item.outcome != "good"]
        print(
            f"{kind:<11}{name or '':<46}{checkup.callbacks:>4}{checkup.elapsed_s:>7.2f} s  {'; '.join(said)}",
            flush=True,
        )
        costly = kind == "plain" and (checkup.callbacks > CALLBACKS or checkup.elapsed_s > SECONDS)
        if costly or (said and kind != "fault"):
            wrong.append(name or "plain")
        slowest = max(slowest, checkup.elapsed_s)
    print(f"slowest {slowest:.2f} s; wrong: {', '.join(wrong) or 'none'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
