"""Heads: small models trained on cached features. `registry` lists them by name, `base` is the contract of each."""
