"""Named faults, theme by theme."""
