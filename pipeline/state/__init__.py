"""A worker's states: one store per partition, brought up to its journal, with snapshots beside."""
