"""The core, with what it needs of this deployment: rules, hash seed, writer schemas, vocabulary."""

from __future__ import annotations

from typing import Any

from pipeline import schema_ids
from pipeline.core import decide, fold, state, vocabulary, window
from pipeline.core.accounts import Accounts
from pipeline.core.batch import Slab
from pipeline.core.context import RULES_VERSION, Context, fingerprint
from pipeline.core.record import Record, Rules
from pipeline.core.undo import Undo
from pipeline.settings import Settings
from pipeline.state.core import Columns, Size


def rules_in_force(settings: Settings) -> Rules:
    """The rules of these settings, as a journal record carries them.

    Raises:
        SettingsError: no hash seed.
    """
    rules = settings.rules
    return Rules(
        RULES_VERSION,
        rules.window_days,
        rules.future_minutes_max,
        rules.unique_days,
        rules.person_profiles_max,
        fingerprint(settings.seed()),
    )


def build_context(settings: Settings) -> EngagementCore:
    """The core of these settings.

    Raises:
        SettingsError: no hash seed, or a registry without its client.
        SchemaChanged: a committed schema was changed.
        RegistryError: the Schema Registry is set and does not answer, or refuses.
    """
    decided = rules_in_force(settings)
    ids = schema_ids.resolve(settings)
    context = Context(decided, settings.seed(), schema_ids.writer_schemas(ids), vocabulary.load())
    return EngagementCore(context, ids["journal.v1.avsc"])


class EngagementCore:
    """The core behind the port `pipeline.state.core.Core`."""

    def __init__(self, context: Context, schema_id: int) -> None:
        self._context = context
        self._schema_id = schema_id

    @property
    def rules(self) -> Rules:
        """The rules that decide now."""
        return self._context.rules

    @property
    def schema_id(self) -> int:
        """The schema id in a journal record's frame: a Schema Registry's, where one is set."""
        return self._schema_id

    def empty(self) -> state.State:
        """The state before the first record."""
        return state.State()

    def cut(self, before: state.State, slabs: list[Slab]) -> list[list[Slab]]:
        """A batch in parts, where the stream's day changes."""
        return window.cut_days(before.stream_time, slabs)

    def decide(self, before: state.State, slabs: list[Slab]) -> Record:
        """What becomes of a part; touches nothing."""
        return decide.decide(before, slabs, self._context)

    def refuse(self, before: state.State, slabs: list[Slab], why: str) -> Record:
        """The same, with every new event rejected; `why` in words."""
        return decide.decide(before, slabs, self._context, why)

    def apply(self, before: state.State, record: Record) -> None:
        """The only thing that changes a state."""
        fold.apply(before, record, self._context.seed)

    def accounts(self, now: state.State) -> Accounts:
        """The state's own cycles and plans."""
        return now.accounts

    def size(self, now: state.State) -> Size:
        """How much the state remembers."""
        log, persons = now.log.dump(), now.persons.dump()  # views
        tables = (now.seen, now.held)
        arrays = [table.keys for table in tables] + [f for table in tables for f in table.fields.values()]
        entries = {
            "identities": now.seen.count,
            "facts": now.log.count - now.log.base,
            "pairs": now.held.count,
            "profiles": len(persons["key"]) - 1,
            "labels": len(now.labels),
            "accounts": len(now.accounts.cycles),
        }
        return Size(entries, sum(array.nbytes for array in (*arrays, *log.values(), *persons.values())))

    def freeze(self, now: state.State) -> Undo:
        """The state as it is now, to be copied while it goes on."""
        return state.freeze(now)

    def from_columns(self, columns: Columns) -> Any:
        """The state of such arrays."""
        return state.from_columns(columns)
