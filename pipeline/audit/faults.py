"""What ends an audit without a verdict."""

from __future__ import annotations


class AuditFailed(Exception):
    """There is no verdict: something cannot be reached or read, or was never at rest. Says what, and how to mend it."""


class UnknownAccounts(Exception):
    """Accounts that are asked for and have no rows; the message names near ones."""
