"""A pytest session with an operator: collects the suite, shares the run, tells the verdict."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from pytest_provider_contract import __version__
from pytest_provider_contract.artifacts import relative
from pytest_provider_contract.bundled import bundled_operator
from pytest_provider_contract.callbacks import encode
from pytest_provider_contract.certificate import CertificateError, obstacles, remove_stale
from pytest_provider_contract.certifying import Certifier
from pytest_provider_contract.client import OperatorClient
from pytest_provider_contract.collecting import Collecting, rules_of
from pytest_provider_contract.failing import Failing
from pytest_provider_contract.folding import OneFaultOnce
from pytest_provider_contract.history import Player
from pytest_provider_contract.memory import RULE as RECALL_RULE
from pytest_provider_contract.operator import Operator
from pytest_provider_contract.preflight.checkup import Checkup, Item, Outcome, SenselessError
from pytest_provider_contract.preflight.examine import Target, examine
from pytest_provider_contract.preflight.reach import reach
from pytest_provider_contract.progress import Progress
from pytest_provider_contract.redaction import address
from pytest_provider_contract.reporting import PAGE, Report, build_report, write_reports
from pytest_provider_contract.reporting.github import job_summary, workflow_commands
from pytest_provider_contract.results import Results
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.run import ContractRun, NotTestedError
from pytest_provider_contract.saved import read_saved, to_json, write_saved
from pytest_provider_contract.settings import Settings, certificate_path, read_settings
from pytest_provider_contract.signing import SigningKey
from pytest_provider_contract.suite_check import SuiteCheck
from pytest_provider_contract.summary import Verdict, judge_rules, table
from pytest_provider_contract.transport import Endpoint

if TYPE_CHECKING:
    from pytest_provider_contract.launch.provider_api import ProviderApi
    from pytest_provider_contract.launch.terms import Terms

_WORKER_INPUT = "provider_contract"
_STARTING_S = 30.0


class Session:
    """The plugin that is registered when there is an operator.

    It holds one `ContractRun` per process; xdist's workers send what they found to the
    controller, which alone tells the verdict.
    """

    def __init__(self, config: pytest.Config, settings: Settings, resources: ExitStack) -> None:
        self.config = config
        self.settings = settings
        self.results = Results()
        self.collecting = Collecting(config, settings)
        self.failing = Failing(config, settings, lambda: self._run)
        self.problems: list[str] = []
        self.report: Report | None = None
        self._written = False
        self.folding = OneFaultOnce(lambda: self.report)
        self._started_at = datetime.now(UTC)
        self._started_s = time.monotonic()
        self._resources = resources
        self._run: ContractRun | None = None
        self._spent_s = 0.0
        self._checkup: Checkup | None = None
        self._lock = self._worker_lock() if self._is_worker else None
        self._certifier = Certifier(settings) if settings.certification else None

    # -- start and end ------------------------------------------------------------------------------

    @classmethod
    def start(cls, config: pytest.Config) -> Session:
        """Read the settings, find the operator or start the bundled one, add the suite.

        Raises:
            pytest.UsageError: See `read_settings`; also an operator that can't be reached.
        """
        begun_s = time.monotonic() - _startup_s()
        worker_input = getattr(config, "workerinput", None)
        if worker_input is None:
            _remove_stale_certificate(config)
        settings = read_settings(config)
        _require_certifiable(config, settings)
        resources = ExitStack()
        try:
            if worker_input is not None:
                settings = _told_by_controller(settings, worker_input)
            elif settings.bundled:
                settings = _start_bundled(settings, resources)
            session = cls(config, settings, resources)
            session.collecting.add_suite()
            if worker_input is None:
                session._look_first()
            session._spent_s = time.monotonic() - begun_s
        except BaseException:
            resources.close()
            raise
        return session

    def _look_first(self) -> None:
        """Find out whether testing makes sense; where it does not, one test takes the suite's place.

        Raises:
            pytest.UsageError: The options name no wallet.
        """
        s = self.settings
        assert s.endpoint is not None  # noqa: S101 - start() has set it
        if not self.collecting.with_suite:
            if not s.bundled:
                _refuse_wrong_use(s, reach(s.endpoint).items[-1])
            return
        if self.config.option.collectonly:
            return
        self._checkup = examine(
            Target(
                s.endpoint,
                s.profile,
                s.key,
                s.players,
                s.rate,
                s.max_stake,
                narrow=s.rules is not None,
                game=next(iter(s.games), None),
            )
        )
        for item in self._checkup.notices:
            self.results.advisories.setdefault(item.rule, {"count": 1, "evidence": item.said})
        if (stop := self._checkup.stop) is not None:
            _refuse_wrong_use(s, stop)
            self.results.findings.append(stop.finding().to_json())
            self.collecting.give_up()

    @property
    def _is_worker(self) -> bool:
        return hasattr(self.config, "workerinput")

    @property
    def run(self) -> ContractRun:
        """This process's run."""
        if self._run is None:
            self._run = ContractRun(self.settings, spent_s=self._spent_s, tests=self.collecting.tests)
            if self._certifier is not None:
                self._certifier.watch(self._run.client)
        return self._run

    def pytest_unconfigure(self) -> None:
        """Stop the bundled operator."""
        self._resources.close()
        if self._certifier is not None:
            self._certifier.abandon()

    # -- xdist ----------------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where the operator is."""
        endpoint = self.settings.endpoint
        node.workerinput[_WORKER_INPUT] = {
            "url": endpoint.url if endpoint else "",
            "ca": str(endpoint.ca) if endpoint and endpoint.ca else None,
            "players": [(p.player_id, p.session_id, p.currency) for p in self.settings.players],
            "rewards": list(self.settings.rewards),
            "seed": self.settings.seed,
        }

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take over what a worker found."""
        told = getattr(node, "workeroutput", {}).get(_WORKER_INPUT)
        if told is None:
            self.problems.append(f"a worker ended without telling what it found: {error}")
            return
        self.results.merge(told["results"])
        self.collecting.selected.update(told["selected"])
        self.collecting.with_suite = self.collecting.with_suite or told["with_suite"]

    def _worker_lock(self) -> FileLock:
        # Workers that share players take turns.
        pair = [p.player_id for p in self.settings.players]
        name = hashlib.sha256(f"{self.settings.endpoint}{pair}".encode()).hexdigest()[:16]
        return FileLock(Path(tempfile.gettempdir()) / f"provider-contract-{name}.lock")

    # -- fixtures ---------------------------------------------------------------------------------------

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._lock or nullcontext():
            if self._lock is not None:
                self.run.provider.known.clear()
            yield
            if self._lock is not None and self._run is not None and not self._run.results.gone:
                self._run.results.left += self._run.purse.restore()

    @contextmanager
    def check(self, item: pytest.Item) -> Iterator[SuiteCheck]:
        """What a test of the suite plays with."""
        rules = rules_of(item)
        self.run.pace.next_test()
        off = next((why for rule in rules if (why := self.settings.lacks(RULES[rule].needs))), None)
        if off:
            self.run.results.not_tested.update(dict.fromkeys(rules, off))
            pytest.skip(off)
        if self.run.results.gone:
            raise NotTestedError(f"the operator can't be asked any more: {self.run.results.gone}")
        with self._turn():
            yield SuiteCheck(self.run, rules, self._progress())

    def first_look(self) -> None:
        """Fail with what the first look found.

        Raises:
            SenselessError: Going on would be senseless.
        """
        if self._checkup is not None and self._checkup.stop is not None:
            raise SenselessError(self._checkup.stop)

    @contextmanager
    def operator(self, label: str) -> Iterator[Operator]:
        """The `operator` fixture."""
        with self._turn():
            self.run.client.label = label
            yield Operator(self.run.provider)

    @contextmanager
    def provider_api(self, terms: Terms) -> Iterator[ProviderApi]:
        """The `provider_api` fixture: its real play goes to the operator under test."""
        from pytest_provider_contract.launch.provider_api import ProviderApi  # noqa: PLC0415
        from pytest_provider_contract.launch.server import serving  # noqa: PLC0415

        assert self.settings.endpoint is not None  # noqa: S101 - start() has set it
        with self._turn(), serving(ProviderApi(self.settings.profile, self.settings.key, terms)) as api:
            api.use_wallet(self.settings.endpoint.url, self.settings.endpoint.ca)
            try:
                yield api
            finally:
                self.run.provider.known.clear()
                self.results.take_launches(api.findings.exercised, api.findings.all)

    def player(self, index: int) -> Player:
        """A test player of this process.

        The test is skipped when the options give too few.
        """
        players = self.run.provider.players
        if index >= len(players):
            pytest.skip("no second player: give a second --operator-player")
        return players[index]

    def signing_key(self) -> SigningKey:
        """The key that signs; the test is skipped in an unsigned run."""
        if self.settings.key is None:
            pytest.skip("--operator-unsigned: there is no signing key")
        return self.settings.key

    def sign_callback(self, fields: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
        """Body bytes of any mapping, and the headers that make it a signed callback."""
        body = encode(fields)
        assert self.settings.endpoint is not None  # noqa: S101 - start() has set it
        client = OperatorClient(self.settings.endpoint, self.settings.profile, self.settings.key)
        return body, {name.decode(): value.decode("latin-1") for name, value in client.headers(body)}

    # -- reporting --------------------------------------------------------------------------------------

    def pytest_report_header(self) -> list[str]:
        """Say what is tested, with what, and as whom."""
        s = self.settings
        url = s.endpoint.url if s.endpoint else ""
        lines = [
            f"provider contract: {url}" + (f" ({s.target})" if s.bundled else "") + f", suite {__version__}",
            f"  profile {s.profile.name} {s.profile.version}, effort {s.effort.name}, seed {s.seed}"
            + (", strict" if s.strict else ""),
            f"  key {s.key.fingerprint} from {s.key_source}" if s.key else "  UNSIGNED: signatures are switched off",
            "  players " + ", ".join(p.player_id for p in s.players),
        ]
        if s.certification and s.certification.key:
            key = s.certification.key
            lines.append(f"  certificate {s.certification.path}, signed by {key.fingerprint} ({key.algorithm})")
        if s.endpoint and s.endpoint.scheme == "http" and not s.endpoint.is_loopback:
            lines.append("  WARNING: plain http; session ids and bodies can be read on the way")
        if self._checkup is not None:
            lines.append(f"  first look: {self._checkup.verdict}, {self._checkup.summary}")
        return lines

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Bring the money back, work out the verdict, and never end green without a reason to."""
        if self._run is not None:
            self._run.finish()
            if self.settings.save:
                self._run.results.saved = to_json(self._run.memory.sample())
            self.results.merge(self._run.results.to_json())
        if self._is_worker:
            self.config.workeroutput[_WORKER_INPUT] = {  # type: ignore[attr-defined]
                # Through JSON, because execnet takes plain strings but no enums.
                "results": json.loads(json.dumps(self.results.to_json())),
                "selected": sorted(self.collecting.selected),
                "with_suite": self.collecting.with_suite,
            }
        # The outer wrapper: xdist's controller has its workers' results only after this.
        result = yield
        if not self._is_worker:
            self._save()
            if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                self._refuse_green(session)
            self._report(session)
            if self._certifier is not None:
                self._certify(session, self._certifier)
        return result

    def _certify(self, session: pytest.Session, certifier: Certifier) -> None:
        green = session.exitstatus == pytest.ExitCode.OK
        certifier.conclude(
            self.report, [] if green else ["A test outside the contract failed, or the run was stopped."]
        )
        if certifier.reasons and green:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _save(self) -> None:
        if self.settings.save is None or self.config.option.collectonly:
            return
        if not self.results.saved:
            self.problems.append("--operator-save: the run made no transaction that could be kept")
            return
        try:
            write_saved(self.settings.save, self.results.saved, address(self.settings.target))
        except OSError as error:
            self.problems.append(f"--operator-save={self.settings.save}: {error.strerror}")

    def _report(self, session: pytest.Session) -> None:
        if self.config.option.collectonly or not (self.results.findings or self._plays_suite):
            return
        stopped = session.exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
        self.report = build_report(
            self.results,
            self.verdict(),
            self.settings,
            started_at=self._started_at,
            duration_s=time.monotonic() - self._started_s,
            problems=[*self.problems, *(["the run was stopped before its end"] if stopped else [])],
        )
        if not self.settings.report:
            return
        try:
            write_reports(self.report, self.settings.directory)
            self._written = True
        except OSError as error:
            self.problems.append(f"--operator-report: the reports can't be written: {error}")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _refuse_green(self, session: pytest.Session) -> None:
        if self._checkup is not None and self._checkup.stop is not None:
            self.problems.append(f"nothing was tested: {self._checkup.stop.sentence()}")
        if self._plays_suite and not session.config.option.collectonly:
            verdict = self.verdict()
            late = [
                id_ for id_, state in verdict.states.items() if state == "failed" and id_ not in self.results.broken
            ]
            for id_ in late:
                rule, evidence = RULES[id_], self.results.advisories[id_]["evidence"]
                self.problems.append(f"{id_} {rule.level}  {rule.text}  ({evidence})")
            if broken := sorted(self.results.broken):
                # Another plugin ran the test again until it passed; the contract is broken all the same.
                self.problems.append(f"broken, though every test ended green: {', '.join(broken)}")
            if verdict.missing:
                self.problems.append(f"not tested, so not proved: {', '.join(verdict.missing)}")
            elif all(state == "not tested" for id_, state in verdict.states.items() if RULES[id_].part == "suite"):
                self.problems.append("no rule was tested: the options switch off all that were chosen")
        if self.problems:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @property
    def _plays_suite(self) -> bool:
        return self.collecting.with_suite and bool(self.collecting.selected)

    def verdict(self) -> Verdict:
        """How every rule fared."""
        selected = self.collecting.selected
        if self.settings.rules is not None:
            selected = selected & self.settings.rules
        return judge_rules(self.results, self.settings, selected)

    def _of_old_transactions(self) -> Iterator[str]:
        replays = self.results.exercised[RECALL_RULE]
        if self.settings.recheck and replays and not self.results.findings:
            saved = read_saved(self.settings.recheck)
            told = f"{replays} replays of {len(saved.keepsakes)} bets that were saved at {saved.saved_at}"
            yield f"rechecked: {told} moved nothing"
        if self.settings.save and self.results.saved:
            yield f"saved: {len(self.results.saved)} bets in {self.settings.save}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the closing table."""
        self.folding.unfold(terminalreporter)
        if self._is_worker or self.config.option.collectonly:
            return
        self._tell_first_look(terminalreporter)
        if self.collecting.selected and (self.collecting.with_suite or self.results.findings):
            terminalreporter.section("provider contract")
            for line in table(self.results, self.verdict(), self.settings, terminalreporter._tw.fullwidth):  # noqa: SLF001 - as in `folding`
                terminalreporter.write_line(line)
            if self.report is not None:
                self._point_to_reports(terminalreporter, self.report)
        for line in self._of_old_transactions():
            terminalreporter.write_line(line)
        for problem in self.problems:
            terminalreporter.write_line(f"FAILED: {problem}", red=True)
        if self._certifier is not None:
            for line in self._certifier.tell():
                terminalreporter.write_line(line, red=bool(self._certifier.reasons))

    def _tell_first_look(self, terminalreporter: Any) -> None:
        if self._checkup is None or not self._checkup.notices:
            return
        terminalreporter.section("first look")
        for item in self._checkup.notices:
            for line in item.lines():
                terminalreporter.write_line(line)

    def _point_to_reports(self, terminalreporter: Any, report: Report) -> None:
        if self._written:
            page = relative(self.settings.directory / PAGE, Path(self.config.invocation_params.dir))
            terminalreporter.write_line(f"report: {page}, and the same as data beside it; all of it may be shared")
        elif report.findings and not self.settings.report:
            terminalreporter.write_line("for a page with every exchange drawn: --operator-report=DIR")
        if os.environ.get("GITHUB_ACTIONS") == "true":
            terminalreporter.ensure_newline()
            for command in workflow_commands(report):
                terminalreporter.write_line(command)
            _write_job_summary(report)

    def _progress(self) -> Progress:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        if reporter is None or self._is_worker:

            def to_stderr(text: str) -> None:
                os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, text.encode())

            return Progress(to_stderr if self._is_worker else lambda _text: None, moves=False)

        def to_terminal(text: str) -> None:
            with capture.global_and_fixture_disabled() if capture else nullcontext():
                reporter.write(text, flush=True)

        return Progress(to_terminal, moves=reporter.isatty and reporter.hasmarkup)


