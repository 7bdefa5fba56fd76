"""Learned layer weights."""
