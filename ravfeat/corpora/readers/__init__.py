"""Read corpora as their owners distribute them: one file per corpus, from names of files and label tables to clips."""
