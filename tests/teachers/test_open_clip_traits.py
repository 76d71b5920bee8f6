import clips
import pytest

from vild.errors import TeacherError
from vild.teachers import open_clip_catalogue as catalogue
from vild.teachers.open_clip_traits import MEAN, STD, Traits, of_file, of_tag
from vild.teachers.torchvision_ops import import_open_clip

pytestmark = clips.needs_open_clip

GREY = (0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def open_clip():
    return import_open_clip()


@pytest.mark.parametrize(
    ("model", "name", "traits"),
    [
        ("ViT-B-32", "w.pt", Traits(False)),
        ("ViT-B-32", "vit_b_32-openai.safetensors", Traits(True)),
        ("ViT-B-32", "vit_b_32-quickgelu-laion400m_e32-46683a32.pt", Traits(True)),
        ("ViT-B-32", "laion2b_s34b_b79k.bin", Traits(False)),
        ("ViT-B-32", "openai/w.pt", Traits(False)),
        (
            "ViT-B-32",
            "models--timm--vit_base_patch32_clip_224.openai/snapshots/0/w.safetensors",
            Traits(True),
        ),
        ("ViT-B-16-SigLIP", "w.bin", Traits(False, GREY, GREY, "squash")),
        (
            "ViT-H-14",
            "models--apple--DFN5B-CLIP-ViT-H-14/snapshots/0/w.bin",
            Traits(True, resize="squash"),
        ),
    ],
)
def test_traits_are_recognised_by_name(tmp_path, model, name, traits):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"PK, but no zip")
    assert of_file(model, path) == traits


def test_traits_of_tags_are_those_of_open_clips_table(open_clip):
    for model in open_clip.list_models():
        if model.startswith("vild-") or model.endswith(catalogue.QUICK):
            continue
        for tag in open_clip.list_pretrained_tags_by_model(model):
            theirs = open_clip.get_pretrained_cfg(model, tag)
            ours = of_tag(model, tag)
            assert (ours.mean, ours.std) == (theirs["mean"], theirs["std"])
            assert ours.quick_gelu >= theirs.get("quick_gelu", False)
    assert of_tag("ViT-L-14", "openai") == Traits(True, MEAN, STD, "crop")


def test_a_table_that_cannot_be_read_is_imported(open_clip, tmp_path, monkeypatch):
    known = catalogue.tags("ViT-B-32")
    (tmp_path / "constants.py").touch()
    (tmp_path / "pretrained.py").write_text("table = of_another_release()")
    monkeypatch.setattr(catalogue, "_folder", lambda: tmp_path)
    catalogue._pretrained.cache_clear()
    try:
        assert catalogue._pretrained() is open_clip
        assert catalogue.tags("ViT-B-32") == known
    finally:
        catalogue._pretrained.cache_clear()


@pytest.mark.parametrize(
    "settings",
    [
        "no JSON",
        "[]",
        '{"model_cfg": 3}',
        '{"preprocess_cfg": {"mean": [1]}}',
        '{"preprocess_cfg": {"std": [1, 0, 1]}}',
        '{"preprocess_cfg": {"resize_mode": "longest"}}',
    ],
)
def test_settings_that_cannot_be_read_are_told(tmp_path, settings):
    (tmp_path / "w.pt").touch()
    (tmp_path / "open_clip_config.json").write_text(settings)
    with pytest.raises(TeacherError, match="settings"):
        of_file("ViT-B-32", tmp_path / "w.pt")
