"""Reliability before and after temperature scaling."""
