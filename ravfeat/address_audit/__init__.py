"""Audits of what is published, caches and heads, by address or folder."""
