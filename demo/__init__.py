"""The main job, shown on a real control plane: `make demo`."""
