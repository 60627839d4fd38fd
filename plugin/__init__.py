"""The command line for those without a Python environment: one file with everything in it, and a manifest for krew."""
