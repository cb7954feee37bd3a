"""Nets by name, checkpoints, and the edits that were done to a net."""
