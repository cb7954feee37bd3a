"""Structured pruning: which channels hang together, what they are worth, how many go."""
