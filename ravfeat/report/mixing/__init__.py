"""The mixing weights that a fusion chose, and those it could have chosen."""
