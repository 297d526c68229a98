"""An operator with both halves: launch code and wallet."""
