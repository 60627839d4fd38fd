"""A development cluster on one machine, without Docker: a real control plane, and nodes that KWOK simulates.

The command line (`python -m devcluster`) and the tests stand on the same class, `devcluster.controlplane.ControlPlane`.
"""
