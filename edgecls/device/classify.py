"""Labels for images, and accuracy on a folder with one folder a class."""

import os
import unicodedata
from typing import Any, Dict, List, Sequence

import numpy as np

from . import stats
from .errors import EdgeclsError
from .measure import probabilities
from .meta import Meta


def evaluate(directory: str, description: Meta, runner: Any) -> Dict[str, Any]:
    """Top-1 on `directory`/<label>/*; files that are no images are listed and left out."""
    correct = total = 0
    skipped: List[Dict[str, str]] = []
    folders = _class_folders(directory)
    known = [label for label in description.labels if label in folders]
    if not known:
        raise EdgeclsError(
            "{} has no folder named like one of the labels".format(directory),
            "labels: " + ", ".join(description.labels),
        )
    for label in sorted(set(folders) - set(known)):
        skipped.append({"file": folders[label], "reason": "no label of this model"})
    for label in known:
        for root, _, names in sorted(os.walk(folders[label])):
            for name in sorted(names):
                try:
                    image = description.preprocess.load(os.path.join(root, name))
                except EdgeclsError as error:
                    skipped.append({"file": os.path.join(root, name), "reason": error.cause})
                    continue
                predicted = int(np.argmax(runner.run(image[None])[0]))
                correct += predicted == description.labels.index(label)
                total += 1
    if not total:
        raise EdgeclsError("{} has no image that can be read".format(directory))
    low, high = stats.wilson(correct, total)
    return {
        "ok": True,
        "top1": correct / total,
        "top1_low": low,
        "top1_high": high,
        "num_images": total,
        "skipped": skipped,
    }


def label_of(folder_name: str) -> str:
    """The label of a class's folder: valid text, and one spelling of an accented letter."""
    text = os.fsencode(folder_name).decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", text)


def _class_folders(directory: str) -> Dict[str, str]:
    """Label -> path, of every folder in `directory`."""
    try:
        paths = {label_of(name): os.path.join(directory, name) for name in os.listdir(directory)}
    except OSError as error:
        raise EdgeclsError("{} cannot be read: {}".format(directory, error.strerror)) from error
    return {label: path for label, path in paths.items() if os.path.isdir(path)}


def predict(images: Sequence[str], description: Meta, runner: Any) -> Dict[str, Any]:
    predictions = [_predict_one(path, description, runner) for path in images]
    return {"ok": all("error" not in p for p in predictions), "predictions": predictions}


def _predict_one(path: str, description: Meta, runner: Any) -> Dict[str, Any]:
    try:
        image = description.preprocess.load(path)
    except EdgeclsError as error:
        return {"file": path, "error": error.cause}
    shares = probabilities(runner.run(image[None]), description.postprocess.temperature)[0]
    order = np.argsort(-shares)[:5]
    best = float(shares[order[0]])
    return {
        "file": path,
        "label": description.labels[int(order[0])],
        "confidence": best,
        "rejected": best < description.postprocess.reject_threshold,
        "top": [[description.labels[int(i)], float(shares[i])] for i in order],
    }
