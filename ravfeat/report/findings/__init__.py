"""What the report found in the runs: systems, differences, folds, layers, calibration, mixtures."""
