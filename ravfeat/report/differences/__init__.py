"""Systems against each other on the same performances."""
