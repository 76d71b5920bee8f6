"""Results in COCO's form, read from a json a part at a time into arrays."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from vild.data.coco_json import whole
from vild.errors import BackendError, DataError

# Bytes of a json that are decoded together.
_PART = 2**24

# Where one result ends and the next begins, unless one holds a list of objects.
_BETWEEN = re.compile(rb"\}\s*(,)\s*\{")
_TAIL = 2**16

_WANTED = (
    "a list of results like {'image_id': 7, 'category_id': 17, 'bbox': [x, y, width, "
    "height], 'score': 0.5}, in pixels"
)


class ResultsPart:
    """Some results of a file.

    Args:
        entries: decoded.
        path: of the file, for messages.

    Attributes:
        image_ids: (N,) int64.
        category_ids: (N,) int64; -1 where there is none.
        boxes: (N, 4) float64 x y width height; None where no result has one.
        scores: (N,) float64.
        masks: N pieces of json, or None where no result has a mask.

    Raises:
        DataError: if some but not all have a box, or a mask.
    """

    def __init__(self, entries: list[Any], path: Path) -> None:
        count = len(entries)
        self.image_ids = np.fromiter((e.image_id for e in entries), np.int64, count)
        ids = (e.category_id for e in entries)
        self.category_ids = np.fromiter(ids, np.int64, count)
        self.scores = np.fromiter((e.score for e in entries), np.float64, count)
        boxes = [e.bbox for e in entries]
        masks = [e.segmentation for e in entries]
        self.boxes: np.ndarray | None = None
        if _all_or_none("bbox", [box is not None for box in boxes], path):
            flat = chain.from_iterable(boxes)
            self.boxes = np.fromiter(flat, np.float64, 4 * len(boxes)).reshape(-1, 4)
        told = [len(mask) > 0 and bytes(mask) != b"null" for mask in masks]
        has_masks = _all_or_none("segmentation", told, path)
        self.masks: list[Any] | None = masks if has_masks else None

    def __len__(self) -> int:
        return len(self.scores)


def read_parts(path: Path) -> Iterator[ResultsPart]:
    """Reads a json of results.

    Args:
        path: the file.

    Yields:
        Its results, part after part.

    Raises:
        DataError: if it cannot be read, or is of another form.
        BackendError: if msgspec is not installed.
    """
    decode = _decoder()
    text, error = b"", None
    for piece in _pieces(path):
        # A piece that ends amid a result, which is rare, is joined to the next one.
        text = piece if error is None else text[:-1] + b"," + piece[1:]
        try:
            entries = decode(text)
        except ValueError as problem:
            error = problem
        else:
            error = None
            yield ResultsPart(entries, path)
    if error is not None:
        raise _explain(path, text, error) from error


def json_decoder() -> Any:
    """A function that decodes a json of any form.

    Returns:
        Bytes -> what they hold.

    Raises:
        BackendError: if msgspec is not installed.
    """
    return _msgspec().json.Decoder().decode


def _msgspec() -> Any:
    try:
        import msgspec
    except ImportError as error:
        raise BackendError(
            "Results are read with msgspec, which is not installed: run pip install "
            "'vild[evaluate]'."
        ) from error
    return msgspec


def _decoder() -> Callable[[bytes], list[Any]]:
    msgspec = _msgspec()
    number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    strict, loose = _decode_as(number), _decode_as(number | float)

    def decode(text: bytes) -> list[Any]:
        try:
            return strict(text)  # which is quicker
        except msgspec.ValidationError as error:
            try:
                entries = loose(text)  # ids like 3.0, as numbers of NumPy are written
                for entry in entries:
                    entry.image_id = whole(entry.image_id)
                    entry.category_id = whole(entry.category_id)
            except ValueError:
                raise error from None
            return entries

    return decode


def _decode_as(number: Any) -> Callable[[bytes], list[Any]]:
    msgspec = _msgspec()
    box = tuple[float, float, float, float] | None
    result = msgspec.defstruct(
        "Result",
        [
            ("image_id", number),
            ("score", float),
            ("category_id", number, -1),
            ("bbox", box, None),
            ("segmentation", msgspec.Raw, msgspec.Raw(b"")),
        ],
        gc=False,
    )
    decode: Callable[[bytes], list[Any]]
    decode = msgspec.json.Decoder(list[result]).decode  # type: ignore[valid-type]
    return decode


def _pieces(path: Path) -> Iterator[bytes]:
    """The file as lists that are each a json."""
    try:
        with path.open("rb") as file:
            rest = b""
            while data := file.read(_PART):
                rest += data
                ends = list(_BETWEEN.finditer(rest, max(len(rest) - _TAIL, 0)))
                if ends and len(data) == _PART:
                    comma = ends[-1].start(1)
                    yield rest[:comma] + b"]"
                    rest = b"[" + rest[comma + 1 :]
            yield rest
    except OSError as error:
        raise DataError(
            f"The results {str(path)!r} cannot be read ({error.strerror or error}): "
            "check the path and its permissions."
        ) from error


def _explain(path: Path, piece: bytes, error: Exception) -> DataError:
    """Says what is wrong with results, at more length than time allows otherwise."""
    try:
        entries = json.loads(piece)
    except ValueError:
        return DataError(
            f"The results {str(path)!r} are no json ({error}), perhaps cut off: write "
            "the file again."
        )
    if isinstance(entries, dict):
        return DataError(
            f"The results {str(path)!r} are an object with {sorted(entries)[:5]}, "
            f"expected {_WANTED}: give the list itself."
        )
    for entry in entries if isinstance(entries, list) else ():
        text = json.dumps(entry)
        if re.search(r"\bNaN\b|\bInfinity\b", text):
            return DataError(
                f"A result of {str(path)!r} has a number that is not finite: "
                f"{text[:200]}. Find out how the detector came to it, or leave it out."
            )
    return DataError(
        f"The results {str(path)!r} are of another form ({error}): expected {_WANTED}."
    )


def _all_or_none(what: str, there: list[bool], path: Path) -> bool:
    if any(there) and not all(there):
        raise DataError(
            f"{sum(there)} results of {str(path)!r} have a {what}, but "
            f"{len(there) - sum(there)} have none: write it for all or for none."
        )
    return any(there)