def _write_job_summary(report: Report) -> None:
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        # Without it the annotations still tell; the run's outcome does not hang on it.
        with suppress(OSError), Path(path).open("a", encoding="utf-8") as summary:
            summary.write(job_summary(report))


def _startup_s() -> float:
    """Seconds since this process began, as far as they were spent on starting pytest.

    A process that is much older runs pytest for the second time, or within something else.
    """
    try:
        # Linux: the 22nd field counts clock ticks from the start of the machine; the second may hold blanks.
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        age_s = time.process_time()
    return age_s if 0 < age_s < _STARTING_S else 0.0


def _remove_stale_certificate(config: pytest.Config) -> None:
    path = certificate_path(config)
    if path is not None:
        try:
            remove_stale(path)
        except CertificateError as error:
            raise pytest.UsageError(f"--operator-certificate: {error}") from None


def _require_certifiable(config: pytest.Config, settings: Settings) -> None:
    """Refuse a run at once whose options keep it from being certified.

    Raises:
        pytest.UsageError: It names every one of them.
    """
    if settings.certification is None:
        return
    found = obstacles(settings)
    if config.getoption("dist", "no") != "no":
        # One transcript holds every callback in the order of sending.
        found.append("-n plays with several processes, leave it out")
    if config.option.collectonly:
        found.append("--collect-only plays nothing")
    if found:
        raise pytest.UsageError("--operator-certificate can't be issued: " + "; ".join(found))


