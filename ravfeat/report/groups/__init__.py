"""Scores by group of clips: men and women, weak and strong, and what else a table says of few values."""
