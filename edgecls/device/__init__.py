"""What the host and the device need alike, written once.

A bundle carries this package verbatim as ``harness/``, so it imports nothing but the standard
library, numpy and Pillow, by relative imports only, and keeps to Python 3.8.
"""
