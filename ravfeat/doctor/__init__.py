"""Examine this machine: what is here, what would be used, what is missing; `examine.examine` is the door."""
