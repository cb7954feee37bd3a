"""Runs bundles under one protocol and turns what they say into `Measurement` rows."""
