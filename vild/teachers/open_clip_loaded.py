"""open_clip's model at work: strings and pixels in, unit rows out."""

import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vild.errors import TeacherError
from vild.teachers.open_clip_traits import Traits
from vild.teachers.protocol import unit_rows
from vild.teachers.torchvision_ops import import_open_clip

DTYPES = ("float32", "float16", "bfloat16")
"""What images can be encoded in."""


class LoadedClip:
    """A model with its weights, on its device. For one thread at a time.

    There is one copy of each tower: the text tower in float32, the image tower in
    the precision that images are encoded in.

    Args:
        name: the model's name in open_clip.
        model: its `torch.nn.Module`, float32, on the CPU.
        traits: how its weights want to be used.
        device: as PyTorch names it, or None.
        dtype: one of `DTYPES`, or None.
        batch_size: how many texts or images go through at a time.

    Raises:
        TeacherError: if the device cannot be used.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        traits: Traits,
        device: str | None,
        dtype: str | None,
        batch_size: int,
    ) -> None:
        import torch

        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._device = torch.device(device)
            self._model = model.to(self._device)
        except Exception as error:  # PyTorch has an exception for every kind of device
            raise TeacherError(
                f"open_clip's {name} could not be moved to the device {device!r} "
                f"({type(error).__name__}); device='cpu' works everywhere."
            ) from error
        # float16 keeps 3 bits more of each number than bfloat16 does, and OpenAI's
        # weights were published in it.
        default = "float16" if self._device.type == "cuda" else "float32"
        self._dtype = getattr(torch, dtype or default)
        self._model.visual.to(self._dtype)
        self._name = name
        self._batch_size = batch_size
        self._tokenizer: Any = None
        shape = (-1, 1, 1)
        self._mean = torch.tensor(traits.mean, device=self._device).view(shape)
        self._std = torch.tensor(traits.std, device=self._device).view(shape)

    def texts(self, texts: list[str]) -> np.ndarray:
        """Encodes texts.

        Args:
            texts: at least one string.

        Returns:
            (N, D) float32 unit rows.

        Raises:
            TeacherError: if the model's tokenizer cannot be had.
        """
        tokenize = self._tokenizer = self._tokenizer or _tokenizer(self._name)
        _warn_of_cuts(tokenize, texts)
        return self._in_batches(
            texts, lambda part: self._model.encode_text(tokenize(part).to(self._device))
        )

    def images(self, images: np.ndarray) -> np.ndarray:
        """Encodes images.

        Args:
            images: (N, S, S, 3) uint8 RGB of the model's size, at least one.

        Returns:
            (N, D) float32 unit rows.
        """
        return self._in_batches(images, self._look)

    def _look(self, images: np.ndarray) -> Any:
        """Encodes a batch; normalised as open_clip's transforms do, bit for bit."""
        import torch

        # A copy: PyTorch takes no array that is read-only or runs backwards. It
        # travels as bytes, a quarter of what it becomes.
        pixels = torch.from_numpy(images.copy("C")).to(self._device)
        pixels = pixels.permute(0, 3, 1, 2).contiguous().float().div_(255)
        pixels = pixels.sub_(self._mean).div_(self._std)
        rows = self._model.encode_image(pixels.to(self._dtype))
        if self._dtype == torch.float32 or rows.isfinite().all():
            return rows
        warnings.warn(
            f"The numbers inside open_clip's {self._name} are too large for "
            f"{self._dtype}; such images are encoded in float32.",
            stacklevel=5,
        )
        # For this batch only: what an image becomes must not depend on those before.
        self._model.visual.float()
        rows = self._model.encode_image(pixels)
        self._model.visual.to(self._dtype)
        return rows

    def _in_batches(
        self, inputs: Sequence[Any] | np.ndarray, encode: Callable[[Any], Any]
    ) -> np.ndarray:
        import torch

        rows = []
        with torch.inference_mode():
            for start in range(0, len(inputs), self._batch_size):
                part = encode(inputs[start : start + self._batch_size])
                rows.append(part.float().cpu().numpy())
        return unit_rows(np.concatenate(rows), rows[0].shape[1])


def image_dtypes(device: str | None) -> tuple[str, ...]:
    """What images can be encoded in, the fastest first.

    Args:
        device: as PyTorch names it; None as for `LoadedClip`.

    Returns:
        Of `DTYPES` those that the device computes with.
    """
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if torch.device(device).type != "cpu":
        return ("float16", "bfloat16", "float32")
    try:
        quick = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # a build without these kernels
        quick = False
    return ("bfloat16", "float32") if quick else ("float32",)


def _tokenizer(model: str) -> Any:
    try:
        return import_open_clip().get_tokenizer(model)
    except Exception as error:  # some come from a hub, through another package
        raise TeacherError(
            f"The tokenizer of open_clip's {model} could not be had "
            f"({type(error).__name__}: {textwrap.shorten(str(error), 160)}): it needs "
            "the package transformers, and the internet for the first time."
        ) from error


def _warn_of_cuts(tokenizer: Any, texts: list[str]) -> None:
    """Warns once if texts have more tokens than the model reads."""
    limit = tokenizer.context_length
    counts = token_counts(tokenizer, texts)
    cut = [text for text, count in zip(texts, counts, strict=False) if count > limit]
    if cut:
        warnings.warn(
            f"{len(cut)} of {len(texts)} texts have more than the {limit} tokens that "
            f"the model reads and are cut, the first of them {cut[0][:60] + '...'!r}.",
            stacklevel=4,
        )


def token_counts(tokenizer: Any, texts: list[str]) -> list[int]:
    """How many tokens texts have before they are cut.

    Args:
        tokenizer: one of open_clip's.
        texts: strings.

    Returns:
        For each text its tokens, the marks of start and end included; [] if that
        kind of tokenizer does not tell.
    """
    if hasattr(tokenizer, "encode"):  # CLIP's own
        return [len(tokenizer.encode(text)) + 2 for text in texts]
    # Those of Hugging Face have a mode with marks that only open_clip knows of.
    if getattr(tokenizer, "tokenizer_mode", None) != "":
        return []
    try:
        cleaned = [tokenizer.clean_fn(text) for text in texts]
        # Not verbose: it would warn too, in other words.
        tokens = tokenizer.tokenizer(cleaned, truncation=False, verbose=False)
        return [len(each) for each in tokens["input_ids"]]
    except Exception:  # a warning is not worth a failure
        return []
