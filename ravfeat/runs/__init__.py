"""The run folder: one writer, one reader, one check; `ravfeat.runs.format` lists its files."""
