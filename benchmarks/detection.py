"""Which variants of the bundled operator the suite calls faulty, by which rule, and how fast.

Every variant is a run of its own, as a user would start it; a fault's run ends with its first
failure. Results are kept one line each in detection.jsonl, so that an interrupted measurement goes
on where it stopped, on another machine too, and the table is written from all of them:

    python benchmarks/detection.py                     # every fault, seeds 1-5; conforming, 20 runs
    python benchmarks/detection.py --seeds 1 --runs 1  # once each
    python benchmarks/detection.py --kind fault no-tombstone win-less-stake
    python benchmarks/detection.py --behind replies-after-30ms --sample 90 --seeds 1 --effort standard --jobs 4

Exit status 1 when a fault was missed or a conforming variant accused.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pytest_provider_contract.reference.variants import Variant, parts, variants
from pytest_provider_contract.rules import RULES

HERE = Path(__file__).parent
TIMEOUT_S = {"quick": 300, "standard": 500, "certify": 1200}
# Windows that are hard to hit get the effort that an operator's certification gets.
_TIGHT = ("-200us", "-100us", "no-transaction")
_TOLD = re.compile(r"^(?:FAILED: )?([A-Z]+-\d\d) (?:MUST|SHOULD)  ", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """One run against one variant.

    Attributes:
        name: The variant's.
        seed: The run's.
        effort: Its ``--operator-effort``.
        commit: The suite's commit, with a ``+`` for uncommitted changes.
        right: Whether the fault was caught, or the conforming variant not accused.
        status: pytest's exit status, -1 for a run that did not end in time.
        rules: Rules that failed, the first to show first.
        callbacks: Callbacks sent when it showed first.
        seconds: Seconds from the run's start to then.
        steps: Length of the shrunk sequence, waits aside.
        wall_s: Seconds that the whole pytest process took.
        output: Its last words if it was not right.
        behind: Another variant that the operator was at the same time.
    """

    name: str
    seed: int
    effort: str
    commit: str
    right: bool
    status: int
    rules: list[str]
    callbacks: int | None
    seconds: float | None
    steps: int | None
    wall_s: float
    output: str
    behind: str = ""

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What makes it another measurement, of whatever commit."""
        return (self.name, self.seed, self.effort, self.behind)


def measure(variant: Variant, seed: int, effort: str, commit: str, behind: str) -> Row:
    """Run the suite against one variant."""
    fault = variant.kind == "fault"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command += [f"--operator-url=reference:{_joined(behind, variant)}", f"--operator-seed={seed}"]
        command += [f"--operator-effort={effort}", *(["-x"] if fault else [])]
        if fault and RULES[variant.rules[0]].level == "SHOULD":
            command.append("--operator-strict")
        # A user's Python keeps its bytecode; without, each start takes twice as long.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        started = time.monotonic()
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S[effort],
                check=False,
            )
            output, status = done.stdout + done.stderr, done.returncode
        except subprocess.TimeoutExpired as late:
            output, status = str(late), -1
        wall_s = time.monotonic() - started
        found = [json.loads(file.read_text()) for file in Path(folder).rglob("failures/*.json")]
    found.sort(key=lambda failure: failure["after"]["callbacks"])
    rules = list(dict.fromkeys([*(failure["broken"] for failure in found), *_TOLD.findall(output)]))
    right = status == 1 and bool(rules) if fault else status == 0
    first = found[0] if found else None
    return Row(
        variant.name,
        seed,
        effort,
        commit,
        right,
        status,
        rules,
        first and first["after"]["callbacks"],
        first and first["after"]["seconds"],
        first and len(first["steps"]),
        round(wall_s, 1),
        "" if right else output[-3000:],
        behind,
    )


def _joined(behind: str, variant: Variant) -> str:
    return f"{behind}+{variant.name}" if behind else variant.name


def _can_be_both(behind: str, variant: Variant) -> bool:
    try:
        parts(_joined(behind, variant))
    except ValueError:
        return False
    return True


def effort_of(variant: Variant, chosen: str) -> str:
    """The effort at which a variant is to be judged."""
    return "certify" if variant.name.endswith(_TIGHT) else chosen


