"""Refusals: what a worker will not go on with. Their texts name what, where, how to mend it; no event is skipped."""

from __future__ import annotations


class Refused(Exception):
    """One partition must not be worked on as it is; the others go on, and it is looked at again from time to time."""


class Unstartable(Exception):
    """The worker as a whole must not run: wrong topics, no broker. `code` is the exit code."""

    code = 1


class WrongSetting(Unstartable):
    """A setting is not what the topics or the journal were made with: another hash seed, number of partitions."""

    code = 2
