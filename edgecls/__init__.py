"""edgecls: from a folder of images to a verified, measured, packaged classifier for a device."""

__version__ = "0.1.0"
