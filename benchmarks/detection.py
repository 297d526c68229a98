"""Which variants of the bundled operator the suite calls faulty, by which rule, and how fast.

Every variant is a run of its own, as a user would start it. Results are kept one line each, so
that an interrupted run goes on where it stopped:

    python benchmarks/detection.py [--out FILE] [--jobs 2] [--seeds 1] [--effort quick] [NAME ...]

Exit status 1 when a fault was missed or a conforming variant accused.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pytest_provider_contract.reference.variants import Variant, variants
from pytest_provider_contract.rules import RULES

TIMEOUT_S = 400
_FOUND = re.compile(r"^([A-Z]+-\d\d) (MUST|SHOULD)  ", re.MULTILINE)


def measure(variant: Variant, seed: int, effort: str) -> dict[str, object]:
    """Run the suite against one variant; a fault's run ends with its first failure."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command += [f"--operator-url=reference:{variant.name}", f"--operator-seed={seed}"]
        command += [f"--operator-effort={effort}", *(["-x"] if variant.kind == "fault" else [])]
        if variant.rules and RULES[variant.rules[0]].level == "SHOULD":
            command.append("--operator-strict")
        started = time.monotonic()
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
            output, status = done.stdout + done.stderr, done.returncode
        except subprocess.TimeoutExpired as late:
            output, status = f"timeout {late}", -1
        elapsed_s = time.monotonic() - started
        steps = [len(json.loads(f.read_text())["steps"]) for f in Path(folder).rglob("failures/*.json")]
    found = sorted({match[1] for match in _FOUND.finditer(output)})
    right = (status == 1 and bool(found)) if variant.kind == "fault" else status == 0
    return {
        "name": variant.name,
        "kind": variant.kind,
        "seed": seed,
        "status": status,
        "right": right,
        "rules": found,
        "expected": list(variant.rules),
        "steps": min(steps, default=None),
        "seconds": round(elapsed_s, 1),
        "output": "" if right else output[-3000:],
    }


def main() -> int:
    """Measure what is not measured yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("detection.jsonl"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--effort", default="quick")
    parser.add_argument("--kind", choices=["fault", "conforming"])
    options = parser.parse_args()
    known = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {(row["name"], row["seed"]) for row in known}
    wanted = [
        (variant, seed)
        for variant in variants().values()
        for seed in range(1, options.seeds + 1)
        if (not options.names or variant.name in options.names)
        and options.kind in (None, variant.kind)
        and (variant.name, seed) not in done
    ]
    with ThreadPoolExecutor(options.jobs) as pool, options.out.open("a") as out:
        for row in pool.map(lambda job: measure(*job, options.effort), wanted):
            known.append(row)
            out.write(json.dumps(row) + "\n")
            out.flush()
            mark = "ok   " if row["right"] else "WRONG"
            told = "" if set(row["rules"]) & set(row["expected"]) or row["kind"] == "conforming" else "  other rule"
            print(
                f"{mark} {row['kind']:<11}{row['name']:<46}{','.join(row['rules'])} "
                f"({','.join(row['expected'])}) {row['steps']} steps, {row['seconds']} s{told}",
                flush=True,
            )
    wrong = [row["name"] for row in known if not row["right"]]
    print(f"{len(known) - len(wrong)} of {len(known)} right; wrong: {', '.join(wrong) or 'none'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
