"""The contract as pytest tests, one file per chapter."""
