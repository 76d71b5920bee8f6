import clips
import pytest
from clips import assert_rows_equal, own_rows, photos

from vild.errors import TeacherError
from vild.teachers.open_clip import OpenClip
from vild.teachers.torchvision_ops import import_open_clip

pytestmark = clips.needs_open_clip

TEXTS = ["a cat", "two red umbrellas in the rain", "x"]


@pytest.fixture(scope="module")
def open_clip():
    return import_open_clip()


def test_the_fingerprint_of_a_tag():
    teacher = OpenClip("ViT-B-32/openai")
    assert teacher.fingerprint == {
        "model": "ViT-B-32",
        "tag": "openai",
        "quick_gelu": True,
        "mean": "0.48145466 0.4578275 0.40821073",
        "std": "0.26862954 0.26130258 0.27577711",
        "resize": "crop",
    }
    same = OpenClip("ViT-B-32-quickgelu/OpenAI")
    assert same.fingerprint == teacher.fingerprint
    assert same.name == teacher.name == "open_clip:ViT-B-32"
    assert not OpenClip("ViT-B-32/laion2b_s34b_b79k").fingerprint["quick_gelu"]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of the hub, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def test_weights_that_cannot_be_downloaded(open_clip, hub):
    with pytest.raises(TeacherError, match=r"'openai' of open_clip's RN50 could not"):
        OpenClip("RN50/openai").encode_text(["a"])


def test_weights_of_a_tag_that_are_in_the_cache(open_clip, hub):
    """Where open_clip itself would use the wrong activation, and warn."""
    from safetensors.torch import save_file

    folder = hub / "models--timm--resnet50_clip.openai"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    state = clips.random_weights(open_clip.create_model("RN50").half())
    path = snapshot / "open_clip_model.safetensors"
    save_file(state, path)
    images = photos(224, 2)
    text, image = own_rows(open_clip, "RN50-quickgelu", "openai", TEXTS, images)
    teacher = OpenClip("RN50/openai", device="cpu")
    assert_rows_equal(teacher.encode_text(TEXTS), text)
    assert_rows_equal(teacher.encode_image(images), image)
    path.unlink()  # 200 MB, which pytest would keep
