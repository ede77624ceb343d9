"""Canonical events of an account's own programs: JSON, JSON lines, CloudEvents; checked as by `tally produce`."""
