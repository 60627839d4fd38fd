"""The pool as the command line knows it: what is in manifests or in a cluster, told to the same core that decides."""
