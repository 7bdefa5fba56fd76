"""The same head on an actor split and on the LEAKY clip split, and how well its features tell actors apart."""
