"""What other packages and future changes may rely on."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import vild

PACKAGE = Path(vild.__file__).parent

# From the bottom up; a room imports from its own row or from rows below.
ROWS = [
    ["digests", "errors", "files", "names", "name_index", "plugins"],
    ["data", "drawing", "checkpoints", "presets", "prompts", "vocabulary_io"],
    ["teachers"],
    ["embedding", "embedding_cache"],
    ["vocabulary", "vocabulary_arrays", "vocabulary_build", "vocabulary_checks"],
    ["lexicon", "recipes", "replicas", "results", "results_io", "settings"],
    ["evaluation"],
    ["backends"],
    ["ops"],
    ["layers"],
    ["backbones", "heads"],
    ["model"],
    ["training"],
    ["precision"],
    ["matching", "region_search"],
    ["regions"],
    ["crop_regions", "regions_io"],
    ["detector"],
    ["class_agnostic", "crop_lexicon"],
    ["saving", "teacher_on_crops"],
    ["pretrained"],
    ["proposals"],
    ["runs"],
    ["distillation", "oneliner"],
    ["finetuning"],
    ["cli"],
    ["__init__", "__main__"],
]
RANK = {room: row for row, rooms in enumerate(ROWS) for room in rooms}
# The last one: a teacher's network of Keras, loaded when it is first asked for images.
REACH_UP = {
    ("detector", "saving"),
    ("regions", "regions_io"),
    ("teachers", "backends"),
}
# Words and data are for people without Keras too.
WITHOUT_KERAS = {room for rooms in ROWS[: ROWS.index(["backends"])] for room in rooms}
FRAMEWORKS = {"tensorflow", "torch", "jax", "keras"}


def room_of(module):
    return module.split(".")[1] if "." in module else "__init__"


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__"), ast.parse(path.read_text())


def imports(tree, late=True):
    """Imported modules, those for type checkers left out; late: in functions too."""
    skipped = {
        id(node)
        for test in ast.walk(tree)
        if (isinstance(test, ast.If) and "TYPE_CHECKING" in ast.unparse(test.test))
        or (isinstance(test, ast.FunctionDef) and not late)
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            # `import vild` itself loads nothing: its names are lazy.
            yield from (a.name for a in node.names if a.name != "vild")
        elif isinstance(node, ast.ImportFrom):
            if node.module != "vild":
                yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    ("module", "tree"), [*modules()], ids=[m for m, _ in modules()]
)
def test_a_room_imports_only_from_rooms_below(module, tree):
    room = room_of(module)
    assert room in RANK, f"{module}: give the new room {room!r} its place in ROWS"
    for name in imports(tree):
        top = name.split(".")[0]
        if top in FRAMEWORKS and room != "teachers":
            assert room == "backends", f"{module} imports {name}"
        if top == "vild" and room_of(name) in RANK:
            below = room_of(name)
            # Methods that save and load reach up; they are nearly the only exception.
            if (room, below) in REACH_UP:
                continue
            assert RANK[below] <= RANK[room], f"{module} imports {name}"
            if room in WITHOUT_KERAS:
                assert below in WITHOUT_KERAS, f"{module} needs Keras through {name}"


def test_teachers_import_a_framework_only_when_they_are_asked():
    for module, tree in modules():
        if room_of(module) == "teachers":
            tops = {name.split(".")[0] for name in imports(tree, late=False)}
            assert not tops & (FRAMEWORKS | {"open_clip", "safetensors"}), module
            if module != "vild.teachers.sticker_network":  # which is itself loaded so
                assert not {"vild.backends"} & {*imports(tree, late=False)}, module


def test_importing_vild_loads_no_framework():
    code = (
        "import sys, vild, vild.results, vild.vocabulary, vild.presets\n"
        "vild.list_models(), vild.teachers.list()\n"
        "print(sorted({'keras', 'jax', 'torch', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


SIGNATURES = {
    "detect": "(image, classes=None, model='stickers', **settings)",
    "distill": "(dataset, *, teacher, recipe='r50-ensemble', out, proposals=None, "
    "embeddings=None, detector=None, first_stage=None, count=None, "
    "ground_truth=False, engine='local', embed_workers=1, look=None, devices=None, "
    "threads=2, workers=0, compiled=None, callbacks=(), quiet=False)",
    "evaluate": "(detector, dataset, protocol='lvis', *, out=None, vocabulary=None, "
    "base=None, batch_size=8, limit=None, workers=0, **settings)",
    "finetune": "(detector, dataset, *, out, teacher=None, recipe=None, replay=None, "
    "replay_share=0.5, replay_images=1000, embeddings=None, replay_embeddings=None, "
    "measure_on=(), measure_images=None, engine='local', embed_workers=1, look=None, "
    "devices=None, threads=2, workers=0, compiled=None, callbacks=(), quiet=False)",
    "list_models": "()",
    "load_pretrained": "(name, checkpoint=None, *, teacher=None, **settings)",
    "teachers.get": "(spec)",
    "teachers.list": "()",
    "teachers.check": "(teacher)",
    "Vocabulary.build": "(classes, teacher, templates=None, base=None, *, cache=True)",
    "Vocabulary.subset": "(self, classes)",
    "Vocabulary.merge": "(self, other)",
    "Vocabulary.save": "(self, path)",
    "Vocabulary.load": "(path)",
    "Vocabulary": "(names, embeddings, base=None)",
    "Detector": "(model, vocabulary, *, teacher=None, provenance=None, **settings)",
    "Detector.detect": "(self, image, classes=None, *, batch_size=8, base=None, "
    "**settings)",
    "Detector.encode": "(self, image, *, batch_size=8, **settings)",
    "Detector.vocabulary": "(self, classes=None, base=None, templates=None)",
    "Detector.save": "(self, directory, *, half=False)",
    "Regions.detect": "(self, classes=None, *, base=None, chunk_size=None, **settings)",
    "Regions.similarity": "(self, query)",
    "Regions.search": "(self, query, *, score_threshold=-1.0, max_detections=10, "
    "nms_iou=0.5)",
    "Detections.draw": "(self, image)",
    "Detections.save": "(self, path)",
    "Detections.to_coco": "(self, image_id, category_ids=None)",
    "Detections.to_supervision": "(self)",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_public_signatures(name):
    value = vild
    for part in name.split("."):
        value = getattr(value, part)
    signature = inspect.signature(value)
    bare = signature.replace(
        parameters=[
            parameter.replace(annotation=inspect.Parameter.empty)
            for parameter in signature.parameters.values()
        ],
        return_annotation=inspect.Signature.empty,
    )
    assert str(bare) == SIGNATURES[name]


def test_public_names():
    assert vild.__all__ == [
        "Detections",
        "Detector",
        "Regions",
        "ViLD",
        "VildError",
        "Vocabulary",
        "detect",
        "distill",
        "evaluate",
        "finetune",
        "list_models",
        "load_pretrained",
        "teachers",
    ]
    for name in vild.__all__:
        assert inspect.getdoc(getattr(vild, name)), name
    assert set(vild.__all__) <= set(dir(vild))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vild.nonsense


def test_settings_have_one_name_everywhere():
    from vild.settings import ModelOverrides, Settings

    names = list(inspect.signature(Settings).parameters)
    assert names == [
        "image_size",
        "pre_nms_proposals",
        "num_proposals",
        "pre_nms_detections",
        "max_detections",
        "nms_iou",
        "score_threshold",
        "masks",
        "dtype",
        "rivals",
    ]
    assert set(ModelOverrides.__annotations__) == set(names)


@pytest.mark.parametrize("prefix", ["", "devices_"])
def test_the_backends_hold_the_same_names(prefix):
    found = {}
    for name in ("jax", "tensorflow", "torch"):
        tree = ast.parse((PACKAGE / "backends" / f"{prefix}{name}.py").read_text())
        found[name] = {
            node.name: ast.unparse(node.args)
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        }
    assert found["jax"] == found["tensorflow"] == found["torch"]
    assert len(found["jax"]) >= 4
