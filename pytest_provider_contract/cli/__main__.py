"""``python -m pytest_provider_contract.cli``: the command line where its script is not on the path."""

from __future__ import annotations

from pytest_provider_contract.cli import main

if __name__ == "__main__":
    main(prog_name="provider-contract")
