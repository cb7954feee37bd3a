"""The page of an evaluation, from its folder alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecls.evaluation import NAME, Evaluation, Scored
from edgecls.report import units
from edgecls.report.data import SKIPPED, named_files
from edgecls.report.hero import tile
from edgecls.report.loading import flipped, pictures
from edgecls.report.making import settings
from edgecls.report.markup import Html, el, foreign, prose
from edgecls.report.measuring import flat
from edgecls.report.page import Head, Section, document
from edgecls.report.pictures import worst
from edgecls.report.quality import classes
from edgecls.report.reliability import reliability
from edgecls.report.trained import cross_validation, learning_curve, more_images
from edgecls.report.trust import trust
from edgecls.train.calibration import Bin, Calibration


def page(folder: Path) -> str:
    """The whole HTML document. Raises EdgeclsError for a folder that holds no evaluation."""
    found = Evaluation.read(folder)
    sections = []
    if found.scored is not None:
        sections += _score_sections(folder, found, found.scored)
    if found.compared is not None:
        flips = flipped(folder, found.compared)
        about = "What the accuracy alone does not show, against the model that was named."
        content = trust(found.compared, flips, found.labels)
        sections.append(Section("trust", "Against another model", about, content))
    if found.folds is not None:
        sections.append(Section("folds", "Cross-validation", "", cross_validation(found.folds)))
    if found.curve is not None:
        sections.append(Section("learning", "Learning curve", "", learning_curve(found.curve)))
    sections += [
        Section("images", "Images", "", _images(found)),
        Section("reproduce", "Do it again", "", _reproduce(found)),
    ]
    return document(Head(found.name, found.version, found.created), _hero(found), sections)


def _hero(found: Evaluation) -> list[Html]:
    words = [el("p", "Evaluation", class_="eyebrow")]
    tiles = []
    if found.scored is not None:
        score, subject = found.scored.metrics, found.scored.subject
        head = f"{units.percent(score['top1'])} of {units.plural(score['num_images'], 'image')}"
        words.append(el("h2", f"{head} right"))
        about = f"The {subject.kind} "
        words.append(
            el(
                "p",
                about,
                el("code", foreign(subject.path)),
                f" ({subject.about}) on the images of ",
                el("code", foreign(found.source)),
                f": {found.scored.split}.",
                class_="evidence",
            )
        )
        tiles = _tiles(score)
    elif found.folds is not None:
        words.append(el("h2", f"{units.percent(found.folds.mean)} over the folds"))
    elif found.curve is not None:
        words.append(el("h2", f"{units.percent(found.curve.parts[-1].top1)} with every image"))
    if found.folds is not None:
        between = units.interval(found.folds.low, found.folds.high)
        name = f"{len(found.folds.parts)} folds"
        tiles.append(tile(name, units.percent(found.folds.mean), f"95 % interval {between}"))
    if tiles:
        words.append(el("ul", *tiles, class_="tiles"))
    if found.curve is not None:
        words.append(el("p", prose(more_images(found.curve)), class_="reason"))
    parts = [el("div", *words, class_="hero none" if found.warnings else "hero")]
    if found.warnings:
        items = [el("li", text) for text in found.warnings]
        title = el("strong", "Read the figures with care")
        parts.append(el("div", title, el("ul", *items), class_="notice", role="note"))
    return parts


def _tiles(score: Mapping[str, Any]) -> list[Html]:
    between = units.interval(score["top1_low"], score["top1_high"])
    tiles = [tile("Top-1", units.percent(score["top1"]), f"95 % interval {between}")]
    if "top5" in score:
        note = "the true class is among the five likeliest"
        tiles.append(tile("Top-5", units.percent(score["top5"]), note))
    tiles.append(tile("F1", units.percent(score["macro_f1"]), "mean over the classes"))
    tiles.append(tile("ECE", units.percent(score["ece"]), "gap of confidence and accuracy"))
    return tiles


def _score_sections(folder: Path, found: Evaluation, scored: Scored) -> list[Section]:
    import numpy as np

    matrix = np.zeros((len(found.labels),) * 2, np.int64)
    for true, said, count in scored.confusion:
        matrix[true, said] = count
    shown = worst(pictures(folder, scored.mistakes), found.labels)
    sure = reliability(_calibration(scored.raw), _calibration(scored.calibrated))
    none = [el("p", "None: every answer is right.", class_="muted")]
    return [
        Section("classes", "Classes", "", classes(found.labels, matrix)),
        Section("mistakes", "Worst mistakes", "", shown or none),
        Section("confidence", "Confidence", "", sure),
    ]


def _calibration(data: Mapping[str, Any]) -> Calibration:
    bins = tuple(Bin(**each) for each in data["bins"])
    return Calibration(**{**data, "bins": bins})


def _images(found: Evaluation) -> list[Html]:
    parts = [el("p", "Source: ", el("code", foreign(found.source)))]
    parts += [el("p", text) for text in found.notes]
    if found.scored is not None:
        parts.append(named_files("Skipped files", found.scored.skipped, SKIPPED, NAME))
    return parts


def _reproduce(found: Evaluation) -> list[Html]:
    parts = [el("pre", el("code", found.command), class_="copy")]
    about = f"edgecls {found.version}, {units.moment(found.created)}"
    parts.append(el("p", about, class_="muted"))
    if found.recipe:
        how = settings(flat(found.recipe))
        parts.append(el("details", el("summary", "How the folds and sizes were trained"), how))
    return [*parts, el("h3", "The machine"), settings(flat(found.environment))]
