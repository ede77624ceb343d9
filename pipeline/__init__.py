"""tally: counts marketing engagement exactly once."""
