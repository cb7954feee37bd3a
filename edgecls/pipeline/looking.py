"""``data inspect``: any source of images, unpacked for the moment where it has to be."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from edgecls import data as datas
from edgecls.data import inspection
from edgecls.data.contact import Sheet
from edgecls.data.inspection import FIGURES, Inspection
from edgecls.pipeline import places
from edgecls.pipeline.events import Events
from edgecls.recipe import DIGITS
from edgecls.report.inspection import page
from edgecls.rundir import write_text

PAGE = "inspection.html"


def inspect(source: str, out: Path | None, events: Events, force: bool = False) -> Inspection:
    """Decode every image of what ``--data`` takes.

    out: a folder for PAGE and FIGURES, which never replaces another one without `force`, or None.
    """
    places.check(source, out or Path(tempfile.gettempdir()) / "edgecls-inspection")
    if out is not None:
        places.free(out, force, filter(Path.exists, [Path(source)]))
    found, sheet = _look(source, events)

    def write(part: Path) -> None:
        write_text(part / FIGURES, as_text(found))
        write_text(part / PAGE, page(found, sheet))

    if out is not None:
        places.place(out, write)
    return found


def as_text(found: Inspection) -> str:
    """All of it as JSON."""
    return json.dumps(found.to_json(), indent=1) + "\n"


def _look(source: str, events: Events) -> tuple[Inspection, Sheet]:
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
        # What no training would take is what one wants to see.
        listing = datas.scan(images, lenient=True)
        with events.stage("looking at the images") as progress:
            return inspection.inspect(listing, source, progress)
