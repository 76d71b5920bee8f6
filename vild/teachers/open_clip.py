"""The models of open_clip as teachers, such as `open_clip:ViT-B-32/openai`."""

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vild.errors import InputError, TeacherError
from vild.teachers import open_clip_catalogue as catalogue
from vild.teachers import open_clip_traits, open_clip_weights
from vild.teachers.open_clip_loaded import DTYPES, LoadedClip, image_dtypes
from vild.teachers.protocol import unit_rows
from vild.teachers.torchvision_ops import import_open_clip

_SUFFIXES = (".bin", ".ckpt", ".pt", ".pth", ".safetensors")


class OpenClip:
    """A model of open_clip with pretrained weights, from a tag or a local file.

    Making one reads a few small files; PyTorch and open_clip are imported, and
    weights read or downloaded, when the first text or image is encoded. Only the
    fingerprint of a local file has to read its weights earlier.

    Weights that were trained with QuickGELU get it, whether the model is called
    `ViT-B-32` or `ViT-B-32-quickgelu`: a tag says so, and files are recognised as
    `open_clip_traits.of_file` describes. OpenAI's weights saved anew under a name of
    one's own cannot be recognised: call the model `ViT-B-32-quickgelu`.

    Texts are encoded in float32, to the numbers that open_clip itself gives; they are
    few and kept. So are images on a CPU. On a GPU images are encoded in float16, or
    in float32 where that overflows. On a CPU with bfloat16 units `dtype="bfloat16"` is
    worth a thought: with a ViT-B-32, 4 times as fast, cosines with float32 above
    0.9999, single numbers of a row off by up to 0.002.

    Args:
        argument: `<model>/<tag>` or `<model>/<file>`: a name of
            `open_clip.list_models()`; then one of its pretrained tags, or a file of
            weights: safetensors, tensors alone as `torch.save` writes them, or an
            archive that OpenAI published. What exists as a file is a file.
        device: as PyTorch names it; None is `"cuda"` if there is one, else `"cpu"`.
        dtype: `"float32"`, `"float16"` or `"bfloat16"`, for images; None chooses as
            said above.
        batch_size: how many texts or images are encoded at a time.

    Attributes:
        name: `open_clip:` and the model, less `-quickgelu`.
        dim: dimension of the space.
        image_size: side in pixels of the images.
        resize: `"crop"` or `"squash"`, what the weights were trained with.
        templates: `"vild"`.

    Raises:
        TeacherError: if open_clip is not installed, or there is no such model, tag or
            file.
        InputError: if an option cannot be used.

    Example:
        >>> teacher = OpenClip("ViT-B-32/openai")
        >>> teacher.name, teacher.dim, teacher.image_size, teacher.resize
        ('open_clip:ViT-B-32', 512, 224, 'crop')
    """

    templates = "vild"

    def __init__(
        self,
        argument: str,
        *,
        device: str | None = None,
        dtype: str | None = None,
        batch_size: int = 64,
    ) -> None:
        if dtype is not None and dtype not in DTYPES:
            raise InputError(
                f"dtype must be None or one of {', '.join(DTYPES)}, received {dtype!r}."
            )
        if not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(
                f"batch_size must be a whole number above 0, received {batch_size!r}."
            )
        named, _, weights = argument.partition("/")
        if not named or not weights:
            raise TeacherError(
                "open_clip takes <model>/<pretrained tag or file of weights>, such as "
                f"ViT-B-32/openai; received {argument!r}."
            )
        self.spec = f"open_clip:{argument}"
        self._argument = argument
        self._base = catalogue.without_activation(named)
        config = catalogue.config(self._base)
        self.name = f"open_clip:{self._base}"
        self.dim = int(config["embed_dim"])
        self.image_size = _side(config["vision_cfg"].get("image_size", 224), named)
        self._file: Path | None = _file(weights)
        if self._file is None:
            self._tag = catalogue.tag(named, weights)
            self._traits = open_clip_traits.of_tag(self._base, self._tag)
        else:
            self._traits = open_clip_traits.of_file(
                self._base, self._file, quick_gelu=named != self._base
            )
        self.resize = self._traits.resize
        self._options = (device, dtype, batch_size)
        self._lock = threading.Lock()
        self._digest = ""
        self._loaded: LoadedClip | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Made again in another process, where the weights are loaded anew."""
        device, dtype, batch_size = self._options
        made_so = functools.partial(
            OpenClip, device=device, dtype=dtype, batch_size=batch_size
        )
        return made_so, (self._argument,)

    @property
    def image_dtypes(self) -> tuple[str, ...]:
        """What images can be encoded in on its device, the fastest first."""
        return image_dtypes(self._options[0])

    def for_images(self, dtype: str, batch_size: int) -> "OpenClip":
        """The same teacher, set up to encode many images.

        Args:
            dtype: one of `image_dtypes`.
            batch_size: how many images are encoded at a time.

        Returns:
            A new one, whose weights are not loaded yet.
        """
        device = self._options[0]
        return OpenClip(
            self._argument, device=device, dtype=dtype, batch_size=batch_size
        )

    def __repr__(self) -> str:
        """The name, and the tag or the file."""
        return f"<{self.name}/{self._file or self._tag}>"

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What determines the vectors besides name, dim and image_size.

        The tag, or a SHA-256 of the tensors in the local file, whatever format they
        are saved in; the activation, mean, spread and resize. Not the precision: it
        moves single numbers by some 0.002, and leaves the space what it is.
        """
        facts = {"model": self._base, **self._traits.facts()}
        if self._file is None:
            return {**facts, "tag": self._tag}
        with self._lock:
            if not self._digest:
                import_open_clip()  # for PyTorch, and a clear word if it is missing
                tensors = open_clip_weights.read_tensors(self._file)
                self._digest = open_clip_weights.digest(tensors)
        return {**facts, "sha256": self._digest}

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes texts.

        Args:
            texts: N strings. Those with more tokens than the model reads are cut, and
                one warning says so.

        Returns:
            (N, dim) float32 unit rows, in order.

        Raises:
            InputError: if `texts` are no strings.
            TeacherError: if the weights cannot be loaded.
        """
        if isinstance(texts, str):
            raise InputError(
                f"texts must be a list, received {texts!r}: put it in one."
            )
        texts = list(texts)
        for text in texts:
            if not isinstance(text, str):
                raise InputError(
                    f"texts must be strings, received {type(text).__name__} {text!r}."
                )
        if not texts:
            return unit_rows([], self.dim)
        with self._lock:
            return self._load().texts(texts)

    def encode_image(self, images: np.ndarray) -> np.ndarray:
        """Encodes images.

        Args:
            images: (N, image_size, image_size, 3) uint8 RGB.

        Returns:
            (N, dim) float32 unit rows, in order.

        Raises:
            InputError: if `images` are of another shape or type.
            TeacherError: if the weights cannot be loaded.
        """
        images = np.asarray(images)
        side = self.image_size
        if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3):
            raise InputError(
                f"{self.name} takes (N, {side}, {side}, 3) uint8 images, received "
                f"{images.dtype} of shape {images.shape}."
            )
        if not len(images):
            return unit_rows([], self.dim)
        with self._lock:
            return self._load().images(images)

    def _load(self) -> LoadedClip:
        """The model with its weights; the lock must be held."""
        if self._loaded is None:
            path = self._file or open_clip_weights.download(self._base, self._tag)
            model = open_clip_weights.load(self._base, path, self._traits)
            self._loaded = LoadedClip(self._base, model, self._traits, *self._options)
        return self._loaded


def _side(size: Any, model: str) -> int:
    """The side of a model's square images; its config has a number or a pair."""
    sides = set(size) if isinstance(size, list | tuple) else {size}
    if len(sides) != 1:
        raise TeacherError(
            f"open_clip's {model} looks at images of {size} pixels, but teachers need "
            "square ones: choose another model."
        )
    return int(sides.pop())


def _file(weights: str) -> Path | None:
    """The file that the second half of an argument names; None if it is a tag."""
    path = Path(weights).expanduser()
    if path.is_file():
        # The folder one works in may be another when the weights are needed.
        return path.absolute()
    if path.suffix in _SUFFIXES or path.is_absolute() or len(path.parts) > 1:
        what = "a folder" if path.is_dir() else "no file"
        raise TeacherError(
            f"{path} is {what}: expected a file of weights, or a pretrained tag such "
            "as openai."
        )
    return None
