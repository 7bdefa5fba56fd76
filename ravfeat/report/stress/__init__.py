"""A run's heads on changed test recordings."""
