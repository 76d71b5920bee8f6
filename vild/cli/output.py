"""What `vild detect` leaves behind: pictures and a JSON list, each whole or not."""

import contextlib
import functools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vild.errors import InputError
from vild.files import replacing

if TYPE_CHECKING:
    from PIL import Image

    from vild.results import Detections

STDOUT = "-"


def picture_paths(photos: Sequence[Path], folder: Path) -> list[Path]:
    """Where the picture of each photo goes.

    Pictures of an earlier run are replaced; but where photos lie in the same
    folder, nothing that is there is.

    Args:
        photos: the photos.
        folder: for the pictures.

    Returns:
        A path in the folder for each photo, all different: the photo's name with
        the ending .png for PNG and .jpg for all others, numbered if it is taken.

    Example:
        >>> paths = picture_paths([Path("a/x.jpg"), Path("b/x.jpg")], Path("out"))
        >>> [path.name for path in paths]
        ['x.jpg', 'x-2.jpg']
    """
    homes = {p.parent.resolve() for p in photos} | {p.resolve().parent for p in photos}
    shared = folder.resolve() in homes
    taken: set[str] = set()
    used: dict[str, int] = {}
    paths = []
    for photo in photos:
        ending = ".png" if photo.suffix.lower() == ".png" else ".jpg"
        name = photo.stem + ending
        # Some file systems take a.jpg and A.jpg for the same.
        while name.casefold() in taken or (shared and (folder / name).exists()):
            number = used[photo.stem] = used.get(photo.stem, 1) + 1
            name = f"{photo.stem}-{number}{ending}"
        taken.add(name.casefold())
        paths.append(folder / name)
    return paths


def write_picture(picture: "Image.Image", path: Path) -> None:
    """Writes a JPEG or PNG file; folders are made.

    Args:
        picture: what to write.
        path: ends in .jpg or .png.

    Raises:
        InputError: if it cannot be written.
    """
    how: dict[str, Any] = {"format": "PNG"}
    if path.suffix == ".jpg":
        how = {"format": "JPEG", "quality": 95}
    with _writing(path), replacing(path) as temporary:
        picture.save(temporary, **how)


def entry(photo: Path, found: "Detections") -> dict[str, Any]:
    """What the JSON list says about a photo.

    Args:
        photo: its path, as it was given.
        found: its detections.

    Returns:
        A dict for `json.dumps`, with masks as COCO run lengths.
    """
    from vild.data.rle import encode_rle

    height, width = found.image_size
    detections: list[dict[str, Any]] = [
        {
            "class": name,
            # The shortest text of a float32 that reads back as the same float32.
            "score": float(str(score)),
            "box": [float(str(side)) for side in box],
            "class_id": class_id,
        }
        for name, score, box, class_id in zip(
            found.class_names,
            found.scores,
            found.boxes,
            found.class_ids.tolist(),
            strict=True,
        )
    ]
    if found.masks is not None:
        for detection, mask in zip(detections, found.masks, strict=True):
            detection["segmentation"] = encode_rle(mask)
    return {
        "image": str(photo),
        "width": width,
        "height": height,
        "detections": detections,
    }


@contextlib.contextmanager
def json_list(target: str | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A JSON list written entry by entry, so that it may be of any length.

    Args:
        target: a file, which appears only when the list is whole; `-` for
            stdout; None for nowhere.

    Yields:
        A function that appends an entry.

    Raises:
        InputError: if the file cannot be written.

    Example:
        >>> with json_list("-") as add:
        ...     add({"image": "street.jpg"})
        [
        {"image": "street.jpg"}
        ]
    """
    if target is None:
        yield lambda _: None
        return
    with contextlib.ExitStack() as opened:
        write: Callable[[str], Any] = sys.stdout.write
        guard: Callable[[], Any] = contextlib.nullcontext
        if target != STDOUT:
            guard = functools.partial(_writing, Path(target))
            with guard():
                temporary = opened.enter_context(replacing(Path(target)))
                file = opened.enter_context(temporary.open("w", encoding="ascii"))
            write = file.write
        before = "[\n"

        def add(value: dict[str, Any]) -> None:
            nonlocal before
            with guard():
                write(before + json.dumps(value, allow_nan=False))
            before = ",\n"

        yield add
        with guard():
            write("[]\n" if before == "[\n" else "\n]\n")
            opened.close()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be written: {error.strerror or error}."
        ) from error
