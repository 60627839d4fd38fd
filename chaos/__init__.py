"""Faults on a real control plane while pods are created: `make chaos`. See docs/chaos.md.

Nothing of the program under test is imported here: what it must not do is judged by what the API server tells.
"""
