"""What can be set about a detection, under one name everywhere."""

import dataclasses
import numbers
import operator
from typing import Any, TypedDict

import numpy as np

from vild.data.preprocessing import canonical_size
from vild.errors import InputError

DTYPES = ("float32", "bfloat16", "float16")


class DetectOverrides(TypedDict, total=False):
    """Settings that apply to regions already found; see `Settings`."""

    pre_nms_detections: int
    max_detections: int
    nms_iou: float | None
    score_threshold: float
    rivals: bool
    masks: bool


class Overrides(DetectOverrides, total=False):
    """Settings that apply to a photo; see `Settings`."""

    image_size: int | tuple[int, int]
    pre_nms_proposals: int
    num_proposals: int


class ModelOverrides(Overrides, total=False):
    """Settings that apply when a detector is made; see `Settings`."""

    dtype: str


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a detector looks and what it reports.

    Attributes:
        image_size: the photo is scaled, keeping its shape, until it just fits
            (height, width) pixels; a number means a square.
        pre_nms_proposals: boxes per pyramid level that enter the suppression.
        num_proposals: regions per photo.
        pre_nms_detections: regions per class that enter the suppression.
        max_detections: detections per photo.
        nms_iou: of two boxes of one class that overlap this much or more, the
            better one stays. None: no suppression, each region is reported
            once, under its best class.
        score_threshold: scores strictly above it are reported.
        masks: whether masks can be asked for.
        dtype: `float32`; `bfloat16` and `float16` compute faster and less
            exactly, with weights kept in float32.
        rivals: whether the detector's own classes compete for the regions, though
            they are not reported: so what is not asked for is not taken for something
            that is. See `vild.lexicon.Lexicon.rivals`.

    Example:
        >>> Settings().replace(image_size=1024).image_size
        1024

    Source: the defaults are those of the released export.
    """

    image_size: int | tuple[int, int] = 640
    pre_nms_proposals: int = 1000
    num_proposals: int = 1000
    pre_nms_detections: int = 1000
    max_detections: int = 300
    nms_iou: float | None = 0.5
    score_threshold: float = 0.0
    masks: bool = True
    dtype: str = "float32"
    rivals: bool = False

    def __post_init__(self) -> None:
        # Plain values, whatever they came as: they are keys of compiled programs and
        # go into JSON files.
        height, width = canonical_size(self.image_size)
        self._set("image_size", height if height == width else (height, width))
        for name in (
            "pre_nms_proposals",
            "num_proposals",
            "pre_nms_detections",
            "max_detections",
        ):
            self._set(name, _count(name, getattr(self, name)))
        for name in ("nms_iou", "score_threshold"):
            value = getattr(self, name)
            if isinstance(value, numbers.Real) and not isinstance(value, bool):
                self._set(name, float(value))
        if self.nms_iou is not None and not _in_unit(self.nms_iou, closed=True):
            raise InputError(
                f"nms_iou must be above 0 and at most 1, or None for no suppression; "
                f"received {self.nms_iou!r}."
            )
        if not _in_unit(self.score_threshold, closed=False):
            raise InputError(
                "score_threshold must be at least 0 and below 1; received "
                f"{self.score_threshold!r}."
            )
        for name in ("rivals", "masks"):
            value = getattr(self, name)
            if isinstance(value, np.bool_):
                self._set(name, bool(value))
            elif not isinstance(value, bool):
                raise InputError(f"{name} must be True or False; received {value!r}.")
        if self.dtype not in DTYPES:
            raise InputError(
                f"dtype must be one of {', '.join(DTYPES)}; received {self.dtype!r}."
            )

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """The settings by name, JSON-serialisable."""
        return dataclasses.asdict(self)

    def replace(
        self, overrides: Any = None, allowed: Any = ModelOverrides, **more: Any
    ) -> "Settings":
        """These settings with some changed.

        Args:
            overrides: setting -> value.
            allowed: the TypedDict of settings that may change here.
            **more: settings by keyword.

        Returns:
            New settings.

        Raises:
            InputError: for an unknown setting, one that cannot change here, or
                a value out of range.
        """
        changes = {**(overrides or {}), **more}
        known = {field.name for field in dataclasses.fields(self)}
        here = set(allowed.__annotations__)
        for name in changes:
            if name not in known:
                raise InputError(
                    f"There is no setting {name!r}; there are: "
                    f"{', '.join(sorted(here))}."
                )
            if name not in here:
                raise InputError(
                    f"{name} cannot be changed here: set it "
                    + (
                        "when the detector is made."
                        if name == "dtype"
                        else "when the photo is encoded."
                    )
                )
        return dataclasses.replace(self, **changes)


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 1:
        raise InputError(f"{name} must be a whole number above 0; received {value!r}.")
    return operator.index(value)


def _in_unit(value: Any, closed: bool) -> bool:
    """Whether value is a number in (0, 1] (closed) or in [0, 1)."""
    if not isinstance(value, float):
        return False
    return 0 < value <= 1 if closed else 0 <= value < 1
