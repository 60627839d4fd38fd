"""Puts the program together from its parts, and takes it apart again in good order."""
