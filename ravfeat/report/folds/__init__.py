"""Scores of every fold, and what each fold's fusion learned."""
