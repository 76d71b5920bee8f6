import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_datasets import run_doctests

from vild.checkpoints.checksum import masked_crc
from vild.data.tfrecord import TFRecordFile, stream_tfrecord, write_tfrecord
from vild.errors import DataError, InputError

pytestmark = pytest.mark.numpy

RECORDS = [b"first", b"", b"x" * 70_000, b"last"]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.tfrecord"
    assert write_tfrecord(path, RECORDS) == 4
    return path


def test_examples_run(tmp_path, monkeypatch):
    run_doctests("tfrecord", tmp_path, monkeypatch)


def test_by_index_and_as_a_stream(path):
    file = TFRecordFile(path)
    assert len(file) == 4
    assert [file[i] for i in range(4)] == list(file) == RECORDS
    assert file[-1] == b"last"
    assert list(stream_tfrecord(str(path))) == RECORDS
    with pytest.raises(IndexError):
        file[4]


@given(st.lists(st.binary(max_size=50), max_size=8))
def test_what_is_written_is_read(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("records") / "a"
    write_tfrecord(path, records)
    assert list(TFRecordFile(path)) == list(stream_tfrecord(path)) == records


def test_framing_is_that_of_the_format(path):
    raw = path.read_bytes()
    length = struct.pack("<Q", 5)
    head = length + struct.pack("<I", masked_crc(length))
    assert raw.startswith(head + b"first" + struct.pack("<I", masked_crc(b"first")))


def test_an_empty_file_holds_no_records(tmp_path):
    (tmp_path / "a").touch()
    assert len(TFRecordFile(tmp_path / "a")) == 0
    assert list(stream_tfrecord(tmp_path / "a")) == []


@pytest.mark.parametrize("length", [1, 11, 12, 14, 20, 30, 36, 500, 70_050, 70_070])
def test_cut_off_files(path, length):
    path.write_bytes(path.read_bytes()[:length])
    ends = np.cumsum([16 + len(record) for record in RECORDS])
    record = int((ends <= length).sum())
    for read in (TFRecordFile, lambda p: list(stream_tfrecord(p))):
        with pytest.raises(
            DataError, match=rf"Record {record} of .*a\.tf.* is cut off"
        ):
            read(path)


def test_a_cut_between_records_is_no_cut(path):
    path.write_bytes(path.read_bytes()[: 16 + 5 + 16])
    assert list(TFRecordFile(path)) == [b"first", b""]


@pytest.mark.parametrize(("place", "record"), [(0, 0), (9, 0), (21, 1), (30, 1)])
def test_damaged_lengths(path, place, record):
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    for read in (TFRecordFile, lambda p: list(stream_tfrecord(p))):
        with pytest.raises(DataError, match=rf"Record {record} .* is damaged: the len"):
            read(path)


@pytest.mark.parametrize("place", [14, 18])
def test_damaged_content(path, place):
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    file = TFRecordFile(path)
    assert file[3] == b"last"
    with pytest.raises(DataError, match=r"Record 0 .* its 5 bytes do not have"):
        file[0]
    with pytest.raises(DataError, match="Record 0"):
        next(stream_tfrecord(path))


def test_a_file_that_changed_meanwhile(path):
    file = TFRecordFile(path)
    write_tfrecord(path, [b"other"])
    with pytest.raises(DataError, match="open it again"):
        file[3]


def test_other_files(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(b"some records"))
    with pytest.raises(DataError, match="gunzip"):
        TFRecordFile(path)
    path.write_text("this is a text and no TFRecord file")
    with pytest.raises(DataError, match="expected a TFRecord file"):
        TFRecordFile(path)
    for missing in (tmp_path / "gone", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            TFRecordFile(missing)


def test_nothing_half_written_is_left(path):
    def failing():
        yield b"new"
        raise DataError("no more")

    with pytest.raises(DataError, match="no more"):
        write_tfrecord(path, failing())
    assert list(TFRecordFile(path)) == RECORDS
    assert [p.name for p in path.parent.iterdir()] == ["a.tfrecord"]
    with pytest.raises(InputError, match="cannot be written"):
        write_tfrecord(path / "b", [])
