"""Sentences of the report that depend on the runs at hand, and names of systems in drawings."""
