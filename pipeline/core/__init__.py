"""The pure core: what one partition decides about a batch, and what a journal record does to its state."""
