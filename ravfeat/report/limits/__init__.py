"""The section "What this does not show"."""
