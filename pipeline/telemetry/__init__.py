"""What a process says of itself: the registry that serves metrics, and what fills those that need more than a count."""
