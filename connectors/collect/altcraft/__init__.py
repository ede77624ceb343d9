"""Altcraft: messages of action hooks, live or exported, to events (docs/vendors/altcraft.md)."""
