"""The checkpoint reader, on files TensorFlow wrote and on damaged ones."""

import shutil
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from bundle_writer import (
    DTYPES,
    HEADER,
    append_block,
    encode_entry,
    field,
    masked_crc,
    write_bundle,
    write_table,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vild.checkpoints.prefix import find_prefix
from vild.checkpoints.tensor_bundle import TensorBundle
from vild.errors import CheckpointError

FIXTURES = Path(__file__).parent / "fixtures"
NAME = "model.ckpt-180000"
INDEX, DATA = f"{NAME}.index", f"{NAME}.data-00000-of-00001"
EVERY_CASE = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a copy of the checkpoint TensorFlow wrote, to be damaged."""
    return Path(shutil.copytree(FIXTURES, tmp_path / "checkpoint"))


def read_all(path: Path) -> dict[str, np.ndarray]:
    """Read all variables, or raise the error of the first that fails."""
    bundle = TensorBundle(path)
    return {
        name: bundle.read(name)
        for name, info in bundle.variables.items()
        if info.dtype != "string" and not info.sliced
    }


def assert_same(read: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert read.keys() == expected.keys()
    for name, value in expected.items():
        assert read[name].dtype == value.dtype, name
        assert read[name].shape == value.shape, name
        assert read[name].tobytes() == value.tobytes(), name


def test_reads_what_tensorflow_wrote() -> None:
    assert_same(read_all(FIXTURES), dict(np.load(FIXTURES / "expected.npz")))


def test_lists_variables_without_reading_them() -> None:
    variables = TensorBundle(FIXTURES).variables
    kernel = variables["resnet50/conv2d_3/kernel"]
    assert (kernel.dtype, kernel.shape) == ("float32", (3, 3, 2, 4))
    assert kernel.nbytes == 4 * 3 * 3 * 2 * 4
    assert variables["odd/bfloat16"].dtype == "bfloat16"
    assert variables["odd/string"].dtype == "string"
    assert variables["odd/sliced"].shape == (4, 2)
    assert "" not in variables
    assert len(variables) == 46


@pytest.mark.parametrize("given_as", [".", NAME, INDEX, DATA])
def test_finds_the_prefix(folder: Path, given_as: str) -> None:
    assert find_prefix(folder / given_as) == folder / NAME
    assert find_prefix(str(folder / given_as)) == folder / NAME


def test_a_folder_of_one_checkpoint_needs_no_state_file(folder: Path) -> None:
    (folder / "checkpoint").unlink()
    assert find_prefix(folder) == folder / NAME


def test_a_folder_of_several_checkpoints(folder: Path) -> None:
    write_bundle(folder / "model.ckpt-7", {"a": np.zeros(2)})
    assert find_prefix(folder) == folder / NAME  # the state file says so
    (folder / "checkpoint").write_text('model_checkpoint_path: "/gone/model.ckpt-7"\n')
    assert find_prefix(folder) == folder / "model.ckpt-7"
    (folder / "checkpoint").unlink()
    with pytest.raises(CheckpointError, match=r"model\.ckpt-180000, model\.ckpt-7"):
        find_prefix(folder)


def test_a_prefix_with_a_folder_of_the_same_name(folder: Path) -> None:
    (folder / NAME).mkdir()
    assert find_prefix(folder / NAME) == folder / NAME


@pytest.mark.parametrize(
    "given_as", ["nothing", "nothing/model.ckpt", "x.index", "n" * 5000, "\0"]
)
def test_a_missing_path(tmp_path: Path, given_as: str) -> None:
    with pytest.raises(CheckpointError, match="Expected a"):
        find_prefix(tmp_path / given_as)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"Expected one checkpoint.*none"):
        find_prefix(tmp_path)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    png = tmp_path / "cat.png"
    png.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(CheckpointError, match="file of another kind"):
        TensorBundle(png)
    png = png.rename(tmp_path / "cat.index")
    with pytest.raises(CheckpointError, match="magic number"):
        TensorBundle(png)


def test_an_index_without_its_data(folder: Path) -> None:
    (folder / DATA).unlink()
    with pytest.raises(CheckpointError, match=rf"{DATA}.*no such file"):
        TensorBundle(folder)


@pytest.mark.parametrize("given_as", [".", NAME, INDEX, DATA])
def test_data_without_its_index(folder: Path, given_as: str) -> None:
    (folder / INDEX).unlink()
    with pytest.raises(CheckpointError, match=rf"{INDEX}.*no such file"):
        TensorBundle(folder / given_as)


@pytest.mark.parametrize("name", [INDEX, DATA])
def test_an_empty_file(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"empty|received 0: the file is trunc"):
        TensorBundle(folder)


def test_an_index_cut_anywhere(folder: Path) -> None:
    whole = (folder / INDEX).read_bytes()
    for length in range(len(whole)):
        (folder / INDEX).write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            TensorBundle(folder)


def test_data_cut_anywhere(folder: Path) -> None:
    whole = (folder / DATA).read_bytes()
    for length in range(0, len(whole), 97):
        (folder / DATA).write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="truncated"):
            TensorBundle(folder)


def test_data_that_shrinks_after_it_was_opened(folder: Path) -> None:
    bundle = TensorBundle(folder)
    (folder / DATA).write_bytes(b"")
    with pytest.raises(CheckpointError, match="'global_step'"):
        bundle.read("global_step")
    (folder / DATA).unlink()
    with pytest.raises(CheckpointError, match="'global_step'"):
        bundle.read("global_step")


def test_every_flipped_byte_of_the_index(folder: Path) -> None:
    expected = dict(np.load(FIXTURES / "expected.npz"))
    whole = bytearray((folder / INDEX).read_bytes())
    for place in range(len(whole)):
        whole[place] ^= 0xFF
        (folder / INDEX).write_bytes(whole)
        whole[place] ^= 0xFF
        try:
            read = read_all(folder)
        except CheckpointError:
            continue
        # Only the padding before the magic number is covered by no checksum.
        assert len(whole) - 48 <= place < len(whole) - 8
        assert_same(read, expected)


@pytest.mark.parametrize("name", ["global_step", "odd/half", "resnet50/conv2d/kernel"])
def test_a_flipped_byte_of_a_variable(folder: Path, name: str) -> None:
    info = TensorBundle(folder).variables[name]
    for place in (info.offset, info.offset + info.nbytes - 1):
        data = bytearray((folder / DATA).read_bytes())
        data[place] ^= 1
        (folder / DATA).write_bytes(data)
        bundle = TensorBundle(folder)
        with pytest.raises(CheckpointError, match=f"for '{name}'.*damaged"):
            bundle.read(name)
        bundle.read("odd/int32")  # the others are whole
        data[place] ^= 1
        (folder / DATA).write_bytes(data)


@EVERY_CASE
@given(edits=st.lists(st.tuples(st.integers(0, 9999), st.binary(max_size=9))))
def test_random_damage_is_a_checkpoint_error(
    folder: Path, edits: list[tuple[int, bytes]]
) -> None:
    for name in (INDEX, DATA):
        damaged = (FIXTURES / name).read_bytes()
        for place, text in edits:
            place %= len(damaged)
            damaged = damaged[:place] + text + damaged[place + 1 :]
        (folder / name).write_bytes(damaged)
    try:
        read = read_all(folder)
    except CheckpointError:
        return
    assert_same(read, dict(np.load(FIXTURES / "expected.npz")))


@EVERY_CASE
@given(
    header=st.just(HEADER) | st.binary(max_size=12),
    entries=st.dictionaries(st.binary(min_size=1, max_size=4), st.binary(max_size=40)),
)
def test_nonsense_with_good_checksums_is_a_checkpoint_error(
    folder: Path, header: bytes, entries: dict[bytes, bytes]
) -> None:
    write_table(folder / INDEX, [(b"", header), *sorted(entries.items())])
    try:
        read = read_all(folder)
    except CheckpointError:
        return
    # What is left are variables without a single number.
    assert {name.encode() for name in read} <= entries.keys()
    assert sum(value.size for value in read.values()) == 0


@EVERY_CASE
@given(body=st.binary(max_size=60))
def test_a_nonsense_block_is_a_checkpoint_error(folder: Path, body: bytes) -> None:
    table = body + b"\0" + masked_crc(body + b"\0").to_bytes(4, "little")
    footer = bytes([0, 0, 0, len(body)]).ljust(40, b"\0")
    magic = (FIXTURES / INDEX).read_bytes()[-8:]
    (folder / INDEX).write_bytes(table + footer + magic)
    with pytest.raises(CheckpointError, match=r"index of a TensorFlow checkpoint"):
        TensorBundle(folder)


HUGE = 2**64 - 1


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (encode_entry(1, [2], size=4), "4 bytes, which is not a float32"),
        (encode_entry(1, [HUGE], size=4), "shape"),
        (encode_entry(1, [0, 2**40, 2**40]), "shape"),
        (encode_entry(1, [1] * 33, size=4), "shape"),
        (encode_entry(1, [2], offset=HUGE, size=8), "place"),
        (encode_entry(1, [2**50], size=2**52), "truncated"),
        (encode_entry(1, [2], shard=1, size=8), "place"),
        (encode_entry(99, [2], size=8), "number 99"),
        (field(1, b"text"), "wrong kind"),
        (field(9, b"text")[:-1], "cut off"),
        (b"\x4b", "unknown kind"),
        (b"\x08" + b"\xff" * 11, "does not end"),
    ],
)
def test_an_entry_that_is_not_possible(
    folder: Path, entry: bytes, message: str
) -> None:
    write_table(folder / INDEX, [(b"", HEADER), (b"name", entry)])
    with pytest.raises(CheckpointError, match=message):
        TensorBundle(folder).read("name")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no header"),
        ([(b"a", encode_entry(1, []))], "no header"),
        ([(b"", HEADER + b"\x10\x01")], "big-endian"),
        ([(b"", b"\x08\x00")], "0 data files"),
        ([(b"", HEADER), (b"b", b""), (b"a", b"")], "order"),
        ([(b"", HEADER), (b"a", b""), (b"a", b"")], "order"),
        ([(b"", HEADER), (b"\xff", b"")], "not text"),
    ],
)
def test_an_index_that_is_not_possible(
    folder: Path, records: list[tuple[bytes, bytes]], message: str
) -> None:
    write_table(folder / INDEX, records)
    with pytest.raises(CheckpointError, match=message):
        TensorBundle(folder)


@pytest.mark.parametrize(("kind", "message"), [(1, "snappy"), (9, "kind 9")])
def test_a_compressed_block(folder: Path, kind: int, message: str) -> None:
    table = bytearray()
    handle = append_block(table, [(b"", HEADER)], compression=kind)
    handles = append_block(table, []) + append_block(table, [(b"s", handle)])
    magic = (FIXTURES / INDEX).read_bytes()[-8:]
    (folder / INDEX).write_bytes(table + handles.ljust(40, b"\0") + magic)
    with pytest.raises(CheckpointError, match=message):
        TensorBundle(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("odd/string", "type string"),
        ("odd/sliced", "saved in slices"),
        ("resnet50/conv2d/kernal", r"did you mean \['resnet50/conv2d/kernel'"),
        ("?", "none of its 46"),
    ],
)
def test_a_variable_that_cannot_be_read(name: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        TensorBundle(FIXTURES).read(name)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 400])
def test_reads_what_the_writer_of_these_tests_wrote(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(count)
    tensors = {
        f"scope_{number % 7}/layer_{number}/kernel": rng.normal(
            size=rng.integers(0, 4, size=number % 4)
        ).astype(["f4", "f8", "f2", "i8"][number % 4])
        for number in range(count)
    }
    write_bundle(tmp_path / "ckpt", tensors)
    assert_same(read_all(tmp_path), tensors)
    assert {path.name for path in tmp_path.iterdir()} == {
        "ckpt.index",
        "ckpt.data-00000-of-00001",
    }


SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
TENSORS = st.dictionaries(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_./]{0,40}", fullmatch=True),
    st.tuples(st.sampled_from(sorted(DTYPES)), SHAPES, st.integers(0, 99)),
    min_size=1,
    max_size=30,
)


def random_tensor(dtype: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    numbers = np.random.default_rng(seed).integers(0, 100, size=shape)
    return np.asarray(numbers).astype(kind)


def as_read(tensor: np.ndarray) -> np.ndarray:
    return tensor.astype(np.float32) if tensor.dtype.name == "bfloat16" else tensor


@EVERY_CASE
@given(drawn=TENSORS, block_size=st.sampled_from([1, 60, 4096]))
def test_round_trip(
    tmp_path: Path, drawn: dict[str, tuple[str, tuple[int, ...], int]], block_size: int
) -> None:
    tensors = {name: random_tensor(*kind) for name, kind in drawn.items()}
    write_bundle(tmp_path / "ckpt", tensors, block_size=block_size)
    expected = {name: as_read(tensor) for name, tensor in tensors.items()}
    assert_same(read_all(tmp_path / "ckpt"), expected)


@pytest.mark.parametrize("block_size", [1, 200, 4096])
def test_tensorflow_reads_what_the_writer_wrote(
    tmp_path: Path, block_size: int
) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    tensors = {
        f"scope_{number % 3}/{dtype}_{number}": random_tensor(dtype, shape, number)
        for number, (dtype, shape) in enumerate(
            (dtype, shape)
            for dtype in DTYPES
            for shape in ((), (3,), (0, 2), (2, 1, 3), (1,) * 5)
        )
    }
    prefix = tmp_path / "model.ckpt-1"
    write_bundle(prefix, tensors, block_size=block_size)
    reader = tensorflow.train.load_checkpoint(str(prefix))
    assert set(reader.get_variable_to_shape_map()) == set(tensors)
    for name, tensor in tensors.items():
        read = reader.get_tensor(name)
        assert np.asarray(read).dtype == tensor.dtype, name
        assert np.asarray(read).tobytes() == tensor.tobytes(), name
        assert np.shape(read) == tensor.shape, name
    expected = {name: as_read(tensor) for name, tensor in tensors.items()}
    assert_same(read_all(prefix), expected)


@settings(deadline=None, max_examples=10)
@given(drawn=TENSORS)
def test_reads_random_checkpoints_of_tensorflow(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: dict[str, tuple[str, tuple[int, ...], int]],
) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    tensors = {name: random_tensor(*kind) for name, kind in drawn.items()}
    prefix = tmp_path_factory.mktemp("random") / "ckpt"
    tensorflow.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tensorflow.constant(tensor) for tensor in tensors.values()],
    )
    expected = {name: as_read(tensor) for name, tensor in tensors.items()}
    assert_same(read_all(prefix), expected)
