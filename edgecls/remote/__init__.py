"""Where bundles run: this machine, a device behind ssh, an Android device behind adb.

`address` reads what ``--on`` names, `connected` gives its `Host`. Nothing but this package knows
how a device is reached.
"""
