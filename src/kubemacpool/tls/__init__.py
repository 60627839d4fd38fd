"""Certificates: issued, judged, kept in Secrets and put to use.

A private key is never logged and never part of an error.
"""
