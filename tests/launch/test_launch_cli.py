"""``provider-contract serve`` and ``provider-contract rounds``, as processes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from casino.app import Casino
from casino.launcher import Launcher
from casino.local_server import serving as serving_app
from casino.wallet import Wallet

from pytest_provider_contract.launch.terms import GAMES
from pytest_provider_contract.signing import key_in

PROGRAM = Path(sys.executable).with_name("provider-contract")


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=False, timeout=60)


class Serving:
    """A running ``provider-contract serve``."""

    def __init__(self, folder: Path, *args: str) -> None:
        self._log = folder / "said.txt"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", "--port", "0", *args], cwd=folder, stdout=log, stderr=subprocess.STDOUT
            )
        while not (found := re.search(r"http://127\.0\.0\.1:\d+(?=: )", self._log.read_text())):
            assert self.process.poll() is None, self._log.read_text()
            time.sleep(0.05)
        self.url = found[0]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=60), self._log.read_text()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    with ExitStack() as stack:

        def started(*args: str) -> Serving:
            serving = Serving(tmp_path, *args)
            stack.callback(serving.stop)
            return serving

        yield started


def launch(url: str, **fields: Any) -> httpx.Response:
    body = {"operatorId": "op", "partnerId": "brand", "gameId": GAMES[0].id, "currency": "XXX", "platform": "MOBILE"}
    return httpx.post(url + "/game/url", json={**body, **fields})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_day_without_a_finding_ends_with_0(serve: Callable[..., Serving], number: int) -> None:
    serving = serve()
    assert launch(serving.url).status_code == 200
    status, said = serving.stop(number)
    assert status == 0, said
    assert "demo play only" in said
    assert "signing-key.pub.pem" in said


def test_findings_are_printed_and_end_it_with_1(serve: Callable[..., Serving]) -> None:
    serving = serve("--operator-unsigned", "--operator-id", "issued")
    assert launch(serving.url, depositUrl="undefined").status_code == 404
    status, said = serving.stop()
    assert status == 1
    assert "UNSIGNED" in said
    assert "LAUNCH-03 MUST" in said
    assert "LAUNCH-05 MUST" in said
    assert "likely    a missing value was turned into text" in said


def test_callers_who_are_not_on_the_list_are_refused(serve: Callable[..., Serving]) -> None:
    serving = serve("--allow", "203.0.113.0/24")
    assert "Request blocked" in httpx.post(serving.url + "/game/url", json={}).text
    assert serving.stop()[0] == 1


def test_games_of_ones_own(serve: Callable[..., Serving]) -> None:
    game = "2469f711-2da6-46b7-8648-3313dfdc5bb5"
    serving = serve("--game", f"{game}:Plinko")
    listed = httpx.post(serving.url + "/game/games", json={"operatorId": "op"}).json()
    assert listed == [{"id": game, "type": "Game", "name": "Plinko", "enabled": True}]


def test_stuck_rounds_are_listed_and_pushed(serve: Callable[..., Serving], tmp_path: Path) -> None:
    key = key_in(tmp_path / ".provider-contract")
    wallet = Wallet(key.public_pem)
    wallet.register("alice", "EUR", 100_000)
    wallet.start_session("s-1", "alice")
    casino = Casino(wallet, Launcher("", "op", "brand"))
    failing = [True]

    def front(environ: Any, start_response: Any) -> Any:
        if failing and environ["PATH_INFO"] == "/wallet/rollback":
            start_response("503 Service Unavailable", [])
            return [b""]
        return casino(environ, start_response)

    with serving_app(front) as url:
        serving = serve("--operator-url", url + "/wallet")
        ids = {"clientPlayerId": "alice", "clientSessionId": "s-1", "username": "alice", "currency": "EUR"}
        page = httpx.get(launch(serving.url, **ids).json()["url"]).text
        [key_of_page] = re.findall(r'"/play/([^"]+)"', page)
        played = httpx.post(f"{serving.url}/play/{key_of_page}", json={"play": "rollback", "stake": 500}, timeout=60)
        assert "open (/rollback: HTTP 503)" in played.json()["message"]

        listed = run("rounds", "--at", serving.url)
        assert listed.returncode == 1
        assert "rollback sent 3 times: /rollback: HTTP 503" in listed.stdout
        [bet] = wallet.pending()
        assert bet in listed.stdout
        stuck = json.loads(run("rounds", "--at", serving.url, "--json").stdout)["rounds"][0]
        assert (stuck["transactionId"], stuck["stage"]) == (bet, "open")

        failing.clear()
        pushed = run("rounds", "--at", serving.url, "--push", "all", "--pending", bet, "--pending", "lost-one")
        assert pushed.returncode == 1
        assert "no open round" in pushed.stdout
        assert "void        lost-one" in pushed.stdout
        assert f"void        {bet}" not in pushed.stdout
        assert run("rounds", "--at", serving.url, "--all").returncode == 0
        assert wallet.balance("alice") == 100_000
        status, said = serving.stop()
        assert status == 1
        assert {"LAUNCH-22", "LAUNCH-23", "REPLY-01"} == set(re.findall(r"^([A-Z]+-\d+) MUST", said, re.MULTILINE))
    wallet.close()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["serve", "--allow", "nowhere"], "--allow: 'nowhere' does not appear to be"),
        (["serve", "--operator-url", "ftp://x"], "--operator-url: give an absolute URL"),
        (["serve", "--operator-ca", "no-file"], "--operator-ca: the file can't be read: No such file"),
        (["serve", "--operator-key", "no-file"], "--operator-key: the key file no-file can't be read"),
        (["serve", "--operator-profile", "none"], "--operator-profile: profile 'none' can't be read"),
        (["serve", "--game", "x"], "--game=x: give the game's id and name"),
        (["serve", "--operator-unsigned", "--operator-key", "k"], "--operator-unsigned sends no signatures"),
        (["serve", "--host", "203.0.113.1"], "203.0.113.1 port 8155 can't be listened on"),
        (["rounds", "--at", "http://127.0.0.1:9"], "http://127.0.0.1:9/stand-in/rounds: Connection refused; is"),
        (["rounds", "--at", "nowhere"], "--at=nowhere: give the URL"),
    ],
)
def test_wrong_use_gets_one_sentence(args: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_push_that_is_impossible_says_why(serve: Callable[..., Serving]) -> None:
    serving = serve()
    for args, said in (
        (("--push", "x"), "name the operator's wallet"),
        (("--at", serving.url + "/x"), "there is no GET"),
    ):
        done = run("rounds", "--at", serving.url, *args)
        assert done.returncode == 1
        assert said in done.stderr


def test_a_launch_url_names_the_address_of_the_server(serve: Callable[..., Serving]) -> None:
    serving = serve()
    url = launch(serving.url).json()["url"]
    assert url.startswith(serving.url)
    assert list(parse_qs(urlsplit(url).query)) == ["otl"]
    assert "Demo" in httpx.get(url).text
