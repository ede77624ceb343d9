"""Exported files into the source topics: `source` unpacks, `tables` and `values` cut rows, `sink` sends them."""
