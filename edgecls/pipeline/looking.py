"""``data inspect``: any source of images, unpacked for the moment where it has to be."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgecls import data as datas
from edgecls.data import inspection
from edgecls.data.contact import Sheet
from edgecls.pipeline import places
from edgecls.pipeline.events import Events
from edgecls.recipe import DIGITS


def inspect(source: str, out: Path | None, events: Events) -> tuple[inspection.Inspection, Sheet]:
    """Decode every image of what ``--data`` takes. out: where results will lie, not among them."""
    places.check(source, out or Path(tempfile.gettempdir()) / "edgecls-inspection")
    with tempfile.TemporaryDirectory(prefix="edgecls-") as scratch:
        work = Path(scratch)
        images = work / "images"
        if source == DIGITS:
            datas.write_digits(images)
        else:
            place = datas.located(source)
            packed = datas.find(place)
            if packed is None:
                images = place
            else:
                with events.stage("unpacking the images") as progress:
                    packed.unpack(images, work, progress)
        listing = datas.scan(images)
        with events.stage("looking at the images") as progress:
            return inspection.inspect(listing, source, progress)
