"""The local stack: a real Kafka and a real ClickHouse engine on a machine with Python alone."""