def _told_by_controller(settings: Settings, worker_input: Mapping[str, Any]) -> Settings:
    told = worker_input[_WORKER_INPUT]
    players = tuple(Player(*p) for p in told["players"])
    workers = int(worker_input.get("workercount", 1))
    number = int(str(worker_input["workerid"]).removeprefix("gw") or 0)
    pairs = max(1, len(players) // 2)
    # Saved transactions may be of any player; one test, so one worker, replays them all.
    mine = players if settings.recheck else players[2 * (number % pairs) :][:2]
    return replace(
        settings,
        endpoint=Endpoint.parse(told["url"], Path(told["ca"]) if told["ca"] else None),
        players=mine,
        rewards=tuple(told["rewards"]),
        seed=told["seed"],
        rate=settings.rate / workers if settings.rate else None,
    )


def _start_bundled(settings: Settings, resources: ExitStack) -> Settings:
    rewards = settings.rewards or ("5e6fa5f3-6f1c-4a3e-9c39-0a3a3b6d2b11",)
    bundled = bundled_operator(settings.target, settings.key, settings.players, rewards)
    endpoint, players = resources.enter_context(bundled)
    return replace(settings, endpoint=endpoint, players=players, rewards=rewards)


def _refuse_wrong_use(settings: Settings, item: Item) -> None:
    if item.outcome is Outcome.STOP and item.wrong_use:
        raise pytest.UsageError(f"--operator-url={address(settings.target)}: {item.sentence()}")
