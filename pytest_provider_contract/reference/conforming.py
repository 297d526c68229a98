"""Other ways to keep the contract."""
