"""Download recordings and model files over HTTP, verified by checksums."""
