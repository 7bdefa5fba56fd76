"""The ledger of tries beside the caches: a line for every fit, every trial of a sweep and every reveal."""
