"""What an event says about its contact: few values, so that they meet; some are empty, missing or no numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.property.dice import Dice
from tests.property.shapes import Shape

_Says = Sequence[str | None]  # None: the key is missing

_NUMBERS: _Says = ("10", "2.5", "-1", "0.00019", "100000000000000000", "1000000000000000000", "many", "1e3", "", None)
_ATTRIBUTES: Mapping[str, _Says] = {
    "email": (None, None, "a@x", "B@x", ""),
    "first_name": (None, None, "Ann", ""),
    "last_name": (None, None, None, "Bo"),
    "date_of_birth": (None, None, None, "1990-01-31"),
    "mobile_phone": (None, None, None, "+1"),
    "points": (None, None, "5", "7.00009", "many"),
}
_PRODUCT: _Says = ("x", "y", "y", "z", "", None)
_SEGMENT: _Says = ("s1", "s1", "s2", "", None)
_PROPERTIES: Mapping[str, Mapping[str, _Says]] = {
    "crm_purchase": {"value": _NUMBERS, "points": (None, None, None, "3")},
    "crm_cart_updated": {"product_ids": ("x,y", "z", "y,,x", "", None)},
    "crm_cart_product_added": {"product_id": _PRODUCT},
    "crm_cart_product_removed": {"product_id": _PRODUCT},
    "crm_balance_updated": {"points": _NUMBERS},
    "crm_custom": {"points": (None, None, None, "4"), "value": (None, "1")},
    "profile_entered_segment": {"segment": _SEGMENT},
    "profile_exited_segment": {"segment": _SEGMENT},
}


def words(dice: Dice, shape: Shape, type_name: str) -> dict[str, dict[str, str]]:
    """The fields `properties` and `attributes` of an event of a type, where they say something."""
    said = {"properties": _chosen(dice, _PROPERTIES.get(type_name, {}))}
    if type_name == "push_subscription_migrated":
        said["properties"] = _chosen(dice, {"from_profile_id": (*shape.profiles, "", None)})
    if type_name.startswith("profile_"):
        said["attributes"] = _chosen(dice, _ATTRIBUTES)
    return {field: values for field, values in said.items() if values}


def _chosen(dice: Dice, says: Mapping[str, _Says]) -> dict[str, str]:
    chosen = {key: dice.choose(values) for key, values in says.items()}
    return {key: value for key, value in chosen.items() if value is not None}
