"""The run folder: what training wrote, how it is read, and how it is checked."""
