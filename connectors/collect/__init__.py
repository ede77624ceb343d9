"""Vendors' deliveries into the source topics: over HTTP, from exported files, from a vendor's own Kafka topic."""
