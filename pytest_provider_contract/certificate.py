"""Certificates: which runs earn one, what it says, and whether a file is one.

A certificate is an in-toto Statement v1 with the test-result predicate, in a DSSE envelope.
Its subjects are the files that prove the run: report and transcript. What the predicate has no
field for stands in its extension `providerContract`; ``certificate.schema.json`` describes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pytest_provider_contract import __version__
from pytest_provider_contract.dsse import (
    PAYLOAD_TYPE,
    SIZE_LIMIT,
    CertificationKey,
    EnvelopeError,
    PublicKey,
    seal,
    unseal,
)
from pytest_provider_contract.ledger import HUGE
from pytest_provider_contract.profile import Profile
from pytest_provider_contract.reporting.model import Report, RuleResult
from pytest_provider_contract.rules import ALTERNATIVES, RULES
from pytest_provider_contract.schemas import first_error
from pytest_provider_contract.settings import Settings
from pytest_provider_contract.signing import fingerprint_of
from pytest_provider_contract.transcript import Digest, TranscriptError, check_transcript, file_sha256

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
EXTENSION = "providerContract"
_TIMES = ("started", "ended", "issued", "expires")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
# How far the clocks of issuer and verifier may differ.
_SKEW = timedelta(minutes=5)


class CertificateError(ValueError):
    """A certificate, or a file that it names, does not hold; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The files that a certificate answers for.

    Attributes:
        report: ``report.json``.
        transcript: The transcript.
        digest: What identifies the transcript.
    """

    report: Path
    transcript: Path
    digest: Digest


@dataclass(frozen=True, slots=True)
class Term:
    """From when until when a certificate holds, in UTC."""

    issued: datetime
    expires: datetime


# -- which runs earn one -----------------------------------------------------------------------------


def obstacles(settings: Settings) -> list[str]:
    """What the options leave out that a certificate needs, each a sentence without its full stop."""
    found = []
    if settings.effort.name != "certify":
        found.append(f"--operator-effort={settings.effort.name} is too short, give --operator-effort=certify")
    if settings.unsigned:
        found.append("--operator-unsigned switches the signatures off")
    if settings.rules is not None:
        found.append("--operator-rules leaves rules out")
    instead = (
        (settings.replay, "--operator-replay plays one scenario only"),
        (settings.recheck, "--operator-recheck plays nothing new"),
    )
    found += [why for given, why in instead if given is not None]
    if settings.max_stake is not None and settings.max_stake <= HUGE:
        found.append(f"--operator-max-stake={settings.max_stake} keeps large amounts from being tested")
    # The bundled operator brings players and a reward.
    if settings.players or not settings.bundled:
        found += [why for why in (settings.lacks("second player"),) if why]
    if not settings.bundled:
        found += [why for why in (settings.lacks("reward"),) if why]
    key = settings.certification.key if settings.certification else None
    if key is None:
        found.append("no key signs the certificate, give --operator-certify-key=FILE or env:NAME")
    elif settings.key is not None and key.fingerprint == settings.key.fingerprint:
        found.append(
            "--operator-certify-key is the key that signs callbacks, give one of its own "
            "('provider-contract keygen FILE' makes one)"
        )
    return found


def shortfalls(report: Report) -> list[str]:
    """Why a run earns no certificate, each a sentence: broken rules, untested ones, whatever else was wrong."""
    states = {rule.id: rule.state for rule in report.rules}
    found = [f"{rule.id} is broken: {rule.text}" for rule in report.rules if rule.state == "failed"]
    untested: dict[str, list[str]] = {}
    for rule in _of_suite(report):
        if rule.level == "MUST" and rule.state != "failed" and not _holds(rule.id, states):
            untested.setdefault(rule.reason or "nobody knows why", []).append(rule.id)
    for reason, ids in untested.items():
        found.append(f"{', '.join(ids)} {'was' if len(ids) == 1 else 'were'} not tested: {reason}.")
    return found or [f"{problem}." for problem in report.problems]


def _of_suite(report: Report) -> list[RuleResult]:
    """The wallet's rules; what else a run may look at is not certified."""
    return [rule for rule in report.rules if RULES[rule.id].part == "suite"]


