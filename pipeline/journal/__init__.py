"""The journal of decided batches: the chain rule, reading, appending."""
