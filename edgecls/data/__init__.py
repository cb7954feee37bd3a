"""From a folder of images to leak-proof, preprocessed splits.

`scan` lists a folder, `fingerprint` names its content, `sniff` says what kind of images it holds,
`prepare` decodes every file once and writes the splits, `load` maps them back as a `Dataset`.
"""

from edgecls.data.copies import LEAKS
from edgecls.data.digits import write_digits
from edgecls.data.fingerprint import fingerprint
from edgecls.data.listing import Entry, Listing, Skipped
from edgecls.data.prepare import prepare
from edgecls.data.prepared import describe, load
from edgecls.data.sniff import Traits, sniff
from edgecls.data.sources import scan
from edgecls.data.splits import SplitFractions

__all__ = [
    "LEAKS",
    "Entry",
    "Listing",
    "Skipped",
    "SplitFractions",
    "Traits",
    "describe",
    "fingerprint",
    "load",
    "prepare",
    "scan",
    "sniff",
    "write_digits",
]
