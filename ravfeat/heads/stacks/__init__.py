"""Heads in training, many at once: what reads every window, written out forward and backward."""
