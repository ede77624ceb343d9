"""The ClickHouse connector: the journal, projected into tables exactly once."""
