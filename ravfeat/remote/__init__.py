"""Caches and heads at an address: a hub, an object store, a web server, a folder."""
