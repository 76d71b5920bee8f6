"""Where the images of annotations lie."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from vild.data.pictures import missing_file
from vild.errors import DataError


def places(file_name: str, coco_url: str, url_first: bool = False) -> list[str]:
    """Where an image may lie, relative to the folder of images.

    Args:
        file_name: as annotated; "" for none.
        coco_url: an address, whose last two parts are a folder and a file; "" for
            none.
        url_first: whether the address goes before `file_name`, as in the released
            converter of LVIS.

    Returns:
        Relative paths, the likeliest first; the last is a bare name.

    Example:
        >>> places("9.jpg", "http://images.cocodataset.org/val2017/9.jpg", True)
        ['val2017/9.jpg', '9.jpg']
    """
    from_url = "/".join(PurePosixPath(coco_url).parts[-2:])
    wanted = [from_url, file_name] if url_first else [file_name, from_url]
    bare = PurePosixPath(file_name or from_url).name
    return list(dict.fromkeys(place for place in [*wanted, bare] if place))


def find_image(folder: Path, candidates: Sequence[str]) -> Path:
    """Finds an image.

    Args:
        folder: of images.
        candidates: where it may lie in there, see `places`.

    Returns:
        The first that is there.

    Raises:
        DataError: if none is.

    Example:
        >>> Path("9.jpg").touch()
        >>> find_image(Path("."), ["val2017/9.jpg", "9.jpg"]).name
        '9.jpg'
    """
    for candidate in candidates:
        path = folder / candidate
        if path.is_file():
            return path
    raise missing_file(folder / candidates[0])


def find_folder(annotations: Path, images: Iterable[Sequence[str]]) -> Path:
    """Finds the folder of images that belongs to a json.

    Tried in turn: the folder of the json, `images` in it, the folder above, `images`
    in that; then folders in these whose name is part of the json's, as `val2017` is
    of `instances_val2017.json`.

    Args:
        annotations: the json.
        images: where each of some images may lie, see `places`.

    Returns:
        The first folder that holds one of them.

    Raises:
        DataError: if none does.

    Example:
        >>> Path("images").mkdir()
        >>> Path("images/9.jpg").touch()
        >>> find_folder(Path("a.json"), [["9.jpg"]]).name
        'images'
    """
    here = annotations.absolute().parent
    folders = [here, here / "images", here.parent, here.parent / "images"]
    folders += [
        inner
        for folder in folders
        if folder.is_dir()
        for inner in sorted(folder.iterdir())
        if inner.name in annotations.stem and inner.is_dir()
    ]
    wanted = list(images)
    for candidates in wanted:
        for folder in folders:
            if any((folder / candidate).is_file() for candidate in candidates):
                return folder
    if wanted:
        raise DataError(
            f"The images of {str(annotations)!r}, e.g. {wanted[0][0]!r}, are neither "
            f"in {str(here)!r} nor in {str(here.parent)!r}, nor in their folders "
            "'images': put them there, or open the dataset in Python, where the folder "
            "can be named."
        )
    return here
