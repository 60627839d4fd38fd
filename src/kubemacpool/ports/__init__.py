"""The few narrow protocols by which the services reach the outside. No I/O, and no knowledge of who implements them."""
