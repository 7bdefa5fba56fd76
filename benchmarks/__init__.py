"""Measurements of what ravfeat is for, each as a ratio to the obvious alternative in the same run."""
