"""The suite against faults of different kinds: each is red, by the right rule, with a short sequence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# Fault, the rule that must be named, and the most steps its sequence may have.
FAULTS = [
    ("rollback-deduped-on-transaction-id", "ROLLBACK-03", 3),
    ("win-replay-credits-again", "IDEM-02", 3),
    ("bet-of-whole-balance-refused", "BET-02", 1),
    ("negative-win-debits", "WIN-06", 2),
    ("wins-cut-at-32-bits", "AMOUNT-01", 2),
    ("amounts-as-doubles", "AMOUNT-03", 3),
    ("success-on-malformed", "REPLY-02", 1),
    ("second-bet-of-round-refused", "BET-07", 8),
    ("balance-of-first-player", "PLAYER-01", 4),
    ("accounts-found-by-session", "PLAYER-02", 2),
    ("bets-remembered-for-2-seconds", "IDEM-09", 4),
    ("win-in-open-round-refused", "WIN-07", 2),
]
CHAPTERS = "REPLY,BET,WIN,ROLLBACK,IDEM,PLAYER,AMOUNT"


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False, env=environment
    )


@pytest.mark.parametrize(("name", "rule", "most"), FAULTS, ids=[name for name, *_ in FAULTS])
def test_a_fault_is_found_by_its_rule(tmp_path: Path, name: str, rule: str, most: int) -> None:
    done = run(tmp_path, f"--operator-url=reference:{name}", "--operator-effort=quick", f"--operator-rules={CHAPTERS}")
    assert done.returncode == 1, done.stdout
    assert rule in set(re.findall(r"^([A-Z]+-\d\d) MUST  ", done.stdout, re.MULTILINE)), done.stdout
    recorded = json.loads((tmp_path / ".provider-contract" / "failures" / f"{rule}.json").read_text())
    assert len(recorded["steps"]) <= most


@pytest.mark.parametrize("name", ["stored-replies", "every-tenth-bet-declined", "rollback-of-unknown-refused"])
def test_a_conforming_wallet_is_not_accused(tmp_path: Path, name: str) -> None:
    done = run(tmp_path, f"--operator-url=reference:{name}", "--operator-effort=quick")
    assert done.returncode == 0, done.stdout
