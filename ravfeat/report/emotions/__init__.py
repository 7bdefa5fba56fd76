"""Recall by emotion of the best system of each stream and of the fused one."""
