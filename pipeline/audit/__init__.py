"""The audit: the journal's fold, the views' sums and a recount from raw rows, compared while everything runs."""
