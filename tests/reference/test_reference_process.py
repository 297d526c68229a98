"""The bundled operator as a process."""

from __future__ import annotations

import http.client
import os
import signal
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fake_provider import ALICE, BOB, Provider, a_bet

from pytest_provider_contract.reference.accounts import Account
from pytest_provider_contract.reference.process import running

COMMAND = [sys.executable, "-m", "pytest_provider_contract.reference"]


def test_kept_database(key: rsa.RSAPrivateKey, public_key: Path, tmp_path: Path) -> None:
    database = tmp_path / "wallet.sqlite"
    bet = a_bet(1_000)
    for _ in range(2):
        with (
            running(variant=None, public_key=public_key, players=[ALICE], rewards=[], database=database) as operator,
            closing(Provider(operator.url, key)) as provider,
        ):
            assert operator.database == database
            assert provider.call("bet", **bet)["balance"] == 99_000


def test_kill_and_restart(key: rsa.RSAPrivateKey, public_key: Path) -> None:
    with running(variant=None, public_key=public_key, players=[ALICE, BOB], rewards=[]) as operator:
        with closing(Provider(operator.url, key)) as provider:
            provider.call("bet", **a_bet(1_000))
            operator.kill()
            with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
                provider.balance()
        url = operator.url
        operator.restart()
        assert operator.url == url
        with closing(Provider(operator.url, key)) as provider:
            assert provider.balance() == 99_000
        folder = operator.database.parent
    assert not folder.exists()


def test_a_certificate_outlives_a_restart(key: rsa.RSAPrivateKey, public_key: Path) -> None:
    with running(variant="http-2", public_key=public_key, players=[ALICE]) as operator:
        for _ in range(2):
            with closing(Provider(operator.url, key, operator.certificate)) as provider:
                assert provider.balance() == 100_000
            operator.restart()
        assert operator.certificate
        assert stat.S_IMODE(operator.certificate.stat().st_mode) == 0o600


def test_software_that_is_not_installed(public_key: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['hypercorn'] = None", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        pytest.raises(ValueError, match="needs hypercorn: pip install hypercorn"),
        running(variant="http-2", public_key=public_key, players=[ALICE]),
    ):
        pass


def test_unsigned(key: rsa.RSAPrivateKey) -> None:
    with (
        running(variant=None, public_key=None, players=[ALICE], rewards=[]) as operator,
        closing(Provider(operator.url, key)) as provider,
    ):
        assert provider.post("balance", b"{}", {})[0] == 200
        assert provider.balance() == 100_000


def test_unknown_variant(public_key: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"has no variant 'nonsense'.*--list"),
        running(variant="nonsense", public_key=public_key, players=[ALICE], rewards=[]),
    ):
        pass


def test_no_key(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("nonsense")
    with (
        pytest.raises(ValueError, match="is not a public key in PEM form"),
        running(variant=None, public_key=tmp_path / "key.pem", players=[ALICE], rewards=[]),
    ):
        pass


def test_cheap_to_import() -> None:
    code = (
        "import sys, pytest_provider_contract.reference.process;"
        " print(*({'waitress', 'cryptography', 'sqlite3', 'asyncio'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize("stop", ["end of input", "SIGTERM", "SIGINT"])
def test_quiet_stop(stop: str, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [*COMMAND, "--unsigned", "--player=a:s:EUR:1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    with process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b"listening on http://127.0.0.1:")
        if stop == "end of input":
            process.stdin.close()
        else:
            process.send_signal(getattr(signal, stop))
        assert (process.wait(5), process.stdout.read(), process.stderr.read()) == (0, b"", b"")
    assert not list(tmp_path.iterdir())


def test_runs_in_the_background() -> None:
    """A job in the background has /dev/null for its input, which says nothing about its parent."""
    with subprocess.Popen(
        [*COMMAND, "--unsigned"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("listening on")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.terminate()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "give --public-key FILE, or --unsigned"),
        (["--unsigned", "--player=alice"], "is not of the form ID:SESSION:CURRENCY:BALANCE"),
        (["--unsigned", "--player=a:s:EUR:-1"], "is not a balance"),
        (["--unsigned", "--database=/nonexistent/x"], "unable to open database file"),
        (["--public-key=/nonexistent/x"], "No such file"),
        (["--unsigned", "--variant=http-2"], "give --certificate FILE"),
        (["--unsigned", "--variant=http-2", "--certificate=/nonexistent/x"], "No such file"),
        (["--unsigned", "--variant=http-2", f"--certificate={__file__}"], "holds no key and its certificate"),
    ],
)
def test_wrong_use(arguments: list[str], complaint: str) -> None:
    result = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=10
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert complaint in result.stderr


def test_account_text() -> None:
    assert Account.parse("a:b:session:EUR:5") == Account("a:b", "session", "EUR", 5)
    assert str(Account("a", "s", "EUR", 5)) == "a:s:EUR:5"
