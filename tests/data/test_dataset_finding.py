import json
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from coco_folders import content, save
from small_datasets import Few, make_example

import vild
from vild.data.dataset import Category
from vild.data.finding import get
from vild.data.finding import list as list_datasets
from vild.data.lvis_dataset import Lvis
from vild.data.opening import coco, lvis
from vild.data.released_records import Records, write_records
from vild.errors import DataError

pytestmark = pytest.mark.numpy

PLUGIN = """
from vild.data.dataset import Category

class Nothing:
    name, categories = "nothing", [Category(1, "cat")]

    def __init__(self, argument, broken=False):
        if argument == "raise":
            raise RuntimeError("no disk")
        if broken:
            self.name = ""

    def __len__(self):
        return 0

    def __getitem__(self, index):
        raise IndexError(index)
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    (tmp_path / "nothing_dataset.py").write_text(PLUGIN)
    info = tmp_path / "nothing_dataset-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: nothing_dataset\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(
        "[vild.datasets]\nnothing = nothing_dataset:Nothing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


def test_installed_datasets_are_listed(plugin):
    found = list_datasets()
    assert found["nothing"] == "nothing_dataset"
    assert {"coco", "lvis", "tfrecord"} <= set(found)
    assert all(found[name] == "vild" for name in ("coco", "lvis", "tfrecord"))


def test_the_entry_points_can_be_loaded():
    project = Path(vild.__file__).parents[1] / "pyproject.toml"
    if not project.is_file():
        pytest.skip("needs the project's own folder")
    points = tomllib.loads(project.read_text())["project"]["entry-points"]
    for name, value in points["vild.datasets"].items():
        assert callable(EntryPoint(name, value, "vild.datasets").load())


@pytest.mark.parametrize(
    ("spec", "settings", "message"),
    [
        ("nobody:x", {}, "no dataset 'nobody'; installed are coco, .*nothing"),
        ("nothing", {}, "'nothing' needs an argument: write 'nothing:...'"),
        ("nothing:raise", {}, "package 'nothing_dataset' cannot be made .*no disk"),
        ("nothing:x", {"missing": "skip"}, "'nothing' has no setting 'missing'"),
        ("nothing:x", {"broken": True}, "text `name`"),
    ],
)
def test_specifications_that_cannot_be_used(plugin, spec, settings, message):
    with pytest.raises(DataError, match=message):
        get(spec, **settings)


def test_plug_ins_and_objects(plugin):
    assert get("nothing:x").name == "nothing"
    few = Few(make_example())
    assert get(few) is few
    with pytest.raises(DataError, match="category 2, which is none"):
        get(type("Other", (Few,), {"categories": [Category(7, "a")]})(make_example()))


def test_a_folder_with_one_json(tmp_path):
    save(tmp_path, content())
    assert get(f"coco:{tmp_path}")[0].image.shape == (20, 30, 3)
    assert get(f"coco:{tmp_path}/annotations.json").name == "annotations"


def test_coco_as_it_is_unpacked(tmp_path):
    whole = content()
    for split in ("train2017", "val2017"):
        save(tmp_path, whole, split, "x.json")
        (tmp_path / "annotations").mkdir(exist_ok=True)
        path = tmp_path / "annotations" / f"instances_{split}.json"
        path.write_text(json.dumps(whole))
        assert split in str(coco(str(path))[0].picture)
    with pytest.raises(DataError, match=r"instances_train2017\.json, instances_val"):
        coco(str(tmp_path))


def test_lvis_as_it_is_unpacked(tmp_path, reference):
    tiny = reference / "lvis_tiny"
    with pytest.warns(UserWarning, match="no area"):
        dataset = get(f"lvis:{tiny}")
    assert isinstance(dataset, Lvis)
    assert len(dataset) == 3
    with pytest.warns(UserWarning, match="no area"):
        assert len(get(f"lvis:{tiny / 'lvis_tiny.json'}", missing="skip")) == 3


def test_images_that_are_nowhere(tmp_path):
    path, images = save(tmp_path, content())
    images.rename(tmp_path / "pictures")
    for missing in ("error", "skip"):
        with pytest.raises(DataError, match=r"e\.g\. '0007\.png', are neither in"):
            coco(str(path), missing)
    images.mkdir()
    (tmp_path / "pictures" / "0040.png").rename(images / "0040.png")
    assert [e.image_id for e in coco(str(path), "skip")] == [40]


def test_folders_without_a_json(tmp_path):
    with pytest.raises(DataError, match=r"holds no lvis\*\.json or annotations\*"):
        lvis(str(tmp_path))
    with pytest.raises(DataError, match="cannot be read"):
        lvis(str(tmp_path / "gone.json"))


def test_records(tmp_path):
    write_records(Few(make_example()), tmp_path, "val")
    for argument in (tmp_path, f"{tmp_path}/val-*"):
        assert isinstance(get(f"tfrecord:{argument}"), Records)
