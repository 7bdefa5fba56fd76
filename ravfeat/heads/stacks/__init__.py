"""Batched heads in training: by autograd, or with forward and backward passes written by hand."""
