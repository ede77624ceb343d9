"""Validate: what is invalid in itself is rejected, every copy of it, before anything else looks at it.

In:   decoded rows.  Out: for each row a reason or none, with words for people.
Time: none.  Late: none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core import refused, zones
from pipeline.core.context import TOPIC_NUMBER
from pipeline.core.decode import Fault
from pipeline.core.events import Events, Places, ends, valid
from pipeline.core.hashing import Codes, Mask
from pipeline.core.operations import Moves
from pipeline.core.origins import topics_of
from pipeline.core.reasons import Reject
from pipeline.core.vocabulary import TOPICS, Vocabulary

# Ids that name nobody, whatever the case and the space around them.
NOBODY = frozenset({"", "null", "none", "undefined", "anonymous", "guest", "0", "-1", "[object object]"})
ID_BYTES_MAX = 512  # of an id that the state keeps; vendors' are below 100
NAMED_MAX = 10_000  # profiles that one operation names: more than `rules.person_profiles_max` lets into one person
ALLOWANCE_MAX = 10**15  # activities a cycle: a thousand times what a core can count in a month
THRESHOLDS_MAX = 32  # of a plan
ACTIVITIES_MAX = 1024  # types of a plan's own set

UTF8_BYTES_MAX = 4  # of one character
_SHORT_CHARACTERS = ID_BYTES_MAX // UTF8_BYTES_MAX  # no id of so few has too many bytes

_NOBODY = pa.array(sorted(NOBODY))
# First bytes that a name of nobody can have: of one, whatever the case, of white space, or of what is not ASCII.
_BEGINS = np.array([n > 127 or chr(n).lower() in {name[:1] for name in NOBODY} or chr(n).isspace() for n in range(256)])
_KEPT_IDS = ("account_id", "source", "profile_id", "campaign_id")

Why = tuple[Reject, str]
_Check = Callable[[Mapping[str, Any]], Why | None]


def is_nobody(name: str) -> bool:
    """Whether an id names nobody."""
    return name.strip().lower() in NOBODY


class Faults:
    """The faults of a batch's rows; the first one of a row stands."""

    def __init__(self, events: Events) -> None:
        self._seq = events.seq
        self.found: list[Fault] = []
        self.bad: Mask = np.zeros(len(events), bool)

    def add(self, rows: Mask, reason: Reject, detail: str) -> None:
        """The rows of a mask, all with the same words."""
        if not rows.any():
            return
        for row in np.flatnonzero(rows & ~self.bad).tolist():
            self.add_one(row, reason, detail)

    def add_one(self, row: int, reason: Reject, detail: str, said: refused.Refused | None = None) -> None:
        """One row that has none yet; `said` where it tells of other bytes than its own."""
        self.found.append(Fault(int(self._seq[row]), reason, detail, said))
        self.bad[row] = True


def validate(events: Events, types: Codes, vocabulary: Vocabulary) -> Faults:
    """What is invalid in itself; `types` are the codes of the type column."""
    faults = Faults(events)
    _take_refused(events, types, faults)
    _check_types(events, types, vocabulary, faults)
    _check_ids(events, faults)
    plan: _Check = functools.partial(plan_fault, vocabulary)
    checks = {**_OPERATIONS, "account_plan_set": plan}
    if checks.keys().isdisjoint(types.values):
        return faults
    events.read_operations(np.flatnonzero(types.mask(t in _OPERATIONS for t in types.values) & ~faults.bad))
    for row in np.flatnonzero(types.mask(t in checks for t in types.values) & ~faults.bad).tolist():
        name = types.at(row) or ""
        if why := checks[name](events.operation(row) if name in _OPERATIONS else events.one(row)):
            faults.add_one(row, *why)
    return faults


def _take_refused(events: Events, types: Codes, faults: Faults) -> None:
    """What a collector refused, for the reason it gave. Told otherwise than it tells it, the type is an unknown one."""
    if refused.TYPE not in types.values:
        return
    rows = types.mask(name == refused.TYPE for name in types.values)
    rows &= topics_of(events.origin) == TOPICS.index(refused.TOPIC)
    for row in np.flatnonzero(rows).tolist():
        said = refused.read(dict(events.columns["properties"][row].as_py() or ()))
        if said is not None:
            faults.add_one(row, said.reason, said.detail, said)


def _check_types(events: Events, types: Codes, vocabulary: Vocabulary, faults: Faults) -> None:
    topic = topics_of(events.origin)
    known = [vocabulary.types.get(name) for name in types.values]
    expected = np.array([TOPIC_NUMBER[info.topic] if info else -1 for info in known], np.int64)
    if (expected[types.code] == topic).all():
        return
    for code, name in enumerate(types.values):
        rows = types.code == code
        info = vocabulary.types.get(name)
        if info is None:
            faults.add(rows, Reject.UNKNOWN_TYPE, f"type {name[:ID_BYTES_MAX]!r}")
        elif (wrong := rows & (topic != TOPICS.index(info.topic))).any():
            faults.add(wrong, Reject.WRONG_TOPIC, f"type {name} belongs on {info.topic}")


