"""Following the cluster: what the ledger is derived from, and what is told about it."""
