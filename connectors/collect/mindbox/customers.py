"""Which customer a body of Mindbox is about, if any: pure.

Ids are of several systems, whose values may be equal: Mindbox's own stands alone, others behind their system's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.collect.reading import Reading, bounded, first_somebody, plain
from pipeline.core.validate import is_nobody

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
    found["customer.ids"] = _first_of_systems(others, "customer.ids") if isinstance(others, Mapping) else None
    found["email"] = reading.id("email", "/customer/email")
    found["phone"] = reading.id("phone", "/customer/mobile_phone", "/customer/mobilePhone")
    device = reading.id("device", "deviceUUID", "device_uuid")
    found["device"] = device if device is None or is_nobody(device) else f"device:{device}"
    return first_somebody(found)


def one_of(ids: Any, role: str) -> str | None:
    """One id of an action: itself, or of several systems Mindbox's own, else that of the first system by name."""
    if isinstance(ids, list) and ids:
        ids = ids[0]
    if isinstance(ids, Mapping):
        found = _first_of_systems(ids, role)
    else:
        found = None if ids is None else bounded(role, plain(role, ids))
    return None if found is None or is_nobody(found) else found


def _first_of_systems(ids: Mapping[str, Any], role: str) -> str | None:
    """Mindbox's own, else behind its system's name the first that names somebody; one that does not where none does."""
    given = {system: plain(role, ids[system]) for system in sorted(ids) if ids[system] not in (None, "")}
    somebody = next((system for system, name in given.items() if system != _OWN_SYSTEM and not is_nobody(name)), None)
    own = given.get(_OWN_SYSTEM)
    if own is not None and (somebody is None or not is_nobody(own)):
        return bounded(role, own)
    return next(iter(given.values()), None) if somebody is None else bounded(role, f"{somebody}:{given[somebody]}")
