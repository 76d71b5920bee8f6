"""Datasets in LVIS's form."""

import os
from dataclasses import replace
from typing import Literal

import numpy as np

from vild.data.coco import Coco
from vild.data.example import Example
from vild.errors import DataError


class Lvis(Coco):
    """A dataset in the form of LVIS v1.

    Frequent and common categories are base, rare ones are novel. An image is not
    annotated for all categories: `Example.negative_ids` and `not_exhaustive_ids` say
    which are certain to be absent and which are annotated in part. From these follow
    `Example.annotated_ids`: what is there or certainly absent, and not in part only.

    Args:
        annotations: the json, e.g. `lvis_v1_val.json`.
        images: the folder of COCO's images, in which the last two parts of
            `coco_url`, e.g. `val2017/000000007088.jpg`, or `file_name` are a file; None
            for one near the json, see `vild.data.image_files.find_folder`.
        missing: `"error"` for images that are not there when they are asked for;
            `"skip"` leaves them out, as the released converter does.
        name: of the dataset; None for that of the json.

    Raises:
        DataError: as for `Coco`, or if a category has no frequency.

    Example:
        >>> from pathlib import Path
        >>> text = '{"images": [], "annotations": [], "categories": []}'
        >>> _ = Path("lvis.json").write_text(text)
        >>> Lvis("lvis.json", "coco").name
        'lvis'
    """

    _url_first = True

    def __init__(
        self,
        annotations: str | os.PathLike[str],
        images: str | os.PathLike[str] | None = None,
        *,
        missing: Literal["error", "skip"] = "error",
        name: str | None = None,
    ) -> None:
        super().__init__(annotations, images, missing=missing, name=name)
        for category in self.categories:
            if category.frequency is None:
                raise DataError(
                    f"The category {category.name!r} of {str(annotations)!r} has no "
                    "frequency r, c or f, so this is not LVIS: read it as coco."
                )

    def __getitem__(self, index: int) -> Example:
        example = super().__getitem__(index)
        if not self.source.federated:  # nothing is said of what was searched for
            return example
        searched = np.union1d(example.category_ids, example.negative_ids)
        annotated = np.setdiff1d(searched, example.not_exhaustive_ids)
        return replace(example, annotated_ids=annotated.astype(np.int64))
