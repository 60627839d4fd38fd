"""The processes that run: admitting, deciding, following the cluster, proving the watch, reporting.

They hold what changes over time and know nothing of sockets: the outside comes in as protocols of `ports`.
"""
