"""Manifests as people keep them: read with the place of everything, and changed without touching anything else."""
