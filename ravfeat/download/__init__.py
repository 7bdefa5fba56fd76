"""Fetch recordings and model files over HTTP, checked against pinned checksums."""