def _holds(id_: str, states: Mapping[str, str]) -> bool:
    """Whether a MUST rule held, or the rule that takes its place did."""
    other = ALTERNATIVES.get(id_)
    return states[id_] == "passed" or (
        states[id_] == "not tested" and other is not None and states.get(other) == "passed"
    )


# -- making one ----------------------------------------------------------------------------------------


def issue(report: Report, profile: Profile, evidence: Evidence, key: CertificationKey, term: Term) -> bytes:
    """The certificate of a run, ready to be written to its file.

    Args:
        report: What the run was and found.
        profile: The dialect it was tested by.
        evidence: The files it answers for.
        key: Signs it.
        term: From when until when it holds.

    Raises:
        CertificateError: The run has not earned it; the message says why.
        OSError: The report can't be read.
    """
    if reasons := shortfalls(report):
        raise CertificateError(" ".join(reasons))
    statement = _statement(report, profile, evidence, key, term)
    if error := first_error("certificate", statement):
        raise CertificateError(f"the statement does not fit its own schema: {error}")
    return seal(json.dumps(statement, indent=1).encode(), key)


def _statement(
    report: Report, profile: Profile, evidence: Evidence, key: CertificationKey, term: Term
) -> dict[str, Any]:
    run, rules = report.run, _of_suite(report)
    warned = [rule.id for rule in rules if rule.state == "advisory"]
    digest = profile_sha256(profile)
    started = datetime.fromisoformat(run.started_at)
    times = {
        "started": started,
        "ended": started + timedelta(seconds=run.duration_s),
        "issued": term.issued,
        "expires": term.expires,
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            _descriptor(evidence.report.name, file_sha256(evidence.report)),
            _descriptor(evidence.transcript.name, evidence.digest.sha256),
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": "WARNED" if warned else "PASSED",
            "configuration": [_descriptor(f"profile {run.profile} {run.profile_version}", digest)],
            "passedTests": [rule.id for rule in rules if rule.state == "passed"],
            "warnedTests": warned,
            "failedTests": [],
            EXTENSION: {
                "suite": run.suite,
                "profile": {"name": run.profile, "version": run.profile_version, "sha256": digest},
                "target": {"url": run.url, "given": run.target},
                "rules": [_rule(rule) for rule in rules],
                "seed": run.seed,
                "effort": run.effort,
                "sequences": report.sequences,
                "callbacks": {times.callback: times.sent for times in report.callbacks},
                "keys": {"callbacks": run.key, "certification": key.fingerprint},
                "times": {name: moment.strftime(_TIME) for name, moment in times.items()},
                "transcript": {"head": evidence.digest.head, "callbacks": evidence.digest.callbacks},
            },
        },
    }


