"""The documentation site: what it is made of, the tables that the code gives, and the picture of a run.

`make docs` builds it, `make reference` writes the tables, `make picture` the picture.
"""
