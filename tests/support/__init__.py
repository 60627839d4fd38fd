"""What tests, chaos and benchmarks share. Oracles do not stand here: they share no code with what they judge."""