def _descriptor(name: str, sha256: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": sha256}}


def _rule(rule: RuleResult) -> dict[str, Any]:
    told = {"id": rule.id, "level": rule.level, "state": rule.state, "exercised": rule.exercised}
    return told | ({"reason": rule.reason} if rule.reason else {})


def profile_sha256(profile: Profile) -> str:
    """SHA-256 in hexadecimal of all that a profile says, own dialects told apart from bundled ones of the same name."""
    return hashlib.sha256(json.dumps(_plain(asdict(profile)), sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(content) for name, content in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(str(each) for each in value)
    return value


# -- reading one ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate whose signature, form and validity hold.

    Attributes:
        contents: The predicate's extension, which fits its schema.
        started: When the run began, in UTC.
        ended: When it ended.
        term: From when until when the certificate holds.
        report_sha256: What ``report.json`` must hash to.
        transcript: What identifies the transcript.
        warned: SHOULD rules that the operator does not follow.
    """

    contents: Mapping[str, Any]
    started: datetime
    ended: datetime
    term: Term
    report_sha256: str
    transcript: Digest
    warned: tuple[str, ...]

    def check_report(self, path: Path) -> None:
        """Make sure that a file is the report of this certificate.

        Raises:
            CertificateError: It is another, or was changed.
            OSError: It can't be read.
        """
        found = file_sha256(path)
        if found != self.report_sha256:
            raise CertificateError(
                f"{path} is not the report that was attested: its SHA-256 is {found}, not {self.report_sha256}"
            )

    def check_transcript(self, path: Path) -> None:
        """Make sure that a file is the transcript of this certificate.

        Raises:
            CertificateError: It is another, or was changed; the message says where.
            OSError: It can't be read.
        """
        try:
            check_transcript(path, self.transcript)
        except TranscriptError as error:
            raise CertificateError(f"{path} is not the transcript that was attested: {error}") from None


def read_certificate(data: bytes, key: PublicKey, now: datetime) -> Certificate:
    """Verify a certificate file.

    Args:
        data: The file's bytes; they may be anything.
        key: The public key of whoever is trusted to certify.
        now: The present, in UTC.

    Raises:
        CertificateError: It does not hold; the message says why.
    """
    try:
        statement = json.loads(unseal(data, key))
    except EnvelopeError as problem:
        raise CertificateError(str(problem)) from None
    except (ValueError, RecursionError):
        raise CertificateError("what was signed is no JSON") from None
    if error := first_error("certificate", statement):
        raise CertificateError(f"what was signed is no certificate of this kind: {error}")
    predicate = statement["predicate"]
    contents = predicate[EXTENSION]
    times = _read_times(contents["times"])
    report, transcript = (each["digest"]["sha256"] for each in statement["subject"])
    certificate = Certificate(
        contents,
        times["started"],
        times["ended"],
        Term(times["issued"], times["expires"]),
        report,
        Digest(transcript, contents["transcript"]["head"], contents["transcript"]["callbacks"]),
        tuple(predicate["warnedTests"]),
    )
    _require_keys(contents["keys"], key)
    _require_rules(contents["rules"], contents["suite"])
    _require_valid(certificate.term, now)
    return certificate


def _read_times(times: Mapping[str, str]) -> dict[str, datetime]:
    try:
        return {name: datetime.strptime(times[name], _TIME).replace(tzinfo=UTC) for name in _TIMES}
    except ValueError:
        raise CertificateError("what was signed is no certificate of this kind: a time is no time") from None


def _require_keys(keys: Mapping[str, str], key: PublicKey) -> None:
    if keys["certification"] != fingerprint_of(key):
        raise CertificateError("it says that another key signed it")
    if keys["callbacks"] == keys["certification"]:
        raise CertificateError("it is signed with the key that signs callbacks")


def _require_rules(rules: Iterable[Mapping[str, Any]], suite: str) -> None:
    states = {rule["id"]: rule["state"] for rule in rules}
    for id_, known in RULES.items():
        if suite == __version__ and known.part == "suite" and id_ not in states:
            raise CertificateError(f"it says nothing of {id_}, which suite {suite} tests")
    for rule in rules:
        if rule["level"] == "MUST" and not _holds(rule["id"], states):
            raise CertificateError(f"it certifies nothing: {rule['id']} is {rule['state']}")


def _require_valid(term: Term, now: datetime) -> None:
    if now >= term.expires:
        raise CertificateError(f"it expired on {term.expires.strftime(_TIME)}")
    if now + _SKEW < term.issued:
        raise CertificateError(f"it was issued at {term.issued.strftime(_TIME)}, which is yet to come")


# -- the file -------------------------------------------------------------------------------------------


def remove_stale(path: Path) -> None:
    """Remove an earlier certificate, so that it can't be taken for this run's.

    Raises:
        CertificateError: The path is taken by something else, or it can't be removed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        path.unlink(missing_ok=True)  # a symbolic link that leads nowhere
        return
    except OSError as error:
        raise CertificateError(f"{path} can't be replaced: {error.strerror}") from None
    if data and not _is_envelope(data):
        raise CertificateError(f"{path} is no certificate and is left as it is; name another file")
    try:
        path.unlink()
    except OSError as error:
        raise CertificateError(f"{path} can't be replaced: {error.strerror}") from None


def _is_envelope(data: bytes) -> bool:
    try:
        return bool(json.loads(data)["payloadType"] == PAYLOAD_TYPE)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
