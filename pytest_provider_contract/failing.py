"""What a failing test shows: a finding instead of a traceback, and no secrets."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from pytest_provider_contract.artifacts import relative, write_artifacts
from pytest_provider_contract.client import OperatorGoneError
from pytest_provider_contract.collecting import SUITE, rules_of
from pytest_provider_contract.finding import ContractViolation, render
from pytest_provider_contract.preflight.checkup import SenselessError
from pytest_provider_contract.redaction import address, hidden
from pytest_provider_contract.run import ContractRun, NotTestedError
from pytest_provider_contract.settings import STATE_DIRECTORY, Settings


class Failing:
    """The plugin that turns what ended a test into what its reader is to see.

    Args:
        config: pytest's.
        settings: What was asked for.
        run: Gives this process's run, once there is one.
    """

    def __init__(self, config: pytest.Config, settings: Settings, run: Callable[[], ContractRun | None]) -> None:
        self._config = config
        self._settings = settings
        self._run = run

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show a finding instead of a traceback."""
        report = yield
        error = call.excinfo.value if call.excinfo else None
        of_suite = item.path.parent == SUITE
        run = self._run()
        if isinstance(error, SenselessError):
            report.longrepr = "\n".join(error.item.lines())
        elif isinstance(error, NotTestedError):
            report.longrepr = f"not tested: {error}"
        elif run is not None and isinstance(error, ContractViolation):
            report.longrepr = self._tell(run, error, item.nodeid)
        elif run is not None and isinstance(error, OperatorGoneError) and of_suite:
            # Noted, so that the other tests do not wait for it once more.
            report.longrepr = f"not tested: {run.gone(error)}"
        if run is not None:
            self._hide_secrets(run, report)
            if of_suite and call.when == "call":
                run.results.ran.update(rules_of(item))
        return report

    def _hide_secrets(self, run: ContractRun, report: pytest.TestReport) -> None:
        """Mask sessions and signatures in what a crashing test shows: locals, captured output."""
        if not report.failed:
            return
        secrets = {player.session_id for player in self._settings.players}
        name = self._settings.profile.signature_header.lower().encode()
        for exchange in run.client.recorder.recent:
            secrets.update(value.decode("latin-1") for key, value in exchange.headers if key.lower() == name)
        text = str(report.longrepr)
        if (shown := hidden(text, secrets)) != text:
            report.longrepr = shown
        report.sections = [(title, hidden(content, secrets)) for title, content in report.sections]

    def _tell(self, run: ContractRun, violation: ContractViolation, test: str) -> str:
        # The one that was recorded last is this one: a process plays one scenario at a time.
        recorded = run.results.findings[-1]
        recorded["test"] = test
        recorded["files"] = self._files(violation)
        return render(recorded)

    def _files(self, violation: ContractViolation) -> dict[str, str]:
        settings, here = self._settings, Path(self._config.invocation_params.dir)
        assert settings.endpoint is not None  # noqa: S101 - start() has set it
        try:
            files = write_artifacts(
                settings.directory,
                here / STATE_DIRECTORY,
                violation.finding,
                violation.performance,
                settings.endpoint,
            )
        except OSError as error:
            return {"replay": f"can't be written: {error.strerror}"}
        return {
            "replay": f"{self._again()} --operator-replay={shlex.quote(str(relative(files.replay, here)))}",
            "curl": str(relative(files.script, here)),
            "scenario": str(relative(files.replay, here)),
        }

    def _again(self) -> str:
        """The command that asks the same operator in the same way; ini values hold for it anyway."""
        settings, given = self._settings, self._config.getoption
        words = [f"--operator-url={settings.target if settings.bundled else address(settings.target)}"]
        words += [
            f"--operator-{name}={given(f'operator_{name}')}"
            for name in ("profile", "key", "ca")
            if given(f"operator_{name}")
        ]
        words += ["--operator-unsigned"] if settings.unsigned else []
        if given("operator_player"):
            # A session is a secret, so its place is shown only; the one that is sent by default is none.
            places = {
                p.player_id: "" if p.session_id == f"session-{p.player_id}" else ":SESSION" for p in settings.players
            }
            words += [f"--operator-player={player_id}{place}" for player_id, place in places.items()]
        words += [f"--operator-{name}={id_}" for name in ("reward", "game") for id_ in given(f"operator_{name}") or ()]
        return shlex.join(["pytest", *words])
