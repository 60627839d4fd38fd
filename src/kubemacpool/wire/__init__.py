"""Bytes to structs and back: what the API server and the people who write manifests send us, and what we answer. Pure.

A struct names only the fields that we need; everything else is skipped while it is read, unseen and uncopied.
"""
