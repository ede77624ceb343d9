"""Whom a hook's message is about: a profile within its list, and what merges and splits make of profiles. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.collect.altcraft.hook import Hook, id_text, impossible, somebody
from connectors.collect.pointers import ABSENT
from connectors.collect.reading import Unfit
from connectors.producer.fields import kind_of
from pipeline.core import validate
from pipeline.core.reasons import Reject


def profile_of(hook: Hook, list_id: str | None, may_be_null: bool) -> str | None:
    """The profile within its list; without one the hash of its e-mail; None where the message names nobody."""
    where, value = hook.where("profile_id") or "profile_id", hook.at("profile_id")
    if value is None and not may_be_null:
        return _within(list_id, f"deleted:{_deleted(hook)}")
    profile = somebody(where, value)
    if profile is not None:
        return _within(list_id, profile)
    for name, prefix in (("_xxh", "xxh"), ("_md5", "md5")):
        if (digest := id_text(name, hook.item.get(name))) is not None:
            return _within(list_id, f"{prefix}:{digest}")
    return None


def _deleted(hook: Hook) -> str:
    """Who stands for a profile that the vendor has deleted: by the endpoint's own word alone."""
    where = hook.where("deleted_profile_id")
    if where is None:
        raise Unfit(
            Reject.MISSING_FIELD,
            "profile_id is null: the profile is deleted, and a live copy of this event would count beside it; where no"
            " live ones were taken, an endpoint with --field deleted_profile_id=/event_data/send_message_id counts it",
        )
    found = somebody(where, hook.at("deleted_profile_id"))
    if found is None:
        raise Unfit(Reject.MISSING_FIELD, f"profile_id is null, and {where}, which stands for it, is missing")
    return found


def _within(list_id: str | None, profile: str) -> str:
    whole = profile if list_id is None else f"{list_id}/{profile}"
    return id_text("profile_id with its list_id", whole) or whole


def merged(hook: Hook, list_id: str | None) -> dict[str, Any]:
    """What a merge says: `sources` and `target`."""
    found = {
        "sources": _profiles(hook.where("sources") or "sources", _named(hook, "sources"), list_id),
        "target": _one(hook.where("target") or "target", _named(hook, "target"), list_id),
    }
    _check(validate.merge_fault(found))
    return found


def split(hook: Hook, list_id: str | None) -> dict[str, Any]:
    """What a split says: `split_source` and `parts`.

    A part is an object of `target` and `members`, or a profile alone, which then has no members.
    """
    where, given = hook.where("parts") or "parts", _named(hook, "parts")
    found = {
        "split_source": _one(hook.where("split_source") or "split_source", _named(hook, "split_source"), list_id),
        "parts": [_part(f"{where}/{place}", part, list_id) for place, part in enumerate(_listed(where, given))],
    }
    _check(validate.split_fault(found))
    return found


def _named(hook: Hook, role: str) -> Any:
    """What a merge or split cannot be without."""
    value = hook.at(role)
    if value is ABSENT or value is None or value in ("", []):
        raise Unfit(
            Reject.MISSING_FIELD,
            f"{role}: nothing stands at {hook.where(role)}, which is a guess unless the endpoint says so: the vendor"
            f" does not tell where; make an endpoint with --field {role}=PLACE",
        )
    return value


def _part(where: str, part: Any, list_id: str | None) -> dict[str, Any]:
    if not isinstance(part, Mapping):
        return {"target": _one(where, part, list_id), "members": []}
    members = part.get("members")
    return {
        "target": _one(f"{where}/target", part.get("target"), list_id),
        "members": [] if members is None else _profiles(f"{where}/members", members, list_id),
    }


def _profiles(where: str, value: Any, list_id: str | None) -> list[str]:
    return [_one(f"{where}/{place}", one, list_id) for place, one in enumerate(_listed(where, value))]


def _listed(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise impossible(where, f"must be a list of profiles; is {kind_of(value)}")
    return value


def _one(where: str, value: Any, list_id: str | None) -> str:
    found = somebody(where, value)
    if found is None:
        raise Unfit(Reject.MISSING_FIELD, f"{where} names no profile")
    return _within(list_id, found)


def _check(fault: validate.Why | None) -> None:
    if fault is not None:
        raise Unfit(*fault)
