"""Mutation fuzzing: damaged files of every kind through the readers of them."""
