"""The import graph: which way imports point, and what the plugin's being installed costs."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = {"httpx", "cryptography", "hypothesis", "jsonschema", "h11", "filelock", "waitress"}


def test_imports_point_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def loaded_with(module: str) -> set[str]:
    """What importing a module loads."""
    program = f"import json, sys, {module}; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_entry_point_is_cheap() -> None:
    loaded = loaded_with("pytest_provider_contract.plugin")
    assert not HEAVY & {name.partition(".")[0] for name in loaded}
    assert {name for name in loaded if name.startswith("pytest_provider_contract.")} == {
        "pytest_provider_contract.plugin"
    }


def test_what_only_some_runs_need_is_loaded_by_them() -> None:
    loaded = loaded_with("pytest_provider_contract.session")
    assert not {"hypothesis", "jinja2", "pytest_provider_contract.diagnosis.flaws"} & loaded
