"""HTTPS: the webhook's endpoint, the probes and the metrics. Knows HTTP and TLS, and nothing of addresses."""
