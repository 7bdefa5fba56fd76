"""What shuffling groups of inputs costs a run's heads."""
