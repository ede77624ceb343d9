"""Brevo: webhook payloads, single or batched, and exported rows, to events (docs/vendors/brevo.md)."""
