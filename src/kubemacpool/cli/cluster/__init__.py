"""The cluster as a person reaches it: by a kubeconfig, for one answer."""
