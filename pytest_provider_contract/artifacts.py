"""Files a failure leaves: a scenario to replay, and a shell script with the exact bodies."""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from pytest_provider_contract import __version__
from pytest_provider_contract.finding import Finding
from pytest_provider_contract.history import Exchange
from pytest_provider_contract.provider import Performance
from pytest_provider_contract.scenario import Scenario, ScenarioError, from_json
from pytest_provider_contract.transport import Endpoint


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Where a failure's files are."""

    replay: Path
    script: Path


def write_artifacts(
    shared: Path, private: Path, finding: Finding, performance: Performance, endpoint: Endpoint
) -> Artifacts:
    """Write a finding's files into a folder ``failures/`` each.

    Args:
        shared: Gets the scenario, which holds no ids.
        private: Gets the script, which holds session ids and signatures, is readable by its
            owner only and keeps itself out of version control.
        finding: What was found.
        performance: The exact bytes that were sent.
        endpoint: Where they were sent to.

    Raises:
        OSError: They can't be written.
    """
    folder, own = shared / "failures", private / "failures"
    folder.mkdir(parents=True, exist_ok=True)
    own.mkdir(parents=True, exist_ok=True)
    (own / ".gitignore").write_text("*\n", encoding="utf-8")
    name = _free_name(folder, finding)
    replay, script = folder / f"{name}.json", own / f"{name}.sh"
    recorded = {
        "made_by": f"pytest-provider-contract {__version__}",
        **finding.scenario,
        "broken": finding.rule,
        "after": {"callbacks": finding.callbacks, "seconds": finding.seconds},
    }
    replay.write_text(json.dumps(recorded, indent=2) + "\n", encoding="utf-8")
    script.touch(mode=0o700)
    script.write_text(_script(finding, performance, endpoint), encoding="utf-8")
    return Artifacts(replay, script)


def _free_name(folder: Path, finding: Finding) -> str:
    # The same failure keeps its name from run to run; another of the same rule gets a number.
    for number in range(1, 1000):
        name = finding.rule if number == 1 else f"{finding.rule}-{number}"
        path = folder / f"{name}.json"
        if not path.exists() or _holds(path, finding):
            return name
    return finding.rule


def _holds(path: Path, finding: Finding) -> bool:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    return bool(known.get("steps") == json.loads(json.dumps(finding.scenario["steps"])))


def _script(finding: Finding, performance: Performance, endpoint: Endpoint) -> str:
    lines = [
        "#!/bin/sh",
        f"# {finding.rule}: expected {_comment(finding.expected)}, got {_comment(finding.actual)}",
        "# The exact bodies and signatures that were sent. Sent again they are replays of the same",
        "# transactions; --operator-replay makes fresh ones.",
    ]
    for exchanges in _groups(performance):
        commands = [_curl(exchange, endpoint) for exchange in exchanges]
        if len(commands) > 1:
            commands = ["# at the same time", *(f"{{ {command}; }} &" for command in commands), "wait"]
        lines += ["", *commands]
    return "\n".join(lines) + "\n"


def _groups(performance: Performance) -> list[list[Exchange]]:
    """Exchanges that were sent at the same time, group by group."""
    head = {position: group.start for group in performance.scenario.groups() for position in group}
    groups: dict[tuple[int, int], list[Exchange]] = {}
    for number, (position, exchange) in enumerate(zip(performance.steps, performance.exchanges, strict=True)):
        together = position in head and len([p for p, start in head.items() if start == head[position]]) > 1
        groups.setdefault((head[position], -1) if together else (position, number), []).append(exchange)
    return list(groups.values())


def _curl(exchange: Exchange, endpoint: Endpoint) -> str:
    body = base64.b64encode(exchange.body).decode()
    headers = " ".join(
        "-H " + shlex.quote(f"{name.decode()}: {value.decode('latin-1')}" if value else f"{name.decode()};")
        for name, value in exchange.headers
        if name.lower() != b"accept-encoding"
    )
    url = shlex.quote(endpoint.url + exchange.path)
    trust = f"--cacert {shlex.quote(str(endpoint.ca))} " if endpoint.ca else ""
    return f"printf %s {body} | base64 -d | curl -sS -i {trust}-X POST {headers} --data-binary @- {url}; echo"


def _comment(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")


def read_replay(path: Path) -> Scenario:
    """Read a recorded failure.

    Raises:
        ScenarioError: It is no JSON or no recorded scenario.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ScenarioError(f"{path} can't be read as JSON: {error}") from None
    return from_json(data)


def relative(path: Path, here: Path) -> Path:
    """A path as it is told to somebody who works in a directory."""
    return path.relative_to(here) if path.is_relative_to(here) else path
