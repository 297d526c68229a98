"""``provider-contract doctor``, started as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def doctor(tmp_path: Path) -> object:
    def run(*args: str, **environment: str) -> Done:
        command = [sys.executable, "-m", "pytest_provider_contract.cli", "doctor", *args]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run


def test_a_healthy_wallet_gets_ticks(doctor) -> None:
    done = doctor("reference")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.startswith("✓ ") for line in lines) == 15
    assert "- not looked at: TLS" in lines
    assert lines[-1].startswith("all well; 9 callbacks in ")


def test_ticks_for_a_terminal_without_them(doctor) -> None:
    done = doctor("reference", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert sum(line.startswith("+ ") for line in done.stdout.splitlines()) == 15


def test_a_notice_is_told_and_is_no_failure(doctor) -> None:
    done = doctor("reference:no-signature-check")
    assert done.returncode == 0
    assert "! forgery    SUCCESS for /balance, signed with another key" in done.stdout
    assert "PREFLIGHT-09 MUST" in done.stdout


def test_a_wallet_that_must_be_mended_first(doctor) -> None:
    done = doctor("reference:http-302-on-balance")
    assert done.returncode == 1
    assert "✗ balance    /balance HTTP 302" in done.stdout
    assert "mend      the operator: " in done.stdout
    assert "stopped by PREFLIGHT-12; 4 callbacks in " in done.stdout


def test_as_json(doctor) -> None:
    done = doctor("reference:http-302-on-balance", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["items"][-1]["rule"], told["items"][-1]["outcome"]) == ("PREFLIGHT-12", "stop")
    assert told["callbacks"] == 4


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["http://nowhere.invalid"], "does not resolve"),
        (["http://127.0.0.1:9"], "refused"),
        (["ftp://wallet.example"], "absolute URL"),
        (["reference:nothing"], "no variant 'nothing'"),
        ([], "Missing argument"),
        (["reference", "--rate=0"], "--rate"),
        (["reference", "--max-stake=x"], "--max-stake"),
        (["reference", "--player=:x"], "give ID"),
        (["reference", "--key=gone.pem"], "gone.pem"),
        (["https://127.0.0.1:9", "--ca=gone.pem"], "--operator-ca=gone.pem: the file can't be read"),
        (["reference", "--ca=gone.pem"], "give a URL with https"),
        (["reference", "--unsigned", "--key=k"], "leave --key out"),
        (["reference", "--profile=gone"], "gone"),
    ],
)
def test_wrong_use(doctor, args: list[str], words: str) -> None:
    done = doctor(*args)
    assert done.returncode == 4, done.stdout
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_options_of_the_suite_are_understood(doctor) -> None:
    done = doctor("reference", "--operator-player=p1:s1:SEK", "--operator-unsigned", "--operator-rate=100")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ currency   SEK" in done.stdout
    assert "not looked at: TLS, signature, forgery" in done.stdout