def _check_ids(events: Events, faults: Faults) -> None:
    for name in ("account_id", "source"):
        codes = events.codes(name)
        if "" in codes.values:
            faults.add(codes.mask(value == "" for value in codes.values), Reject.MISSING_FIELD, name)
    profile = events.columns["profile_id"]
    starts, stops = ends(profile)
    sizes = stops - starts
    for name in _KEPT_IDS:
        detail = f"{name} has more than {ID_BYTES_MAX} bytes"
        if name == "profile_id":
            faults.add((sizes > ID_BYTES_MAX) & valid(profile), Reject.IMPOSSIBLE_FIELD, detail)
        elif max(map(len, (codes := events.codes(name)).values), default=0) > _SHORT_CHARACTERS:
            too_long = codes.mask(len(value.encode()) > ID_BYTES_MAX for value in codes.values)
            faults.add(too_long, Reject.IMPOSSIBLE_FIELD, detail)
    if len(events) and (may := _begins(profile, starts, sizes)).any():
        faults.add(_nobody(profile, may), Reject.NOBODY, "profile_id")


def _begins(column: pa.Array, starts: Places, sizes: Places) -> Mask:
    """Whether a name of nobody may begin like a row's; a null begins like none."""
    octets = np.frombuffer(column.buffers()[2] or b"\0", np.uint8)
    may: Mask = _BEGINS[octets.take(starts, mode="clip")] | (sizes == 0)
    return may & valid(column) if column.null_count else may


def _nobody(column: pa.Array, may: Mask) -> Mask:
    """Names that name nobody; those that may not, by their first byte or as space is around one, are not looked at."""
    rows = np.flatnonzero(may)
    found = np.zeros(len(column), bool)
    if len(rows):
        names = pc.utf8_lower(pc.utf8_trim_whitespace(column.take(pa.array(rows))))
        found[rows] = pc.is_in(names, _NOBODY).to_numpy(zero_copy_only=False)
    return found


def merge_moves(event: dict[str, Any]) -> Moves:
    """What a valid merge moves: each source stands for the target."""
    return [(source, event["target"]) for source in dict.fromkeys(event["sources"])]


def split_moves(event: dict[str, Any]) -> Moves:
    """What a valid split moves: each part's target stands for itself, each member for its part's target."""
    return [(profile, part["target"]) for part in event["parts"] for profile in (part["target"], *part["members"])]


def merge_fault(event: Mapping[str, Any]) -> Why | None:
    """Why a merge is invalid in itself: the reason, and words that begin with the field."""
    if event["target"] is None:
        return Reject.MISSING_FIELD, "target"
    if not event["sources"]:
        return Reject.MISSING_FIELD, "sources"
    if why := _ids({"target": [event["target"]], "sources": event["sources"]}):
        return why
    if event["target"] in event["sources"]:
        return Reject.MERGE_WITH_ITSELF, "target is one of the sources"
    return None


def split_fault(event: Mapping[str, Any]) -> Why | None:
    """Why a split is invalid in itself: the reason, and words that begin with the field."""
    if event["split_source"] is None:
        return Reject.MISSING_FIELD, "split_source"
    if not event["parts"]:
        return Reject.MISSING_FIELD, "parts"
    members = [member for part in event["parts"] for member in part["members"]]
    targets = [part["target"] for part in event["parts"]]
    if why := _ids({"split_source": [event["split_source"]], "parts.target": targets, "parts.members": members}):
        return why
    if len({*targets, *members}) < len(targets) + len(members):
        return Reject.PROFILE_NAMED_TWICE, "parts"
    return None


_OPERATIONS: dict[str, _Check] = {"profile_merged": merge_fault, "profile_split": split_fault}


def _ids(named: dict[str, list[str]]) -> Why | None:
    if sum(map(len, named.values())) > NAMED_MAX:
        longest = max(named, key=lambda field: len(named[field]))
        return Reject.IMPOSSIBLE_FIELD, f"{longest}: the operation names more than {NAMED_MAX} profiles"
    for field, names in named.items():
        for name in names:
            if name.strip().lower() in NOBODY:
                return Reject.NOBODY, field
            if (len(name) if name.isascii() else len(name.encode())) > ID_BYTES_MAX:
                return Reject.IMPOSSIBLE_FIELD, f"{field} has more than {ID_BYTES_MAX} bytes"
    return None


def plan_fault(vocabulary: Vocabulary, event: Mapping[str, Any]) -> Why | None:
    """Why a plan is invalid in itself: the reason, and words that begin with the field."""
    plan = event["plan"]
    if plan is None:
        return Reject.MISSING_FIELD, "plan"
    thresholds, activities = plan["thresholds"], plan["activities"]
    impossible = [
        ("plan.allowance", not 1 <= plan["allowance"] <= ALLOWANCE_MAX),
        ("plan.anchor_day", not 1 <= plan["anchor_day"] <= 31),
        ("plan.time_zone", plan["time_zone"] not in zones.names()),
        ("plan.thresholds", len(thresholds) > THRESHOLDS_MAX or not all(0 < t < float("inf") for t in thresholds)),
        ("plan.activities", activities is not None and len(activities) > ACTIVITIES_MAX),
    ]
    for field, is_wrong in impossible:
        if is_wrong:
            return Reject.IMPOSSIBLE_FIELD, field
    unknown = [t for t in activities or () if t not in vocabulary.types]
    if unknown:
        return Reject.IMPOSSIBLE_FIELD, f"plan.activities: unknown type {unknown[0][:ID_BYTES_MAX]!r}"
    return None
