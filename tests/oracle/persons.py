"""Merges and splits: section 5. From the set of accepted operations, whatever their order."""

from __future__ import annotations

from collections import Counter

from tests.oracle.history import Event, when

Profile = tuple[str, str]  # (account, profile)
Register = tuple[str, tuple[int, int]]  # (stands for, (occurred_at, identity))


def is_operation(event: Event) -> bool:
    """A merge or split that is no test."""
    return event["type"] in ("profile_merged", "profile_split") and not event["is_test"]


def moves(operation: Event) -> list[tuple[str, str]]:
    """Which profile stands for which, by one operation."""
    if operation["type"] == "profile_merged":
        return [(source, operation["target"]) for source in operation["sources"]]
    named = [(part["target"], [part["target"], *part["members"]]) for part in operation["parts"]]
    return [(profile, target) for target, profiles in named for profile in profiles]


def registers(operations: list[Event]) -> dict[Profile, Register]:
    """Each profile's one register: the later operation wins."""
    found: dict[Profile, Register] = {}
    for operation in operations:
        for profile, target in moves(operation):
            key = operation["account_id"], profile
            if key not in found or found[key][1] < when(operation):
                found[key] = target, when(operation)
    return found


def person_of(account: str, profile: str, known: dict[Profile, Register]) -> str:
    """Who a profile stands for: itself, or what merges made of it."""
    path = [profile]
    while True:
        here = path[-1]
        if (account, here) not in known or known[account, here][0] == here:
            return here
        target = known[account, here][0]
        if target in path:
            loop = path[path.index(target) :]
            return min(loop, key=lambda p: (known[account, p][1], p))
        path.append(target)


def named(operation: Event) -> set[str]:
    """The profiles that an operation names, one that is split included."""
    source = {operation["split_source"]} if operation["type"] == "profile_split" else set()
    return source | {name for move in moves(operation) for name in move}


def persons(operations: list[Event]) -> dict[Profile, str]:
    """The person of every profile that an operation names; every other stands for itself."""
    known = registers(operations)
    everybody = {(o["account_id"], name) for o in operations for name in named(o)}
    return {(account, profile): person_of(account, profile, known) for account, profile in everybody}


def sizes(operations: list[Event]) -> list[int]:
    """How many profiles each person has."""
    return list(Counter((account, person) for (account, _), person in persons(operations).items()).values())
