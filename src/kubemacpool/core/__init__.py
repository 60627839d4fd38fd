"""The rules by which addresses are allocated. Pure: time comes in as an argument.

Nothing here knows of Kubernetes' API. The numbered rules that docstrings name are listed in docs/architecture.md.
Read in this order: `addresses`, `pool`, `occupancy`, `parties`, `families`, `carriers`, `in_flight`, `ledger`,
`decisions`, `limits`, `budgets`, `allocator`.
"""
