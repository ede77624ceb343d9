"""What a load needs, from what was measured."""
