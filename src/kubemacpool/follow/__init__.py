"""Following the cluster: what the ledger is derived from, and what is reported about it."""
