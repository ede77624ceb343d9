"""Connectif: calls of send events, whose body the account defines, and the activities of an exported CSV."""
