"""What is generated for users from the kustomize bases in config/: the release manifests."""
