"""Wrong use: one clear sentence, exit status 4, no traceback."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

Refused = Callable[..., str]

REAL = "--operator-url=http://127.0.0.1:9/wallet"
SECURE = "--operator-url=https://127.0.0.1:9/wallet"
PLAYER = "--operator-player=p1:s1:EUR"
BUNDLED = "--operator-url=reference"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        pytest.param([REAL], ["no test player", "--operator-player=ID"], id="no-player"),
        pytest.param(["--operator-url=wallet.example", PLAYER], ["wallet.example", "https://"], id="no-scheme"),
        pytest.param(["--operator-url=localhost:8000", PLAYER], ["localhost:8000", "absolute URL"], id="host-port"),
        pytest.param(["--operator-url=ftp://wallet.example", PLAYER], ["absolute URL"], id="ftp"),
        pytest.param(["--operator-url=http://", PLAYER], ["absolute URL"], id="no-host"),
        pytest.param(["--operator-url=http://h:99999", PLAYER], ["http://h:99999"], id="port-too-large"),
        pytest.param(["--operator-url=http://h:x", PLAYER], ["http://h:x", "1 to 65535"], id="port-is-text"),
        pytest.param(["--operator-url=http://h:0", PLAYER], ["http://h:0", "1 to 65535"], id="port-0"),
        pytest.param(["--operator-url=http://[::1", PLAYER], ["http://[::1"], id="half-an-ipv6-address"),
        pytest.param(["--operator-url=http://u:p@h", PLAYER], ["password"], id="credentials"),
        pytest.param(["--operator-url=http://h/?a=1", PLAYER], ["query"], id="query"),
        pytest.param([BUNDLED, "--operator-profile=nobody"], ["'nobody'", "155io"], id="unknown-profile"),
        pytest.param([BUNDLED, "--operator-profile=x.toml"], ["x.toml", "No such file"], id="no-such-profile"),
        pytest.param(["--operator-url=reference:no-such-fault"], ["no-such-fault", "--list"], id="unknown-fault"),
        pytest.param([BUNDLED, "--operator-rules=ROLLBAK"], ["'ROLLBAK'", "ROLLBACK"], id="unknown-chapter"),
        pytest.param([BUNDLED, "--operator-rules=ROLLBACK-99"], ["'ROLLBACK-99'"], id="unknown-rule"),
        pytest.param([BUNDLED, "--operator-rules=,"], ["--operator-rules"], id="rules-of-nothing"),
        pytest.param([BUNDLED, "--operator-effort=much"], ["much", "quick, standard, certify"], id="effort"),
        pytest.param([BUNDLED, "--operator-replay=gone.json"], ["gone.json", "no such file"], id="no-replay"),
        pytest.param([BUNDLED, "--operator-key=gone.pem"], ["gone.pem", "can't be read"], id="no-key"),
        pytest.param([SECURE, PLAYER, "--operator-ca=gone.pem"], ["gone.pem", "No such file"], id="no-ca"),
        pytest.param([SECURE, PLAYER, "-o", "operator_ca=gone.pem"], ["--operator-ca=gone.pem"], id="no-ca-of-ini"),
        pytest.param([SECURE, PLAYER, "--operator-ca=/dev/null"], ["--operator-ca=/dev/null", "PEM"], id="empty-ca"),
        pytest.param([SECURE, PLAYER, "--operator-ca=/"], ["--operator-ca=/", "can't be read"], id="ca-is-a-folder"),
        pytest.param([REAL, PLAYER, "--operator-ca=/dev/null"], ["--operator-ca", "https"], id="ca-without-tls"),
        pytest.param([BUNDLED, "--operator-ca=/dev/null"], ["--operator-ca", "https"], id="ca-of-the-bundled"),
        pytest.param(["--operator-ca=x.pem"], ["--operator-ca needs --operator-url"], id="ca-alone"),
        pytest.param([BUNDLED, f"--operator-replay={'x' * 5000}"], ["no such file"], id="replay-too-long"),
        pytest.param([BUNDLED, "--operator-report=/dev/null/x"], ["--operator-report=/dev/null/x"], id="no-directory"),
        pytest.param([BUNDLED, f"--operator-report={'x' * 5000}"], ["give a directory"], id="directory-too-long"),
        pytest.param([BUNDLED, "--operator-key=env:GONE_KEY"], ["GONE_KEY", "not set"], id="no-key-in-environment"),
        pytest.param([BUNDLED, "--operator-unsigned", "--operator-key=k"], ["--operator-unsigned"], id="unsigned-key"),
        pytest.param([BUNDLED, PLAYER, "--operator-player=p1"], ["same player twice"], id="player-twice"),
        pytest.param([BUNDLED, "--operator-player=:s1"], ["give ID"], id="player-without-id"),
        pytest.param([BUNDLED, "--operator-player=p:s:eur"], ["three capitals"], id="currency-in-lower-case"),
        pytest.param([BUNDLED, "--operator-player=p:s:E1R"], ["three capitals"], id="currency-with-a-digit"),
        pytest.param([BUNDLED, "--operator-player=p:s:EURO"], ["three capitals"], id="currency-too-long"),
        pytest.param([BUNDLED, "--operator-max-stake=0"], ["--operator-max-stake=0", "above 0"], id="stake-0"),
        pytest.param([BUNDLED, "--operator-max-stake=1.5"], ["whole number above 0"], id="stake-fraction"),
        pytest.param([BUNDLED, "--operator-rate=-1"], ["--operator-rate=-1", "above 0"], id="rate-below-0"),
        pytest.param([BUNDLED, "--operator-rate=nan"], ["above 0"], id="rate-nan"),
        pytest.param([BUNDLED, "--operator-rate=inf"], ["above 0"], id="rate-infinite"),
        pytest.param([BUNDLED, "--operator-reward=free-spins"], ["free-spins", "UUID"], id="reward-that-is-no-uuid"),
        pytest.param([BUNDLED, "--operator-game=plinko"], ["plinko", "UUID", "game"], id="game-that-is-no-uuid"),
        pytest.param([BUNDLED, "--operator-certify-key=k"], ["needs --operator-certificate"], id="certify-key-alone"),
        pytest.param([BUNDLED, "--operator-certificate-days=3"], ["needs --operator-certificate"], id="days-alone"),
        pytest.param([BUNDLED, "--operator-seed=abc"], ["--operator-seed=abc", "whole number"], id="seed"),
        pytest.param(["--operator-strict"], ["--operator-strict needs --operator-url"], id="strict-alone"),
        pytest.param(["--operator-rules=SIG"], ["--operator-rules needs --operator-url"], id="rules-alone"),
        pytest.param([PLAYER], ["--operator-player needs --operator-url"], id="player-alone"),
        pytest.param(["--operator-max-stake=5"], ["--operator-max-stake needs"], id="stake-alone"),
    ],
)
def test_a_wrong_option(refused: Refused, args: list[str], words: list[str]) -> None:
    said = refused(*args)
    for word in words:
        assert word in said


def test_a_port_that_refuses(refused: Refused) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets it
        port = taken.getsockname()[1]
        said = refused(f"--operator-url=http://127.0.0.1:{port}", PLAYER)
    assert f"127.0.0.1 port {port} can't be reached" in said
    assert "refused" in said


def test_a_host_that_does_not_exist(refused: Refused) -> None:
    assert "can't be reached" in refused("--operator-url=http://nowhere.invalid", PLAYER)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("= 3", "not valid TOML", id="no-toml"),
        pytest.param("name = 'mine'\n", "does not fit", id="half-a-profile"),
        pytest.param("extends = '155io'\nname = 3\n", "does not fit", id="mistyped"),
        pytest.param("extends = '155io'\ntypo = 1\n", "does not fit", id="unknown-entry"),
        pytest.param("extends = 'mine.toml'\n", "extends itself", id="extends-itself"),
    ],
)
def test_a_bad_profile(pytester: pytest.Pytester, refused: Refused, text: str, words: str) -> None:
    (pytester.path / "mine.toml").write_text(text, encoding="utf-8")
    said = refused(BUNDLED, "--operator-profile=mine.toml")
    assert said.startswith("ERROR: --operator-profile: ")
    assert words in said


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("encrypted", "encrypted"), ("public", "public key"), ("elliptic", "no RSA key"), ("garbage", "no PEM")],
)
def test_a_bad_key(pytester: pytest.Pytester, refused: Refused, kind: str, words: str) -> None:
    rsa_key = rsa.generate_private_key(65537, 2048)
    elliptic = ec.generate_private_key(ec.SECP256R1())
    public = rsa_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pem = {
        "encrypted": _pem(rsa_key, b"secret"),
        "public": public,
        "elliptic": _pem(elliptic),
        "garbage": b"\xff\x00 secret-garbage",
    }[kind]
    (pytester.path / "key.pem").write_bytes(pem)
    said = refused(BUNDLED, "--operator-key=key.pem")
    assert words in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b"nonsense", b"\xff\xfe", b'{"rule": 1}', b'{"steps": 3, "bets": []}', b"[" * 5000,
     b'{"rule": "ROLLBACK-03", "via": [], "bets": [], "steps": [{"send": "bet", "bet": 7}]}'],
    ids=["empty", "list", "object", "text", "bytes", "rule", "steps", "deep", "dangling"],
)  # fmt: skip
def test_a_bad_replay(pytester: pytest.Pytester, refused: Refused, text: bytes) -> None:
    (pytester.path / "bad.json").write_bytes(text)
    assert refused(BUNDLED, "--operator-replay=bad.json").startswith("ERROR: --operator-replay: ")


def test_a_fixture_without_an_operator(
    contract_run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_it(operator): pass")
    result = contract_run(url=None)
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*give --operator-url=URL*"])
    assert "INTERNALERROR" not in result.stdout.str()


def test_help_needs_no_operator(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--help", "--operator-url=http://nowhere.invalid")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*--operator-url=URL*", "*--operator-replay=FILE*"])
