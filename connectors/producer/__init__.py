"""Events from JSON lines into the source topics: `rows` translates, `source` reads lines, `service` sends."""
