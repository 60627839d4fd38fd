"""KubeMacPool: MAC addresses from a pool for secondary interfaces, never the same one twice."""
