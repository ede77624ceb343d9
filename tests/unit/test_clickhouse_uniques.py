"""The literal lists of types in the SQL of `unique_differences`, held to the vocabulary."""

from __future__ import annotations

import re

from connectors.clickhouse import migrations, statements
from connectors.clickhouse.settings import Target
from pipeline.core import vocabulary

VERBS = ("opened", "unique_opened", "proxy_opened", "clicked", "unique_clicked")
TYPES = vocabulary.load().types


def test_the_view_looks_at_every_type_that_opens_or_clicks_and_at_no_other() -> None:
    values = statements.variables(Target("127.0.0.1", 8123, False, "default", "", "tally", None))
    made = [s for m in migrations.committed() for s in statements.split(m.text, values)]
    (view,) = [s for s in made if "VIEW `tally`.unique_differences" in s]
    expected = {f"{info.channel}_{verb}" for info in TYPES.values() if info.channel for verb in VERBS} & TYPES.keys()
    lists = re.findall(r"e\.type IN \((.*?)\)", view, re.S)
    assert len(lists) == 2
    for listed in lists:
        names = re.findall(r"'(\w+)'", listed)
        assert len(names) == len(set(names))
        assert set(names) == expected