def suite_commit() -> str:
    """The commit that is measured."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=True)  # noqa: S607
        return done.stdout.strip()

    # What it writes itself is kept in the repository, and makes no other suite.
    changed = git("status", "--porcelain", "--", "..", ":(exclude)detection.jsonl", ":(exclude)detection*.md")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


def read(path: Path) -> list[Row]:
    """The rows measured so far."""
    names = {field.name for field in fields(Row)}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Row(**{k: v for k, v in json.loads(line).items() if k in names}) for line in lines]


_LEGEND = (
    "*First rule*: what the first failure names, with how often where it differs; **bold** where it is none of"
    " the rules that the fault declares. *Callbacks* and *seconds*: until the first failure, median of the seeds."
    " *Steps*: of the longest of the shrunk sequences, and of the shortest seen."
)

# -- the table --------------------------------------------------------------------------------------


def tell(rows: Sequence[Row], note: str = "") -> str:
    """The Markdown table of some rows."""
    known = variants()
    by_name: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.name in known:
            by_name[row.name].append(row)
    faults = {n: by_name[n] for n, v in known.items() if v.kind == "fault" and by_name[n]}
    conforming = {n: by_name[n] for n, v in known.items() if v.kind == "conforming" and by_name[n]}
    behind = rows[0].behind if rows else ""
    title = f"# What the suite detects behind `{behind}`" if behind else "# What the suite detects"
    lines = [title, "", *_summary(faults, conforming), *([f"- {note}"] if note else []), ""]
    lines += ["## Faults", ""]
    lines += [
        _LEGEND,
        "",
        "| fault | effort | caught | first rule | declared | callbacks | seconds | steps |",
        "|---|---|---|---|---|---:|---:|---:|",
    ]
    lines += [_fault_line(known[name], found) for name, found in faults.items()]
    if conforming:
        lines += ["", "## Conforming wallets", "", "| wallet | effort | runs | alarms |", "|---|---|---:|---:|"]
    for name, found in conforming.items():
        efforts = " ".join(sorted({row.effort for row in found}))
        alarms = sum(not row.right for row in found)
        lines.append(f"| `{name}` | {efforts} | {len(found)} | {f'**{alarms}**' if alarms else 0} |")
    return "\n".join(lines) + "\n"


def _summary(faults: dict[str, list[Row]], conforming: dict[str, list[Row]]) -> list[str]:
    fault_rows = [row for found in faults.values() for row in found]
    other_rows = [row for found in conforming.values() for row in found]
    commits = ", ".join(f"`{commit}`" for commit in dict.fromkeys(row.commit for row in [*fault_rows, *other_rows]))
    seeds = sorted({row.seed for row in fault_rows})
    caught, alarms = sum(row.right for row in fault_rows), sum(not row.right for row in other_rows)
    declared = variants()
    named = sum(row.right and row.rules[0] in declared[row.name].rules for row in fault_rows)
    lines = [
        f"Made by `python benchmarks/detection.py` at commit {commits}; seeds {_ranges(seeds)}.",
        "",
        f"- {caught} of {len(fault_rows)} runs against {len(faults)} faults are red, {named} by a declared rule first.",
    ]
    if other_rows:
        lines.append(f"- {alarms} alarms in {len(other_rows)} runs against {len(conforming)} conforming wallets.")
    if times := sorted(row.seconds for row in fault_rows if row.right and row.seconds is not None):
        p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
        lines.append(
            f"- Time to the first failure: median {statistics.median(times):.2f} s, 95th percentile {p95:.2f} s."
        )
    if excess := [
        row.steps - _shortest(found)
        for found in faults.values()
        if len(found) > 1
        for row in found
        if row.steps is not None
    ]:
        near = sum(steps <= 1 for steps in excess)
        lines.append(f"- {near} of {len(excess)} shrunk sequences are within one step of the shortest seen.")
    missed = [name for name, found in faults.items() if not all(row.right for row in found)]
    if missed:
        lines.append("- Not always caught: " + ", ".join(f"`{name}`" for name in missed) + ".")
    return lines


def _fault_line(variant: Variant, found: Sequence[Row]) -> str:
    firsts: dict[str, int] = defaultdict(int)
    for row in found:
        if row.rules:
            firsts[row.rules[0]] += 1
    named = ", ".join(
        (rule if rule in variant.rules else f"**{rule}**") + (f" {count}x" if len(firsts) > 1 else "")
        for rule, count in firsts.items()
    )
    caught = sum(row.right for row in found)
    callbacks = [row.callbacks for row in found if row.callbacks is not None]
    seconds = [row.seconds for row in found if row.seconds is not None]
    steps = [row.steps for row in found if row.steps is not None]
    cells = [
        f"`{variant.name}`",
        found[0].effort,
        f"{caught}/{len(found)}" if caught == len(found) else f"**{caught}/{len(found)}**",
        named or "-",
        " ".join(variant.rules),
        f"{statistics.median(callbacks):.0f}" if callbacks else "-",
        f"{statistics.median(seconds):.2f}" if seconds else "-",
        f"{max(steps)} ({min(steps)})" if steps else "-",
    ]
    return "| " + " | ".join(cells) + " |"


def _shortest(found: Iterable[Row]) -> int:
    return min(row.steps for row in found if row.steps is not None)


def _ranges(numbers: Sequence[int]) -> str:
    if numbers and list(numbers) == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 1:
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers)) or "none"


# -- the command ------------------------------------------------------------------------------------


def main() -> int:
    """Measure what is not measured yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="variants; all by default")
    parser.add_argument("--kind", choices=["fault", "conforming"])
    parser.add_argument("--seeds", type=int, default=5, help="runs of every fault (%(default)s)")
    parser.add_argument("--runs", type=int, default=20, help="runs of every conforming variant (%(default)s)")
    parser.add_argument("--effort", choices=TIMEOUT_S, default="quick")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time (%(default)s)")
    parser.add_argument("--without-races", action="store_true", help="leave out what only concurrency shows")
    parser.add_argument(
        "--behind",
        default="",
        help="a conforming variant that every other is put behind; faults, if no --kind says otherwise",
    )
    parser.add_argument("--sample", type=int, help="so many of the faults, the same ones each time")
    parser.add_argument("--any-commit", action="store_true", help="take rows of other commits for measured too")
    parser.add_argument("--table-only", action="store_true", help="measure nothing more")
    parser.add_argument("--note", default="", help="what a reader of the table should know")
    parser.add_argument("--out", type=Path, default=HERE / "detection.jsonl", help="where rows are kept (%(default)s)")
    parser.add_argument("--table", type=Path, help="the table to write (detection.md, with its name if behind another)")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(variants())):
        parser.error(f"there is no variant {unknown[0]}")
    commit = suite_commit()
    # Of several rows about the same, the latest counts.
    kept = [row for row in read(options.out) if row.behind == options.behind]
    latest = {row.key: row for row in kept if options.any_commit or row.commit == commit}
    known, done = list(latest.values()), set(latest)
    usual = {"fault"} if options.behind else {"fault", "conforming"}
    kinds = {options.kind} if options.kind else usual
    chosen = [
        variant
        for variant in variants().values()
        if variant.kind in kinds
        and (not options.names or variant.name in options.names)
        and not (options.without_races and variant.part.__module__.endswith(".races"))
        and not variant.after_restart  # that is what tests/plugin/test_plugin_recheck.py is for
        and _can_be_both(options.behind, variant)
    ]
    if options.sample is not None:
        chosen = random.Random(options.sample).sample(chosen, min(options.sample, len(chosen)))  # noqa: S311
    wanted = [
        (variant, seed, effort_of(variant, options.effort), commit, options.behind)
        for seed in range(1, max(options.seeds, options.runs) + 1)
        for variant in chosen
        if not options.table_only
        and seed <= (options.seeds if variant.kind == "fault" else options.runs)
        and (variant.name, seed, effort_of(variant, options.effort), options.behind) not in done
    ]
    with ThreadPoolExecutor(options.jobs) as pool, options.out.open("a", encoding="utf-8") as out:
        for row in pool.map(lambda job: measure(*job), wanted):
            known.append(row)
            out.write(json.dumps(asdict(row)) + "\n")
            out.flush()
            print(_progress(row), flush=True)
    table = options.table or HERE / ("-".join(filter(None, ("detection", options.behind))) + ".md")
    table.write_text(tell(known, options.note), encoding="utf-8")
    wrong = sorted({row.name for row in known if not row.right})
    print(f"{sum(row.right for row in known)} of {len(known)} right; wrong: {', '.join(wrong) or 'none'}")
    return int(bool(wrong))


def _progress(row: Row) -> str:
    declared = variants()[row.name].rules
    other = "  other rule" if declared and row.rules and row.rules[0] not in declared else ""
    return (
        f"{'ok   ' if row.right else 'WRONG'} {row.name:<46} seed {row.seed} {row.effort:<8} "
        f"{','.join(row.rules) or '-'} after {row.callbacks} callbacks, {row.seconds} s; "
        f"{row.steps} steps; {row.wall_s} s{other}"
    )


if __name__ == "__main__":
    sys.exit(main())
