"""HTTPS: connections, requests and routes, each with bounds. Knows HTTP and TLS, and nothing of addresses."""
