"""The whole contract suite against the second, independent operator: FastAPI on PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from postgres_operator import running_postgres_operator

from pytest_provider_contract.signing import TEST_KEY, key_in

REWARD = "5e6fa5f3-6f1c-4a3e-9c39-0a3a3b6d2b11"


def test_the_suite_passes(tmp_path: Path) -> None:
    public = tmp_path / "public.pem"
    public.write_bytes(key_in(tmp_path).public_pem)
    accounts = ["alice:session-a:EUR:10000000000", "bob:session-b:EUR:10000000000"]
    with running_postgres_operator(public, accounts, [REWARD]) as url:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--operator-url={url}"]
        command += [f"--operator-key={tmp_path / TEST_KEY}", f"--operator-reward={REWARD}", "--operator-effort=quick"]
        command += [f"--operator-player={account.rpartition(':')[0]}" for account in accounts]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "accounts: nothing" in done.stdout, done.stdout
