"""The section "Recorded predictions": what a run's systems say of single clips."""
