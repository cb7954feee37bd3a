"""Augmentation of whole batches, each image by its own draw.

Every draw comes from the generator that is given, none from torch's own, so that batches can be
made ahead in a thread and still be the same.
"""

from edgecls.train.augment.batch import augment
from edgecls.train.augment.mixing import mix
from edgecls.train.augment.presets import Augmentation, resolve

__all__ = ["Augmentation", "augment", "mix", "resolve"]
