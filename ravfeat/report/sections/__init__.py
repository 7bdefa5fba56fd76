"""Sections of the report, one file each; `compose` puts them into the order of the argument."""
