"""A certificate in the making: its files during a run, and their fate at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pytest_provider_contract import __version__
from pytest_provider_contract.certificate import (
    CertificateError,
    Evidence,
    Term,
    issue,
    shortfalls,
)
from pytest_provider_contract.client import OperatorClient
from pytest_provider_contract.dsse import CertificationKey
from pytest_provider_contract.reporting.json_report import write_json
from pytest_provider_contract.reporting.model import Report
from pytest_provider_contract.settings import Certification, Settings
from pytest_provider_contract.transcript import Transcript


def transcript_path(certificate: Path) -> Path:
    """Where the transcript of a certificate lies: beside it."""
    return certificate.with_name(certificate.stem + ".transcript.jsonl.gz")


class Certifier:
    """Keeps the transcript of a run, and ends with a certificate or with the reasons for none.

    Args:
        settings: What was asked for, a certification and its key among it.

    Attributes:
        reasons: Why there is no certificate, each a sentence; empty when there is one.
        evidence: The files that the certificate answers for, once there is one.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.certification is not None  # noqa: S101 - the session makes none otherwise
        assert settings.certification.key is not None  # noqa: S101 - obstacles() objects to that
        self.reasons: list[str] = []
        self.evidence: Evidence | None = None
        self._settings = settings
        self._certification: Certification = settings.certification
        self._key: CertificationKey = settings.certification.key
        self._transcript: Transcript | None = None

    def watch(self, client: OperatorClient) -> None:
        """Write down every callback that a client sends from now on."""
        opening = {
            "suite": __version__,
            "profile": self._settings.profile.name,
            "target": client.endpoint.url,
            "seed": self._settings.seed,
            "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        path = transcript_path(self._certification.path)
        try:
            self._transcript = Transcript(path, self._settings.profile, opening, time.monotonic())
        except OSError as error:
            self.reasons.append(f"The transcript {path} can't be written: {error.strerror}.")
            return
        client.observer = self._transcript.add

    def conclude(self, report: Report | None, trouble: Sequence[str]) -> None:
        """Write the certificate if the run has earned it; else leave no file of it.

        Args:
            report: What the run was and found; None when it tested nothing.
            trouble: What the report does not know of, each a sentence.
        """
        if report is None or not (self._transcript or report.findings):
            self.reasons = self.reasons or ["Nothing was tested."]
        else:
            self.reasons += shortfalls(report) or trouble
            if self._transcript is not None and self._transcript.failed:
                self.reasons.append(f"The transcript could not be written to its end: {self._transcript.failed}.")
            if self._transcript is not None and not self.reasons:
                self._write(report, self._transcript)
        if self.reasons:
            self.abandon()

    def _write(self, report: Report, transcript: Transcript) -> None:
        path, days = self._certification.path, self._certification.days
        # Written aside and renamed, so that there is never half a certificate.
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self.evidence = Evidence(write_json(report, self._settings.directory), transcript.path, transcript.close())
            now = datetime.now(UTC)
            term = Term(now, now + timedelta(days=days))
            draft.write_bytes(issue(report, self._settings.profile, self.evidence, self._key, term))
            draft.replace(path)
        except CertificateError as error:
            self.reasons.append(f"{error}.")
        except OSError as error:
            self.reasons.append(f"{error.filename or transcript.path} can't be written: {error.strerror}.")
        finally:
            draft.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Remove the transcript of a run that has no certificate."""
        if self._transcript is not None and (self.reasons or self.evidence is None):
            with suppress(OSError):
                self._transcript.discard()
            self._transcript = None

    def tell(self) -> list[str]:
        """The lines that end the run."""
        path = self._certification.path
        if self.reasons or self.evidence is None:
            return [f"NO CERTIFICATE {path}", *(f"  {reason}" for reason in self.reasons)]
        return [
            f"certificate {path}, holds for {self._certification.days} days",
            f"  signed by   {self._key.fingerprint} ({self._key.algorithm})",
            f"  answers for {self.evidence.report}",
            f"          and {self.evidence.transcript}",
        ]
