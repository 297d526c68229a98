"""Whether the diagnosis names the right cause, for every fault of the bundled operator.

Each fault is a run of its own, ended by its first failure, as a user would start it. What should
be named stands in causes.toml. Results are kept one line each, so that an interrupted run goes on
where it stopped; the table is written anew at the end:

    python benchmarks/diagnosis.py [--out FILE] [--table FILE] [--jobs 2] [--whole] [NAME ...]

Exit status 1 when less than 90 % of the causes are right, or a wrong one was named without doubt.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pytest_provider_contract.reference.variants import Variant, variants
from pytest_provider_contract.rules import RULES
from pytest_provider_contract.session import Session

HERE = Path(__file__).parent
TIMEOUT_S = 300
WANTED = 0.9


def causes() -> dict[str, list[str]]:
    """The causes of which one should be named, per fault; none for a fault that has none to be named."""
    themes = tomllib.loads((HERE / "causes.toml").read_text(encoding="utf-8"))
    unnamed: dict[str, list[str]] = {fault: [] for fault in themes.pop("none")}
    wanted = {fault: cause for theme in themes.values() for fault, cause in theme.items()}
    return unnamed | {fault: cause if isinstance(cause, list) else [cause] for fault, cause in wanted.items()}


# -- one run --------------------------------------------------------------------------------------


class _Findings:
    """Prints what a session has found as one line of JSON."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        session = next(p for p in config.pluginmanager.get_plugins() if isinstance(p, Session))
        print("\nFOUND " + json.dumps([*session.results.findings, *session.run.results.findings]))


def _run_one(arguments: list[str]) -> int:
    return int(pytest.main(arguments, plugins=[_Findings()]))


def measure(variant: Variant, wanted: list[str], *, whole: bool) -> dict[str, Any]:
    """Run the suite against one fault; by its first rule alone if that finds it, which is quicker."""
    row = _measured(variant, wanted, whole=whole)
    return row if whole or row["rule"] is not None else _measured(variant, wanted, whole=True)


def _measured(variant: Variant, wanted: list[str], *, whole: bool) -> dict[str, Any]:
    """Run the suite until it fails, and look at what the first finding says."""
    rule = RULES[variant.rules[0]]
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--operator-effort=quick", "--operator-seed=1"]
    options.append(f"--operator-url=reference:{variant.name}")
    if not whole:
        options.append(f"--operator-rules={rule.id}")
    if rule.level == "SHOULD":
        options.append("--operator-strict")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), "--one", "--", *options]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
            output = done.stdout
        except subprocess.TimeoutExpired:
            output = ""
    line = next((line for line in output.splitlines() if line.startswith("FOUND ")), "FOUND []")
    finding = next(iter(json.loads(line.removeprefix("FOUND "))), None)
    named = [cause["id"] for cause in finding["causes"]] if finding else []
    return {
        "name": variant.name,
        "wanted": wanted,
        "named": named,
        "occasional": bool(finding and any(cause["occasional"] for cause in finding["causes"])),
        "rule": finding["rule"] if finding else None,
        "sequence": finding["sequence"] if finding else [],
        "likely": finding["likely"] if finding else "not found",
        "seconds": round(time.monotonic() - started, 1),
        "revision": revision(),
    }


@cache
def revision() -> str:
    """The commit that is measured, with ``+`` if there are changes beside it."""
    command = ["git", "describe", "--always", "--dirty=+"]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()


# -- the table ------------------------------------------------------------------------------------


def verdict(row: Mapping[str, Any]) -> str:
    """How good a diagnosis is."""
    if row["rule"] is None:
        return "not found"
    named, wanted = row["named"], row["wanted"]
    if not wanted:
        return "WRONG" if len(named) == 1 else "undecided" if named else "none, rightly"
    if named and named[0] in wanted:
        return "right" if len(named) == 1 else "right, first of several"
    if not set(wanted).isdisjoint(named):
        return "among several"
    return "none" if not named else "WRONG" if len(named) == 1 else "several, all wrong"


def table(rows: list[Mapping[str, Any]]) -> str:
    """The table as Markdown."""
    tested = [row for row in rows if row["rule"] is not None]
    having = [row for row in tested if row["wanted"]]
    right = sum(verdict(row).startswith("right") for row in having)
    counts = Counter(verdict(row) for row in tested)
    measured = {row["name"] for row in rows}
    revisions = Counter(row["revision"] for row in rows)
    left_out = (
        f"Not found, so not diagnosed: {len(rows) - len(tested)}. Not measured: {len(causes().keys() - measured)}."
    )
    lines = [
        "# Diagnosis of the bundled operator's faults",
        "",
        "Written by `python benchmarks/diagnosis.py`; what should be named stands in `causes.toml`.",
        "",
        f"The right cause is named first for {right} of {len(having)} faults that have one"
        f" ({right / max(len(having), 1):.0%}). " + ", ".join(f"{n} {what}" for what, n in counts.most_common()) + ".",
        left_out,
        "Measured at " + ", ".join(f"{at} ({n})" for at, n in revisions.most_common()) + ".",
        "",
        "| fault | found by | verdict | named | should be |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        named = ", ".join(row["named"][:4]) or "-"
        named += " (now and then)" if row["occasional"] else ""
        cells = (row["name"], row["rule"] or "-", verdict(row), named, " or ".join(row["wanted"]) or "-")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure what is not measured yet, and write the table."""
    if sys.argv[1:2] == ["--one"]:
        return _run_one(sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("diagnosis.jsonl"))
    parser.add_argument("--table", type=Path, default=HERE / "diagnosis.md")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--whole", action="store_true", help="run the whole suite, not only the fault's first rule")
    options = parser.parse_args()
    wanted = causes()
    faults = {v.name: v for v in variants().values() if v.kind == "fault"}
    known = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {row["name"] for row in known}
    jobs = [v for name, v in faults.items() if name not in done and (not options.names or name in options.names)]
    with ThreadPoolExecutor(options.jobs) as pool, options.out.open("a") as out:
        for row in pool.map(lambda v: measure(v, wanted[v.name], whole=options.whole), jobs):
            known.append(row)
            out.write(json.dumps(row) + "\n")
            out.flush()
            told = f"{' or '.join(row['wanted']) or '-'} | {', '.join(row['named'][:5])}"
            print(f"{verdict(row):<24}{row['name']:<44}{told}", flush=True)
    order = list(faults)
    rows = sorted((r for r in known if r["name"] in faults), key=lambda r: order.index(r["name"]))
    rows = [{**row, "wanted": wanted[row["name"]]} for row in rows]
    if not options.names:
        options.table.write_text(table(rows), encoding="utf-8")
    having = [row for row in rows if row["wanted"] and row["rule"] is not None]
    right = sum(verdict(row).startswith("right") for row in having)
    wrong = [row["name"] for row in rows if verdict(row) == "WRONG"]
    print(f"right first: {right} of {len(having)}; wrong without doubt: {', '.join(wrong) or 'none'}")
    return int(right < WANTED * len(having) or bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
