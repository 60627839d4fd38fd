"""The few narrow protocols by which the services reach the outside. No I/O here, and nothing that knows who implements them."""
