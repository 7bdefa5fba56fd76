"""Drawings of the report; `style` is their one look, `marks` what a mark stands for, `rows` their layout."""
