"""Who is tested when: named protocols, folds, and the leak check."""
