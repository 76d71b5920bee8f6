"""A mirror of the released checkpoints: archives of the same layout, and a server.

    python tests/mirror.py OUT_FOLDER PRESET [--reference FOLDER]

makes the archive of a preset, with random weights or, from a folder of reference
goldens, with theirs. `VILD_WEIGHTS_URL` then points at OUT_FOLDER.
"""

import argparse
import contextlib
import functools
import http.server
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from bundle_writer import write_bundle

from vild.checkpoints.released import (
    BACKGROUND,
    STRAY,
    TEXT_MATRIX,
    released_names,
)
from vild.data.lvis import lvis_categories
from vild.layers import blank_weights
from vild.model import ViLD
from vild.presets import PRESETS

PREFIX = "model.ckpt-180000"
BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
TRAINED = ("kernel", "bias", "gamma", "beta")
# Layers that answer: smaller, so that boxes stay near their anchors.
LAST = ("rpn_head/rpn-box", "box-predict")


def random_arrays(preset_name: str) -> dict[str, np.ndarray]:
    """All inference variables of a preset by released name, always the same."""
    preset = PRESETS[preset_name]
    with blank_weights():
        model = ViLD(preset.depth, ensemble=preset.ensemble)
    return arrays_for(model, preset.depth)


def arrays_for(
    model: ViLD, depth: int, classes: int = len(lvis_categories())
) -> dict[str, np.ndarray]:
    """Random inference variables for a model, as a release of it would hold them.

    Args:
        model: of released shape; its sizes may be others.
        depth: 50 or 152, whose names to use.
        classes: columns of the text matrix.

    Returns:
        Released name -> float32 array, the text matrix included.
    """
    names = released_names([variable.path for variable in model.variables], depth)
    arrays = {}
    for variable in model.variables:
        name = names[variable.path]
        shape = tuple(variable.shape)
        arrays[name] = random_array(name, (*shape, 1) if name == BACKGROUND else shape)
    dim = model.config["dim"]
    matrix = random_array(TEXT_MATRIX, (dim, classes))
    arrays[TEXT_MATRIX] = matrix / np.linalg.norm(matrix, axis=0)
    return arrays


def random_array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values with which activations stay finite, however deep the network is."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values = rng.standard_normal(shape, "float32")
    scope, _, kind = name.rpartition("/")
    if kind == "kernel":
        # Of the upsampling layer each output sees one place, and inputs come last.
        upsampling = scope.endswith("conv5-mask")
        fan_in = shape[-1] if upsampling else np.prod(shape[:-1])
        values *= np.float32((2 / fan_in) ** 0.5)
        return values * np.float32(0.1) if scope.endswith(LAST) else values
    centre, spread = {"gamma": (0.6, 0.02), "moving_variance": (1, 0.05)}.get(
        kind, (0, 0.02)
    )
    return np.float32(centre) + np.float32(spread) * values


def checkpoint_variables(
    arrays: Mapping[str, np.ndarray], *, momentum: bool = True, stray: bool = False
) -> dict[str, np.ndarray]:
    """What a training checkpoint holds, by the names as they are in the file.

    Args:
        arrays: inference variables by released name.
        momentum: whether the optimiser's slots are there too.
        stray: whether batch norm scopes carry the name part of the R152 release.
    """
    held = {"global_step": np.asarray(180000, "int64")}
    for name, array in arrays.items():
        scope, _, kind = name.rpartition("/")
        raw = f"{scope}{STRAY}/{kind}" if stray and kind in BATCH_NORM else name
        held[raw] = array
        if momentum and kind in TRAINED and name != TEXT_MATRIX:
            held[f"{raw}/Momentum"] = array * np.float32(0.01)
    return held


def write_checkpoint(
    folder: Path,
    arrays: Mapping[str, np.ndarray],
    *,
    momentum: bool = True,
    stray: bool = False,
) -> Path:
    """Writes the files of a released checkpoint; see `checkpoint_variables`.

    Returns:
        Their prefix.
    """
    folder.mkdir(parents=True, exist_ok=True)
    prefix = folder / PREFIX
    write_bundle(
        prefix,
        checkpoint_variables(arrays, momentum=momentum, stray=stray),
        block_size=1 << 18,
    )
    (folder / f"{PREFIX}.meta").write_bytes(b"a graph, which nobody reads")
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{PREFIX}"\n')
    return prefix


def make_archive(
    path: Path,
    preset_name: str,
    arrays: Mapping[str, np.ndarray],
    momentum: bool = True,
) -> Path:
    """Makes the archive of a preset.

    Args:
        path: folder to put it in, under its released name.
        preset_name: e.g. `r50-ensemble`.
        arrays: inference variables by released name.
        momentum: as for `checkpoint_variables`.

    Returns:
        The archive.
    """
    preset = PRESETS[preset_name]
    with tempfile.TemporaryDirectory(dir=path) as scratch:
        folder = Path(scratch) / preset.archive.removesuffix(".tar.gz")
        write_checkpoint(folder, arrays, momentum=momentum, stray=preset.depth == 152)
        return pack(path / preset.archive, folder)


def pack(archive: Path, folder: Path) -> Path:
    """Packs a folder under its own name; random weights are not worth squeezing."""
    with tarfile.open(archive, "w:gz", compresslevel=0) as tar:
        tar.add(folder, folder.name)
    return archive


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder and remembers what it was asked for."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
        )
        self.requests: list[str] = []
        self.stop_after: int | None = None  # bytes, after which it hangs up

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        super().do_GET()

    def copyfile(self, source, outputfile) -> None:
        if self.server.stop_after is None:
            super().copyfile(source, outputfile)
        else:
            outputfile.write(source.read(self.server.stop_after))

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """A server of a folder on this machine, until the block ends."""
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make the archive of a preset.")
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    parser.add_argument("preset", choices=sorted(PRESETS), metavar="PRESET")
    parser.add_argument("--reference", type=Path, help="folder of reference goldens")
    arguments = parser.parse_args()
    if arguments.reference is None:
        arrays = random_arrays(arguments.preset)
    else:
        from golden import released_arrays

        preset = PRESETS[arguments.preset]
        arrays = released_arrays(
            arguments.reference,
            preset.depth,
            preset.ensemble,
            len(lvis_categories()),
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(make_archive(arguments.out, arguments.preset, arrays))


if __name__ == "__main__":
    main()
