"""The image of KubeMacPool, made without a container engine, root or a registry.

`make image` unpacks the Debian packages of a lock file, installs the locked wheels and ours, has the byte code compiled
by the interpreter that it just unpacked, and writes an OCI archive for every platform. What goes in is in `contents`.
"""
