"""The suite's files as pytest collects them, and the rules that their tests are about."""

from __future__ import annotations

from collections.abc import Generator
from math import ceil
from pathlib import Path

import pytest

from pytest_provider_contract.artifacts import read_replay
from pytest_provider_contract.saved import SavedError, read_saved
from pytest_provider_contract.scenario import ScenarioError
from pytest_provider_contract.settings import Settings

SUITE = Path(__file__).parent / "suite"
_SUITE_NAME = "pytest_provider_contract.suite"
# The chapters in the order of running: what is most often broken comes first.
CHAPTER_FILES = (
    "replies",
    "balance",
    "bet",
    "win",
    "rollback",
    "idempotency",
    "order",
    "players",
    "free_bets",
    "amounts",
    "signature",
    "bodies",
    "time",
    "races",
    "lost",
    "crowds",
    "sequences",
    "memory",
)


class SuiteModule(pytest.Module):
    """A chapter, collected whatever the project's ini says about names of functions."""

    def funcnamefilter(self, name: str) -> bool:
        """Whether a function is a test."""
        return name.startswith("test_")

    def classnamefilter(self, name: str) -> bool:  # noqa: ARG002 - pytest's signature
        """Chapters have no classes."""
        return False


def rules_of(item: pytest.Item) -> tuple[str, ...]:
    """The rules that a test of the suite puts to the test; none for any other test."""
    marker = item.get_closest_marker("provider_rule")
    return tuple(marker.args) if marker and item.path.parent == SUITE else ()


class Collecting:
    """The plugin that has the suite's files collected, and the tests left out that were not asked for.

    Attributes:
        with_suite: Whether the suite is played, or some of it.
        selected: Rules whose tests are to run; a controller of xdist learns its workers'.
        tests: How many of the suite's tests this process is to run; a worker of xdist takes its even part.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.with_suite = False
        self.selected: set[str] = set()
        self.tests = 0
        self._config = config
        self._settings = settings
        self._senseless = False

    def add_suite(self) -> None:
        """Have the suite collected where nothing else was chosen.

        Raises:
            pytest.UsageError: What is to be played instead can't be read.
        """
        config = self._config
        package = Path(__file__).parent
        names = ("pytest_provider_contract", _SUITE_NAME)
        named = [a for a in config.args if a in names or _same(a, package) or _same(a, SUITE)]
        chosen = config.args_source is pytest.Config.ArgsSource.ARGS
        if chosen and not named:
            files = [arg.partition("::")[0] for arg in config.args]
            self.with_suite = any(_same(Path(f).parent, SUITE) or f.startswith(f"{_SUITE_NAME}.") for f in files)
            return
        instead = self._instead_of_the_suite()
        kept = [arg for arg in config.args if arg not in named]
        if not chosen and instead:
            kept = []
        # File by file, because pytest collects files that are named whatever python_files says.
        config.args[:] = [*kept, *(str(SUITE / f"{name}.py") for name in instead or CHAPTER_FILES)]
        self.with_suite = not instead

    def _instead_of_the_suite(self) -> tuple[str, ...]:
        """The file to collect for options that play something recorded, which must be readable."""
        if self._settings.replay:
            try:
                read_replay(self._settings.replay)
            except ScenarioError as error:
                raise pytest.UsageError(f"--operator-replay: {error}") from None
            return ("replay",)
        if self._settings.recheck:
            try:
                saved = read_saved(self._settings.recheck)
            except SavedError as error:
                raise pytest.UsageError(f"--operator-recheck: {error}") from None
            known = {p.player_id for p in self._settings.players}
            if missing := [player_id for player_id in saved.players if player_id not in known]:
                raise pytest.UsageError(
                    f"--operator-recheck: transactions of {missing[0]!a} were saved: "
                    "name that player with --operator-player too"
                )
            return ("recheck",)
        return ()

    def give_up(self) -> None:
        """Have one test collected instead, which says why testing would be senseless."""
        self._senseless = True
        # One test needs no workers; xdist has not looked at the option yet.
        self._config.option.dist = "no"
        self._config.args[:] = [str(SUITE / "preflight.py")]

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        """Collect the suite's files whatever names the project's ini wants tests to have."""
        if module_path.parent != SUITE:
            return None
        # Outside the project's root pytest would leave the file out of the ids, so that --lf and
        # reports could not tell chapters apart.
        return SuiteModule.from_parent(
            parent, path=module_path, nodeid=f"pytest_provider_contract/suite/{module_path.name}"
        )

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
        """Check that every chapter is there, leave out what was not asked for, note what stays."""
        chapters = {item.path.stem for item in items if item.path.parent == SUITE}
        named = set(config.args)
        whole = all(str(SUITE / f"{name}.py") in named for name in CHAPTER_FILES)
        whole = whole and not config.getoption("lf", False)
        if whole and (lost := [name for name in CHAPTER_FILES if name not in chapters]):
            raise pytest.UsageError(
                f"the contract's chapter {lost[0]} was not collected: does an option or conftest ignore {SUITE}?"
            )
        if self._settings.rules is not None:
            self._deselect(config, items)
        collected = {item for item in items if item.path.parent == SUITE}
        for item in items:
            # For -k, with a hyphen as the catalogue writes it or an underscore as Python does.
            for rule in rules_of(item):
                item.extra_keyword_matches.update((rule, rule.replace("-", "_")))
        try:
            result = yield
            certifying = self._settings.certification is not None and not self._senseless
            if certifying and not (whole and collected <= set(items)):
                raise pytest.UsageError(
                    "--operator-certificate needs the whole contract: leave out -k, -m, --deselect, --lf and paths"
                )
            return result
        finally:
            self.selected = {rule for item in items for rule in rules_of(item)}
            workers = getattr(config, "workerinput", {}).get("workercount", 1)
            self.tests = ceil(sum(1 for item in items if rules_of(item)) / workers)

    def _deselect(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        wanted = self._settings.rules or frozenset()
        out = [item for item in items if (rules := rules_of(item)) and not wanted & set(rules)]
        if out and self._settings.replay is None and self._settings.recheck is None:
            config.hook.pytest_deselected(items=out)
            items[:] = [item for item in items if item not in out]


def _same(one: str | Path, other: Path) -> bool:
    try:
        return Path(one).resolve() == other.resolve()
    except OSError:
        return False
