"""What the program reports of itself: logs and metrics."""
