"""What a store says of itself: `header.json`."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from vild.data.dataset import Dataset
from vild.errors import DataError, InputError
from vild.files import replacing, writing

Header = dict[str, Any]
FORMAT, VERSION = "vild store", 1
KINDS = ("proposals", "embeddings")
FEATURES = ("float16", "float32")
"""What features may be stored as."""
FILE = "header.json"
_DATASET = {"name", "fingerprint", "images"}


def make_header(
    kind: str, dataset: Dataset, images_per_shard: int, **more: Any
) -> Header:
    """What to say of a new store.

    Args:
        kind: one of `KINDS`.
        dataset: whose images it is of.
        images_per_shard: how many images share a file.
        **more: JSON values, whatever else determines the content.

    Returns:
        The header.

    Raises:
        DataError: if there are no images.
        InputError: if `images_per_shard` is no whole number above 0.

    Example:
        >>> from vild.data.drawn_dataset import DrawnObjects
        >>> make_header("proposals", DrawnObjects("val:10"), 4)["shards"]
        3
    """
    if type(images_per_shard) is not int or images_per_shard < 1:
        raise InputError(
            "A shard must hold a whole number of images above 0, received "
            f"{images_per_shard!r}."
        )
    if not len(dataset):
        raise DataError(f"The dataset {dataset.name!r} has no images to look at.")
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "dataset": about_dataset(dataset),
        "images_per_shard": images_per_shard,
        "shards": math.ceil(len(dataset) / images_per_shard),
        **more,
    }


def about_dataset(dataset: Dataset) -> dict[str, Any]:
    """What a header says of a dataset.

    Args:
        dataset: any.

    Returns:
        `name`, `fingerprint` (None if it has none) and `images`, their number.
    """
    fingerprint = getattr(dataset, "fingerprint", None)
    return {
        "name": dataset.name,
        "fingerprint": None if fingerprint is None else str(fingerprint),
        "images": len(dataset),
    }


def header_bytes(header: Header) -> bytes:
    """A header as it lies on disk.

    Args:
        header: JSON values.

    Returns:
        UTF-8 JSON, keys sorted, indented by 2, with a line break at the end.
    """
    text = json.dumps(header, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode()


def store_key(raw: bytes) -> str:
    """What ties shards to a header.

    Args:
        raw: `header.json` as it lies on disk.

    Returns:
        Its SHA-256 as 64 hexadecimal digits.
    """
    return hashlib.sha256(raw).hexdigest()


def write_header(folder: Path, header: Header) -> None:
    """Writes `header.json`; the folder is made.

    Args:
        folder: of the store.
        header: what to write.

    Raises:
        InputError: if it cannot be written.
    """
    path = folder / FILE
    with writing(path), replacing(path) as temporary:
        temporary.write_bytes(header_bytes(header))


def read_header(folder: Path) -> tuple[Header, str]:
    """Reads `header.json`.

    Args:
        folder: of the store.

    Returns:
        The header, checked, and its `store_key`.

    Raises:
        DataError: if it is missing, damaged, or of another format.
    """
    path = folder / FILE
    try:
        raw = path.read_bytes()
        header = json.loads(raw)
    except FileNotFoundError:
        raise DataError(
            f"{str(folder)!r} is no store: expected a folder that holds {FILE}, as "
            "`vild proposals` and `vild embed` write it."
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"The header {str(path)!r} cannot be read ({error}): fetch the store "
            "again, or make it anew."
        ) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise DataError(f"{str(path)!r} is not the header of a store of vild.")
    if header.get("version") != VERSION:
        raise DataError(
            f"The store {str(folder)!r} is of version {header.get('version')!r}, this "
            f"vild reads version {VERSION}: use the vild that wrote it."
        )
    if problem := _problem(header):
        raise DataError(f"The header {str(path)!r} is damaged: {problem}.")
    return header, store_key(raw)


def differences(one: Header, other: Header) -> list[str]:
    """Where two headers differ, in words.

    Args:
        one: a header.
        other: another.

    Returns:
        A text for each entry, nested ones with dots; digests cut short.

    Example:
        >>> differences({"dim": 64, "a": {"b": 1}}, {"dim": 64, "a": {"b": 2}})
        ['a.b is 1, not 2']
    """
    first, second = _flat(one), _flat(other)
    return [
        f"{key} is {_short(first.get(key))}, not {_short(second.get(key))}"
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]


def check_same_dataset(header: Header, dataset: Dataset, which: str) -> None:
    """Refuses a store of another dataset.

    Fingerprints decide where both have one; otherwise name and number of images.

    Args:
        header: of the store.
        dataset: that it is to be used with.
        which: what messages call the store.

    Raises:
        DataError: if it is another dataset, or it has changed.
    """
    made, given = header["dataset"], about_dataset(dataset)
    marks = made["fingerprint"], given["fingerprint"]
    what = ["images"] + (["name"] if None in marks else ["fingerprint"])
    odd = [
        f"{key} {_short(made[key])}, not {_short(given[key])}"
        for key in what
        if made[key] != given[key]
    ]
    if odd:
        raise DataError(
            f"{which} was made for the dataset {made['name']!r} ({'; '.join(odd)} as "
            f"{given['name']!r} has now): use it with the dataset that it was made "
            "for, unchanged, or make a store for this one."
        )


def _problem(header: Header) -> str | None:
    dataset = header.get("dataset")
    if header.get("kind") not in KINDS:
        return f"its kind is {header.get('kind')!r}"
    if not isinstance(dataset, dict) or dataset.keys() != _DATASET:
        return f"its dataset is {dataset!r}"
    numbers = {**header, **dataset}
    names = ["images", "images_per_shard", "shards"]
    if header["kind"] == "embeddings":
        names.append("dim")
        if header.get("dtype") not in FEATURES:
            return f"its dtype is {header.get('dtype')!r}"
    for name in names:
        if type(numbers.get(name)) is not int or numbers[name] < 1:
            return f"{name} is {numbers.get(name)!r}"
    if header["shards"] != math.ceil(dataset["images"] / header["images_per_shard"]):
        return f"{header['shards']} shards do not fit {dataset['images']} images"
    return None


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, part in value.items():
        flat |= _flat(part, f"{prefix}.{key}" if prefix else key)
    return flat


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{text[:12]}..." if len(text) > 40 else text
