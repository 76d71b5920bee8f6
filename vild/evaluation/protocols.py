"""What is counted, and how: the rules of LVIS, COCO, VOC and of proposals."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vild.errors import InputError

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Overlaps that a detection must reach; AP50 and AP75 are the first and the sixth."""

RECALLS = np.linspace(0.0, 1.0, 101)
"""Recalls at which precision is read off."""

AREAS = {
    "": (0.0, 1e10),
    "s": (0.0, 32.0**2),
    "m": (32.0**2, 96.0**2),
    "l": (96.0**2, 1e10),
}
"""Sizes of objects in square pixels, both ends included: all, small, medium, large."""

Rules = Literal["coco", "lvis", "voc", "proposals"]


@dataclass(frozen=True)
class Protocol:
    """A way to judge a detector.

    Attributes:
        name: what `protocol=` takes.
        about: one line for people.
        rules: whose matching is used. `coco`: each class on its own, crowds excuse
            what lies in them. `lvis`: as well, but an image is judged only for the
            classes that its annotation speaks of. `voc`: a detection is held
            against the one object it overlaps most. `proposals`: without classes,
            recall only.
        per_image: detections of an image that count, the best ones; None for all.
        per_class: detections of an image and a class that count. The last bounds
            precision, recall is told at each; () for no bound.
        open_vocabulary: whether only base and novel categories take part, in the
            images that show one of them.

    Source: LVIS API (lvis 0.5.3), COCO API (pycocotools 2.0), the devkit of PASCAL
    VOC; for the open-vocabulary setting see `vild.data.coco_split`.
    """

    name: str
    about: str
    rules: Rules
    per_image: int | None = None
    per_class: tuple[int, ...] = ()
    open_vocabulary: bool = False

    @property
    def max_detections(self) -> int:
        """Detections an image should be asked for."""
        return self.per_image or max(self.per_class, default=300)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("lvis", "LVIS v1, federated, 300 detections", "lvis", 300, (300,)),
        Protocol("coco", "COCO, 100 detections", "coco", None, (1, 10, 100)),
        Protocol(
            "coco-ovd",
            "COCO, 48 base and 17 novel categories together",
            "coco",
            None,
            (1, 10, 100),
            open_vocabulary=True,
        ),
        Protocol("voc", "PASCAL VOC, AP50 and AP75", "voc"),
        Protocol("objects365", "Objects365, as COCO", "coco", None, (1, 10, 100)),
        Protocol(
            "proposals",
            "recall of boxes without classes",
            "proposals",
            None,
            (100, 300, 1000),
        ),
    )
}


def get_protocol(protocol: str | Protocol) -> Protocol:
    """A protocol by its name.

    Args:
        protocol: a name, or a protocol, which is returned.

    Returns:
        The protocol.

    Raises:
        InputError: if there is none of that name.

    Example:
        >>> get_protocol("lvis").per_image
        300
    """
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise InputError(
            f"There is no protocol {protocol!r}; there are: {', '.join(PROTOCOLS)}."
        )
    return PROTOCOLS[protocol]
