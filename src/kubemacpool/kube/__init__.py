"""The Kubernetes API server, and nothing else: how it is reached, what is followed in it and what is written to it.

Everything that the API server can do to a client (refuse, stall, cut a connection, restart, forget its history) ends
here as one of the errors in `kubemacpool.ports.errors` or is healed unseen.
"""
