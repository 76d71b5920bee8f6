"""From a file or a tag to open_clip's model; no Python object is ever unpickled."""

import contextlib
import hashlib
import textwrap
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vild.errors import TeacherError
from vild.teachers import open_clip_catalogue as catalogue
from vild.teachers.open_clip_traits import Traits, is_torchscript
from vild.teachers.torchvision_ops import import_open_clip

# Settings that OpenAI's archives hold among the weights.
_SETTINGS = ("input_resolution", "context_length", "vocab_size")


def download(model: str, tag: str) -> Path:
    """Fetches the weights of a tag, or finds them in open_clip's cache.

    Args:
        model: name without the mark of the activation.
        tag: one of `catalogue.tags(model)`.

    Returns:
        The file.

    Raises:
        TeacherError: if it cannot be fetched.
    """
    open_clip = import_open_clip()
    try:
        return Path(open_clip.download_pretrained(catalogue.tags(model)[tag]))
    except Exception as error:  # the network has many ways to fail
        raise TeacherError(
            f"The weights {tag!r} of open_clip's {model} could not be downloaded "
            f"({_brief(error)}): connect to the internet, or give a file that is here "
            f"already as open_clip:{model}/<file>."
        ) from error


def load(model: str, path: Path, traits: Traits) -> Any:
    """Builds a model and fills it.

    Args:
        model: name without the mark of the activation.
        path: its weights: safetensors, a state dict of PyTorch (a training
            checkpoint of open_clip too) or an archive of OpenAI.
        traits: how the weights want to be used.

    Returns:
        The `torch.nn.Module`, float32, on the CPU, for inference.

    Raises:
        TeacherError: if the file is damaged or the weights are another model's.
    """
    open_clip = import_open_clip()
    import torch

    # Refuses pickled objects and damage before open_clip opens the file again.
    tensors = read_tensors(path)
    try:
        # A model draws its first weights at random; that is no reason for somebody's
        # training to go another way.
        with torch.random.fork_rng(devices=[]):
            if is_torchscript(path):
                config = catalogue.config(model)
                made = open_clip.CLIP(**{**config, "quick_gelu": traits.quick_gelu})
                made.load_state_dict(tensors)
            else:
                made = open_clip.create_model(
                    model,
                    pretrained=str(path),
                    force_quick_gelu=traits.quick_gelu,
                    weights_only=True,
                )
    except Exception as error:  # what does not fit has many ways to show
        raise TeacherError(
            f"{path.name} could not be loaded as the weights of open_clip's {model} "
            f"({_brief(error)}): name the model that they belong to."
        ) from error
    return made.float().eval()


def read_tensors(path: Path) -> dict[str, Any]:
    """The tensors in a file of weights.

    Args:
        path: an existing file.

    Returns:
        Name -> `torch.Tensor`, on the CPU, in the file's own precision.

    Raises:
        TeacherError: if the file is damaged or holds anything else.
    """
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found: Any = load_file(path)
        elif is_torchscript(path):
            # This is how OpenAI published CLIP. It is no pickle of Python objects:
            # the code that comes with the tensors is in TorchScript's own small
            # language, cannot reach Python, and is not called here; but reading can
            # run what it says about its own unpacking, so take such archives from
            # OpenAI alone.
            with _deprecation_silenced():
                found = torch.jit.load(str(path), map_location="cpu").state_dict()
            found = {k: v for k, v in found.items() if k not in _SETTINGS}
        else:
            # Of an old file, one that is no zip, nothing can be left on disk.
            found = torch.load(
                path,
                map_location="cpu",
                weights_only=True,
                mmap=zipfile.is_zipfile(path),
            )
        if isinstance(found, dict) and "state_dict" in found:
            found = found["state_dict"]
        prefix = "module."  # written by training on several devices
        found = {name.removeprefix(prefix): each for name, each in found.items()}
        if not found or not all(isinstance(t, torch.Tensor) for t in found.values()):
            raise TypeError("no tensors, or not tensors alone")
    except Exception as error:  # whatever is in the file
        raise TeacherError(
            f"{path} could not be read as weights ({type(error).__name__}): expected "
            "safetensors, or tensors alone as torch.save writes them, or an archive "
            "that OpenAI published; other pickled objects are never loaded."
        ) from error
    return found


def digest(tensors: dict[str, Any]) -> str:
    """A checksum of weights that does not depend on the file they are in.

    Args:
        tensors: name -> `torch.Tensor`.

    Returns:
        SHA-256 over the names in order, each with its shape and its numbers as
        little-endian float32, in hexadecimal.
    """
    total = hashlib.sha256()
    for name in sorted(tensors):
        numbers = tensors[name].detach().float().cpu().contiguous().numpy()
        total.update(f"{name} {list(numbers.shape)}\n".encode())
        total.update(numbers.astype("<f4", copy=False).reshape(-1))
    return total.hexdigest()


@contextlib.contextmanager
def _deprecation_silenced() -> Iterator[None]:
    """PyTorch would rather have no TorchScript; OpenAI's files will not change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit.*deprecated")
        yield


def _brief(error: Exception) -> str:
    """What a foreign error says, short enough for one sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # The first line of PyTorch's complaint about weights says nothing but that.
    text = lines[1] if len(lines) > 1 and "state_dict" in lines[0] else " ".join(lines)
    text = textwrap.shorten(text.rstrip(" .:"), 160, placeholder=" ...")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
