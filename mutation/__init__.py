"""Small mistakes made in the dangerous code, one at a time, to see whether the unit tests notice: `make mutation`.

The mistakes are mutmut's. What survives is judged in `survivors.toml`, by what was changed into what: the numbers of
mutants move whenever a function does.
"""
