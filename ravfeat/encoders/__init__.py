"""Frozen encoders; `registry.load_encoder` is the door."""
