"""Which customer a body of Mindbox is about, if any: pure.

Ids are of several systems, whose values may be equal: Mindbox's own stands alone, others behind their system's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.collect.reading import Reading, bounded, first_somebody, plain

_OWN = ("/customer/mindbox_id", "/customer/mindboxId", "/customer/ids/mindboxId")
_OWN_SYSTEM = "mindboxId"


def named(reading: Reading, item: Mapping[str, Any]) -> str | None:
    """The customer: Mindbox's id, else another system's, email, phone or device; None where the event has none.

    Raises:
        Unfit: an id is no text or number; those that are given name nobody.
    """
    customer = item.get("customer")
    own = _OWN if customer is None or isinstance(customer, Mapping) else ("customer",)
    found = {"profile_id": reading.id("profile_id", *own)}
    others = reading.value("customer_ids", "/customer/ids")
    if isinstance(others, Mapping):
        found |= {f"customer.ids.{system}": _of_system(system, others[system]) for system in sorted(others)}
    found["email"] = reading.id("email", "/customer/email")
    found["phone"] = reading.id("phone", "/customer/mobile_phone", "/customer/mobilePhone")
    device = reading.id("device", "deviceUUID", "device_uuid")
    found["device"] = f"device:{device}" if device else None
    return first_somebody(found)


def one_of(ids: Any, role: str) -> str | None:
    """One id of an action: itself, or of several systems Mindbox's own, else that of the first system by name."""
    if isinstance(ids, list) and ids:
        ids = ids[0]
    if isinstance(ids, Mapping):
        given = {system: value for system, value in ids.items() if value not in (None, "")}
        system = _OWN_SYSTEM if _OWN_SYSTEM in given else min(given, default=None)
        return None if system is None else _of_system(system, given[system])
    return None if ids is None else bounded(role, plain(role, ids))


def _of_system(system: str, value: Any) -> str | None:
    if value in (None, ""):
        return None
    name = plain(f"id of system {system}", value)
    return bounded(f"id of system {system}", name if system == _OWN_SYSTEM else f"{system}:{name}")
