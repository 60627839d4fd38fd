"""Which replica leads: the Lease, acquired, renewed and released."""
