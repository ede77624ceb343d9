"""Merges and splits of Altcraft's profiles."""

from __future__ import annotations

import pytest

from connectors.collect.altcraft.rows import KEYS
from pipeline.core.reasons import Reject
from tests.unit.altcraft_world import endpoint, event, put, refusal, sample, without


def test_a_merge_names_profiles_of_its_list() -> None:
    found = event(sample("profile_merge.json"))
    assert found["sources"] == ["111/5a8c045fc1dde44cbfa00001", "111/5a8c045fc1dde44cbfa00002"]
    assert found["target"] == "111/5a8c045fc1dde44cbf00002e"


def test_a_merge_is_read_where_the_endpoint_says() -> None:
    item = put(sample("profile_merge.json"), "event_data", {"from": [{"id": 1}], "ids": [1, "b"], "to": {"id": 9}})
    found = event(item, endpoint(sources="/event_data/ids", target="/event_data/to/id"))
    assert (found["sources"], found["target"]) == (["111/1", "111/b"], "111/9")


@pytest.mark.parametrize(
    ("key", "roles"), [("profile_merge", ["sources", "target"]), ("profile_split", ["split_source", "parts"])]
)
def test_what_a_merge_or_split_lacks_is_refused_with_the_name_of_the_setting(key: str, roles: list[str]) -> None:
    item = sample(f"{key}.json")
    for role in roles:
        for nothing in (None, "", []):
            found = refusal(put(item, f"event_data.{role}", nothing))
            assert found.reason == Reject.MISSING_FIELD
            assert f"--field {role}=PLACE" in found.detail
            assert f"/event_data/{role}" in found.detail
    assert refusal(put(item, "event_data", {})).reason == Reject.MISSING_FIELD


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("event_data.sources", "p1", Reject.IMPOSSIBLE_FIELD),
        ("event_data.sources", [["p1"]], Reject.IMPOSSIBLE_FIELD),
        ("event_data.sources", [None], Reject.MISSING_FIELD),
        ("event_data.sources", ["guest"], Reject.NOBODY),
        ("event_data.target", 0, Reject.NOBODY),
        ("event_data.target", {"id": 1}, Reject.IMPOSSIBLE_FIELD),
        ("event_data.target", "5a8c045fc1dde44cbfa00001", Reject.MERGE_WITH_ITSELF),
    ],
)
def test_an_impossible_merge_is_refused(path: str, value: object, reason: Reject) -> None:
    assert refusal(put(sample("profile_merge.json"), path, value)).reason == reason


def test_a_split_names_parts_with_members_or_profiles_alone() -> None:
    found = event(sample("profile_split.json"))
    assert found["split_source"] == "111/5a8c045fc1dde44cbf00002f"
    assert found["parts"][0] == {"target": "111/5a8c045fc1dde44cbfb00001", "members": ["111/5a8c045fc1dde44cbfc00001"]}
    alone = event(put(sample("profile_split.json"), "event_data.parts", ["a", {"target": 2}]))
    assert alone["parts"] == [{"target": "111/a", "members": []}, {"target": "111/2", "members": []}]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"a": 1}, Reject.IMPOSSIBLE_FIELD),
        ([{}], Reject.MISSING_FIELD),
        ([{"target": "a", "members": "b"}], Reject.IMPOSSIBLE_FIELD),
        (["a", "a"], Reject.PROFILE_NAMED_TWICE),
        (["null"], Reject.NOBODY),
    ],
)
def test_an_impossible_split_is_refused(parts: object, reason: Reject) -> None:
    assert refusal(put(sample("profile_split.json"), "event_data.parts", parts)).reason == reason


@pytest.mark.parametrize("key", ["profile_merge", "profile_split"])
def test_a_merge_or_split_names_its_profiles_itself_and_may_be_about_none(key: str) -> None:
    nameless = event(put(without(sample(f"{key}.json"), "_xxh", "_md5"), "profile_id", None))
    assert nameless["profile_id"] is None
    assert nameless["type"] == KEYS[key][1]
