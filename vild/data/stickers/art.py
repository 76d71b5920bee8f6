"""The pictures of one style, rasterised: one packed file in the cache."""

import functools
import hashlib
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vild.checkpoints.cache import cache_dir
from vild.data.stickers.catalogue import Drawn, concepts
from vild.data.stickers.icons import read_pictures
from vild.data.stickers.packages import obtain
from vild.data.stickers.styles import STYLES, Style
from vild.errors import DataError
from vild.files import replacing, writing

SIDE = 160  # pixels of the square that each picture is drawn into
_FORM = 2  # of the file; another number makes all files anew
_LEAST = 24  # pixels of alpha: what has fewer is no picture


class Art:
    """The pictures of a style, unpacked when asked for.

    Args:
        path: the packed file.

    Attributes:
        style: its name.
        codes: of the pictures it has, see `Drawn`.
        digest: of its codes, sizes and pixels, whatever packed them.

    Raises:
        DataError: if the file is missing, damaged or none of these.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            with np.load(self.path, allow_pickle=False) as packed:
                about = json.loads(str(packed["about"]))
                codes, ends = packed["codes"].tolist(), packed["ends"]
                self._sizes, self._data = packed["sizes"], packed["data"]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DataError(
                f"The stickers {str(self.path)!r} cannot be read ({error}): delete the "
                "file and run: vild data stickers (for photos with --splits "
                "test-photos)"
            ) from error
        self.style: str = about["style"]
        self.digest: str = about["digest"]
        self.codes: tuple[str, ...] = tuple(codes)
        starts = np.concatenate([[0], ends[:-1]])
        self._rows = dict(zip(codes, range(len(codes)), strict=True))
        self._spans = np.stack([starts, ends], axis=1)

    def __contains__(self, code: str) -> bool:
        return code in self._rows

    def __len__(self) -> int:
        return len(self.codes)

    def picture(self, code: str) -> np.ndarray:
        """One picture, cut to what is not transparent.

        Args:
            code: one of `codes`.

        Returns:
            (h, w, 4) uint8 RGBA, at most `SIDE` pixels each way; not premultiplied.

        Raises:
            KeyError: if the style has no such picture.
        """
        row = self._rows[code]
        start, stop = self._spans[row]
        data = zlib.decompress(self._data[start:stop].tobytes())
        height, width = self._sizes[row]
        return np.frombuffer(data, np.uint8).reshape(height, width, 4)


def art_path(style: Style) -> Path:
    """Where a style's packed file is: its name changes with all that it depends on.

    Args:
        style: any.

    Returns:
        The file; it need not exist yet.
    """
    codes = sorted(picture.code for picture in _wanted(style))
    made_of = f"{_FORM}:{SIDE}:{style.sha512}:{','.join(codes)}"
    key = hashlib.sha256(made_of.encode()).hexdigest()[:12]
    return cache_dir() / "stickers" / f"{style.name}-{key}.npz"


def make_art(style: Style) -> Path:
    """Rasterises a style, unless the cache has it; the package is fetched if need be.

    Args:
        style: any.

    Returns:
        The packed file.

    Raises:
        DownloadError: if the package cannot be had.
        DataError: if it is damaged.
        InputError: if resvg is missing, or the cache cannot be written.
    """
    path = art_path(style)
    if path.is_file():
        return path
    package = obtain(style)
    wanted = _wanted(style)
    codes, sizes, packed = [], [], []
    # Of the pixels as they are: other builds of zlib pack them in other ways.
    digest = hashlib.sha256()
    # None: only where a person looks.
    with tqdm(total=len(wanted), desc=style.name, unit="picture", disable=None) as bar:
        for picture, pixels in read_pictures(style, package, wanted, SIDE):
            bar.update()
            if (pixels[..., 3] > 0).sum() < _LEAST:
                continue
            cut = _trimmed(pixels)
            codes.append(picture.code)
            sizes.append(cut.shape[:2])
            packed.append(zlib.compress(cut.tobytes(), 6))
            digest.update(f"{picture.code}:{cut.shape[0]}x{cut.shape[1]}:".encode())
            digest.update(cut.tobytes())
    if not codes:
        raise DataError(
            f"{str(package)!r} has none of the pictures of the stickers: delete it "
            "and fetch it again."
        )
    about = {"style": style.name, "side": SIDE, "digest": digest.hexdigest()[:16]}
    with writing(path), replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            about=np.array(json.dumps(about)),
            codes=np.array(codes),
            sizes=np.array(sizes, np.int64),
            ends=np.cumsum([len(data) for data in packed]),
            data=np.frombuffer(b"".join(packed), np.uint8),
        )
    return path


def open_art(style: Style) -> Art:
    """Opens a style that has been made.

    Args:
        style: any.

    Returns:
        Its pictures; the same object every time.

    Raises:
        DataError: if it has not been made.
    """
    path = art_path(style)
    if not path.is_file():
        command = "vild data stickers"
        if style.part == "photos":  # which it fetches only if asked to
            command += " --splits test-photos"
        raise DataError(
            f"The stickers of the style {style.name!r} are not there yet: fetch and "
            f"draw them once, by the command: {command}"
        )
    return opened(path)


@functools.lru_cache(2 * len(STYLES))
def opened(path: Path) -> Art:
    """Opens a packed file once for each process.

    Args:
        path: what `art_path` and `make_art` say.

    Returns:
        Its pictures; the same object every time.

    Raises:
        DataError: as for `Art`.
    """
    return Art(path)


def _wanted(style: Style) -> list[Drawn]:
    photos = style.part == "photos"
    shown = (c.photos if photos else c.pictures for c in concepts())
    pictures = [picture for some in shown for picture in some]
    return [picture for picture in pictures if picture.code not in style.wrong]


def _trimmed(pixels: np.ndarray) -> np.ndarray:
    seen = pixels[..., 3] > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
