"""Read a cache into the arrays that a head trains on."""
