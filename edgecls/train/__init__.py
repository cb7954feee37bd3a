"""One training loop whose loss is an argument, so that every method reuses it."""
