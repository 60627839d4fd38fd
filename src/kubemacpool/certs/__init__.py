"""Certificates: issued, checked, kept in Secrets and put to use."""
