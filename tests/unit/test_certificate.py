"""Certificates of finished runs: what they say, when they hold, and what earns none."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from pytest_provider_contract import __version__
from pytest_provider_contract.certificate import (
    Certificate,
    CertificateError,
    Evidence,
    Term,
    issue,
    profile_sha256,
    read_certificate,
    remove_stale,
    shortfalls,
)
from pytest_provider_contract.cli import main
from pytest_provider_contract.dsse import CertificationKey, PublicKey, seal, unseal
from pytest_provider_contract.history import Player
from pytest_provider_contract.profile import load_profile
from pytest_provider_contract.reporting import Report, build_report, write_json
from pytest_provider_contract.results import Results
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.settings import EFFORTS, Settings
from pytest_provider_contract.signing import fingerprint_of, generate_key
from pytest_provider_contract.summary import judge_rules
from pytest_provider_contract.transcript import Transcript
from pytest_provider_contract.transport import Endpoint

BEGUN = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
ISSUED = BEGUN + timedelta(minutes=5)
DAYS = 90
PROFILE = load_profile("155io")
SUITE = [rule.id for rule in RULES.values() if rule.part == "suite"]


def finished(change: Callable[[Results], None] = lambda _results: None) -> Report:
    """The report of a run in which every rule was exercised three times and held."""
    settings = Settings(
        target="https://wallet.example/provider",
        endpoint=Endpoint.parse("https://wallet.example/provider"),
        profile=PROFILE,
        key=CALLBACK_KEY,
        key_source="a test",
        players=(Player("alice", "session-a", "EUR"), Player("bob", "session-b", "EUR")),
        rewards=("5e6fa5f3-6f1c-4a3e-9c39-0a3a3b6d2b11",),
        effort=EFFORTS["certify"],
        directory=Path(),
        report=True,
        seed=42,
    )
    results = Results(exercised=Counter(dict.fromkeys(SUITE, 3)), ran=set(SUITE), sequences=1234)
    change(results)
    verdict = judge_rules(results, settings, SUITE)
    return build_report(results, verdict, settings, started_at=BEGUN, duration_s=290.5)


CALLBACK_KEY = generate_key()
PRIVATE = ed25519.Ed25519PrivateKey.generate()
KEY = CertificationKey(PRIVATE)
PUBLIC = PRIVATE.public_key()


@dataclass(frozen=True)
class Issued:
    folder: Path
    evidence: Evidence
    data: bytes

    def statement(self, public: PublicKey = PUBLIC) -> dict[str, Any]:
        return json.loads(unseal(self.data, public))  # type: ignore[no-any-return]

    def read(self, now: datetime = ISSUED) -> Certificate:
        return read_certificate(self.data, PUBLIC, now)


def made(folder: Path, report: Report, key: CertificationKey = KEY, issued: datetime = ISSUED) -> Issued:
    transcript = Transcript(folder / "c.transcript.jsonl.gz", PROFILE, {"target": "x"}, 0.0)
    evidence = Evidence(write_json(report, folder), transcript.path, transcript.close())
    term = Term(issued, issued + timedelta(days=DAYS))
    return Issued(folder, evidence, issue(report, PROFILE, evidence, key, term))


@pytest.fixture
def good(tmp_path: Path) -> Issued:
    return made(tmp_path, finished())


# -- what it says --------------------------------------------------------------------------------------


def test_it_is_an_in_toto_statement_with_the_test_result_predicate(good: Issued) -> None:
    statement = good.statement()
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert [subject["name"] for subject in statement["subject"]] == ["report.json", "c.transcript.jsonl.gz"]
    predicate = statement["predicate"]
    assert predicate["result"] == "PASSED"
    assert predicate["failedTests"] == predicate["warnedTests"] == []
    assert predicate["passedTests"] == SUITE
    assert predicate["configuration"] == [
        {"name": f"profile 155io {PROFILE.version}", "digest": {"sha256": profile_sha256(PROFILE)}}
    ]


def test_it_says_what_was_run(good: Issued) -> None:
    contents = good.statement()["predicate"]["providerContract"]
    assert contents["suite"] == __version__
    assert contents["target"] == {"url": "https://wallet.example/provider", "given": "https://wallet.example/provider"}
    assert contents["seed"] == 42
    assert contents["effort"] == "certify"
    assert contents["sequences"] == 1234
    assert contents["keys"] == {"callbacks": CALLBACK_KEY.fingerprint, "certification": KEY.fingerprint}
    assert contents["times"] == {
        "started": "2026-11-24T10:00:00Z",
        "ended": "2026-11-24T10:04:50Z",
        "issued": "2026-11-24T10:05:00Z",
        "expires": "2027-02-22T10:05:00Z",
    }
    assert {rule["id"]: rule["exercised"] for rule in contents["rules"]} == dict.fromkeys(SUITE, 3)


def test_a_should_rule_that_is_not_followed_is_a_warning(tmp_path: Path) -> None:
    def advise(results: Results) -> None:
        results.advisories["REPLY-09"] = {"count": 7, "evidence": "1 bet"}

    issued = made(tmp_path, finished(advise))
    predicate = issued.statement()["predicate"]
    assert predicate["result"] == "WARNED"
    assert predicate["warnedTests"] == ["REPLY-09"]
    assert issued.read().warned == ("REPLY-09",)


def test_an_rsa_key_signs_too(tmp_path: Path) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    issued = made(tmp_path, finished(), CertificationKey(private))
    assert read_certificate(issued.data, private.public_key(), ISSUED).contents["seed"] == 42


def test_a_dialect_of_ones_own_under_a_known_name_has_another_digest() -> None:
    lax = replace(PROFILE, either=replace(PROFILE.either, early_win_refused=False))
    assert (lax.name, lax.version) == (PROFILE.name, PROFILE.version)
    assert profile_sha256(lax) != profile_sha256(PROFILE)
    assert profile_sha256(load_profile("155io")) == profile_sha256(PROFILE)


# -- what earns none -----------------------------------------------------------------------------------


def test_the_wallet_may_choose_one_of_two_ways(tmp_path: Path) -> None:
    report = finished(lambda results: results.exercised.pop("ROLLBACK-06"))
    assert shortfalls(report) == []
    contents = made(tmp_path, report).read().contents
    (other,) = (rule for rule in contents["rules"] if rule["id"] == "ROLLBACK-06")
    assert other["state"] == "not tested"
    assert "the other conforming way" in other["reason"]


def test_neither_of_two_ways_is_a_gap() -> None:
    def neither(results: Results) -> None:
        del results.exercised["ROLLBACK-05"], results.exercised["ROLLBACK-06"]

    assert shortfalls(finished(neither)) == [
        "ROLLBACK-05, ROLLBACK-06 were not tested: nothing that was sent put it to the test."
    ]


@pytest.mark.parametrize(
    "id_", [id_ for id_ in SUITE if RULES[id_].level == "MUST" and not id_.startswith("ROLLBACK-0")]
)
def test_each_must_rule_is_needed(tmp_path: Path, id_: str) -> None:
    report = finished(lambda results: results.exercised.pop(id_))
    assert [reason.split(" ")[0] for reason in shortfalls(report)] == [id_]
    with pytest.raises(CertificateError, match=f"{id_} was not tested"):
        made(tmp_path, report)


def test_should_rules_are_not_needed(tmp_path: Path) -> None:
    should = [id_ for id_ in SUITE if RULES[id_].level == "SHOULD"]

    def none(results: Results) -> None:
        for id_ in should:
            del results.exercised[id_]

    passed = made(tmp_path, finished(none)).statement()["predicate"]["passedTests"]
    assert not set(should) & set(passed)


def test_a_problem_of_the_run_earns_none() -> None:
    report = replace(finished(), problems=("a worker ended without telling what it found",))
    assert shortfalls(report) == ["a worker ended without telling what it found."]


# -- when it holds ---------------------------------------------------------------------------------------


def test_it_holds_and_tells_its_files_apart(good: Issued) -> None:
    certificate = good.read()
    certificate.check_report(good.evidence.report)
    certificate.check_transcript(good.evidence.transcript)
    with pytest.raises(CertificateError, match="is not the report that was attested"):
        certificate.check_report(good.evidence.transcript)
    with pytest.raises(CertificateError, match="is not the transcript that was attested: it is no gzip file"):
        certificate.check_transcript(good.evidence.report)


def test_every_changed_byte_is_noticed(good: Issued) -> None:
    for position in range(len(good.data)):
        changed = bytearray(good.data)
        changed[position] ^= 1
        with pytest.raises(CertificateError):
            read_certificate(bytes(changed), PUBLIC, ISSUED)


def test_every_changed_byte_of_the_report_is_noticed(good: Issued) -> None:
    certificate, content = good.read(), good.evidence.report.read_bytes()
    for position in range(0, len(content), 37):
        good.evidence.report.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(CertificateError):
            certificate.check_report(good.evidence.report)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (ISSUED + timedelta(days=DAYS), "it expired on 2027-02-22T10:05:00Z"),
        (ISSUED + timedelta(days=4000), "it expired on"),
        (ISSUED - timedelta(minutes=6), "it was issued at 2026-11-24T10:05:00Z, which is yet to come"),
    ],
)
def test_out_of_its_time(good: Issued, now: datetime, words: str) -> None:
    with pytest.raises(CertificateError, match=words):
        good.read(now)


@pytest.mark.parametrize("now", [ISSUED - timedelta(minutes=4), ISSUED + timedelta(days=DAYS, seconds=-1)])
def test_at_the_edges_of_its_time(good: Issued, now: datetime) -> None:
    assert good.read(now).contents["seed"] == 42


def test_another_key(good: Issued) -> None:
    with pytest.raises(CertificateError, match="names another key"):
        read_certificate(good.data, ed25519.Ed25519PrivateKey.generate().public_key(), ISSUED)


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(statement: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        where: Any = statement
        for name in parents:
            where = where[int(name) if isinstance(where, list) else name]
        where[int(last) if isinstance(where, list) else last] = value

    return change


RUN = "predicate.providerContract"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("_type", "https://in-toto.io/Statement/v0.1"), "no certificate of this kind: _type"),
        (_set("predicateType", "https://slsa.dev/provenance/v1"), "no certificate of this kind: predicateType"),
        (_set("predicate.result", "FAILED"), "no certificate of this kind: predicate.result"),
        (_set("predicate.failedTests", ["BET-01"]), "no certificate of this kind: predicate.failedTests"),
        (_set("subject", []), "no certificate of this kind: subject"),
        (_set("subject.0.digest.sha256", "0"), "no certificate of this kind: subject.0.digest.sha256"),
        (_set(f"{RUN}.effort", "quick"), "no certificate of this kind: predicate.providerContract.effort"),
        (_set(f"{RUN}.rules.0.state", "failed"), "no certificate of this kind: predicate.providerContract.rules.0"),
        (_set(f"{RUN}.rules.0.state", "not tested"), "it certifies nothing: REPLY-01 is not tested"),
        (_set(f"{RUN}.rules.0.state", "advisory"), "it certifies nothing: REPLY-01 is advisory"),
        (_set(f"{RUN}.rules.0.id", "NEW-01"), f"it says nothing of REPLY-01, which suite {__version__} tests"),
        (_set(f"{RUN}.keys.certification", CALLBACK_KEY.fingerprint), "it says that another key signed it"),
        (_set(f"{RUN}.keys.callbacks", KEY.fingerprint), "signed with the key that signs callbacks"),
        (_set(f"{RUN}.times.expires", "2026-13-45T00:00:00Z"), "a time is no time"),
        (_set(f"{RUN}.times", {}), "no certificate of this kind"),
        (_set("predicate", None), "no certificate of this kind"),
        (_set("predicate.warnedTests", ["\x1b[2J"]), "no certificate of this kind"),
    ],
)
def test_statements_that_are_well_signed_and_wrong(
    good: Issued, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    statement = good.statement()
    change(statement)
    with pytest.raises(CertificateError, match=words):
        read_certificate(seal(json.dumps(statement).encode(), KEY), PUBLIC, ISSUED)


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[" * 100_000, b"null", b"[]", b"1" * 9_999, b'{"_type":NaN}'])
def test_well_signed_payloads_that_are_none(payload: bytes) -> None:
    with pytest.raises(CertificateError) as caught:
        read_certificate(seal(payload, KEY), PUBLIC, ISSUED)
    assert "\n" not in str(caught.value)


# -- a certificate that lies there already -------------------------------------------------------------


def test_an_earlier_certificate_is_removed(good: Issued) -> None:
    path = good.folder / "c.json"
    for content in (good.data, good.data.replace(b'"sig": "', b'"sig": "AAAA'), b""):
        path.write_bytes(content)
        remove_stale(path)
        assert not path.exists()
    remove_stale(path)
    path.symlink_to(good.folder / "nowhere")
    remove_stale(path)
    assert not path.is_symlink()


@pytest.mark.parametrize("content", [b"diary", b"{}", b"[]", b'{"payloadType": "text/plain"}', b"{" * 100_000])
def test_nothing_else_is_removed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(CertificateError, match="is no certificate and is left as it is"):
        remove_stale(path)
    assert path.read_bytes() == content
    with pytest.raises(CertificateError, match="can't be replaced: Is a directory"):
        remove_stale(tmp_path)


# -- provider-contract verify --------------------------------------------------------------------------


@pytest.fixture
def current(tmp_path: Path) -> Issued:
    issued = made(tmp_path, finished(), issued=datetime.now(UTC))
    (tmp_path / "c.json").write_bytes(issued.data)
    (tmp_path / "key.pub.pem").write_bytes(
        PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return issued


def verified(folder: Path, *more: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["verify", str(folder / "c.json"), "--key", str(folder / "key.pub.pem"), *more])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_verify_says_what_it_attests(current: Issued) -> None:
    code, output = verified(current.folder, "--report", str(current.evidence.report))
    assert code == 0
    told = dict(line.split(None, 1) for line in output.splitlines())
    assert told["HOLDS"] == "every MUST rule of the contract was put to the test and held"
    assert told["wallet"] == "https://wallet.example/provider"
    assert told["contract"] == f"profile 155io {PROFILE.version}, suite {__version__}"
    musts = sum(RULES[id_].level == "MUST" for id_ in SUITE)
    assert told["MUST"] == f"{musts} rules, {musts} held"
    assert told["certified"] == f"by {KEY.fingerprint}"
    assert told["callback"] == f"key {CALLBACK_KEY.fingerprint}"
    assert told["report"].endswith("report.json is the attested one")
    assert told["transcript"] == "not checked, give --transcript"


def test_verify_of_an_expired_one(current: Issued) -> None:
    old = made(current.folder, finished(), issued=datetime.now(UTC) - timedelta(days=DAYS, seconds=1))
    (current.folder / "c.json").write_bytes(old.data)
    code, output = verified(current.folder)
    assert code == 1
    assert output.startswith(f"Error: {current.folder / 'c.json'} does not hold: it expired on 20")
    assert len(output.splitlines()) == 1


def test_verify_of_changed_files(current: Issued) -> None:
    with current.evidence.report.open("ab") as file:
        file.write(b" ")
    code, output = verified(current.folder, "--report", str(current.evidence.report))
    assert code == 1
    assert "is not the report that was attested" in output
    code, output = verified(current.folder, "--transcript", str(current.evidence.report))
    assert code == 1
    assert "is not the transcript that was attested" in output


def test_verify_never_steers_the_terminal(current: Issued) -> None:
    statement = current.statement()
    statement["predicate"]["providerContract"]["target"]["url"] = "\x1b[2J\x07https://wallet.example\nHOLDS"
    (current.folder / "c.json").write_bytes(seal(json.dumps(statement).encode(), KEY))
    code, output = verified(current.folder)
    assert code == 0
    assert "\x1b" not in output
    assert "\x07" not in output
    assert sum(line.startswith("HOLDS") for line in output.splitlines()) == 1


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("c.json", "can't be read: No such file"),
        ("key.pub.pem", "--key: the key file"),
        ("report.json", "can't be read"),
    ],
)
def test_verify_of_files_that_are_not_there(current: Issued, file: str, words: str) -> None:
    (current.folder / file).unlink()
    code, output = verified(current.folder, "--report", str(current.evidence.report))
    assert code == 2
    assert words in output
    assert "Traceback" not in output


def test_verify_of_hostile_files(current: Issued) -> None:
    for content in (
        b"",
        b"\x00" * 4_000_000,
        b"[" * 1_000_000,
        base64.b64encode(b"x" * 1000),
        b"-----BEGIN PRIVATE KEY-----",
    ):
        (current.folder / "c.json").write_bytes(content)
        code, output = verified(current.folder)
        assert code == 1
        assert len(output.splitlines()) == 1
        assert "does not hold: it is " in output


def test_a_fingerprint_is_that_of_the_verifying_key(current: Issued) -> None:
    assert fingerprint_of(PUBLIC) == current.statement()["predicate"]["providerContract"]["keys"]["certification"]
