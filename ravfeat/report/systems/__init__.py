"""Recall and confusion of one system."""
