"""Everything that reaches the world outside the pipeline: producers, collectors, files, ClickHouse, the local stack."""
