"""From a folder of images to leak-proof, preprocessed splits.

`located` says where a source lies, `find` recognises what has to be unpacked first, `scan` lists a
folder or a table, `fingerprint` names its content, `sniff` says what kind of images it holds,
`prepare` decodes every file once and writes the splits, `load` maps them back as a `Dataset`.
"""

from edgecls.data.contact import keep as keep_contact
from edgecls.data.copies import LEAKS
from edgecls.data.digits import write_digits
from edgecls.data.fingerprint import fingerprint
from edgecls.data.listing import Entry, Listing, Skipped
from edgecls.data.prepare import prepare
from edgecls.data.prepared import describe, load
from edgecls.data.sniff import Traits, sniff
from edgecls.data.sources import Packed, find, is_source, located, scan
from edgecls.data.sources.packed import told_as
from edgecls.data.splits import SplitFractions

__all__ = [
    "LEAKS",
    "Entry",
    "Listing",
    "Packed",
    "Skipped",
    "SplitFractions",
    "Traits",
    "describe",
    "find",
    "fingerprint",
    "is_source",
    "keep_contact",
    "load",
    "located",
    "prepare",
    "scan",
    "sniff",
    "told_as",
    "write_digits",
]
