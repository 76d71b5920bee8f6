import inspect

import pytest

from vild.errors import InputError, VildError
from vild.recipes import RECIPES, Losses, Model, Recipe, changed, get_recipe

pytestmark = pytest.mark.numpy


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_tells_source_command_hardware_and_result(name):
    recipe = get_recipe(name)
    assert recipe.name == name
    assert recipe.about
    text = inspect.getdoc(RECIPES[name])
    if recipe.classes.classifier == "text":
        assert "--teacher" in text
    if recipe.distils and not name.startswith("tiny"):
        assert "--regions" in text
    for word in (
        "Source:",
        "Command:",
        f"vild train {name} ",
        "Hardware:",
        "Expected:",
    ):
        assert word in text, word


def test_released_recipes_differ_as_released():
    one, two = get_recipe("r50"), get_recipe("r50-ensemble")
    assert changed(two, ["model.ensemble=false"]).model == one.model
    assert (one.losses, one.inputs, one.optimizer) == (
        two.losses,
        two.inputs,
        two.optimizer,
    )
    assert [get_recipe(n).losses.distill_weight for n in ("r152", "r152-ensemble")] == [
        1.0,
        2.0,
    ]
    assert (one.batch_size, one.steps, one.inputs.image_size) == (256, 180_000, 1024)


def test_values_are_changed_by_their_path():
    recipe = changed(
        get_recipe("r50"),
        [
            "model.mask_convs=none",
            "inputs.scale=0.5,2",
            "inputs.image_size=128,160",
            "losses.distill_weight=2",
            "model.frozen=backbone,fpn",
            "classes.templates=vild",
            "settings.score_threshold=0.1",
        ],
    )
    assert recipe.model.mask_convs is None
    assert recipe.inputs.scale == (0.5, 2.0)
    assert recipe.inputs.image_size == (128, 160)
    assert recipe.losses == Losses(distill_weight=2.0)
    assert recipe.model.frozen == ("backbone", "fpn")
    assert recipe.classes.templates == "vild"
    assert recipe.settings == {"score_threshold": 0.1}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("batchsize=1", "did you mean batch_size"),
        ("losses.l3=1", "losses.l3"),
        ("model=3", "has parts"),
        ("steps=many", "steps must be int, received 'many'"),
        ("steps=0", "steps must be 1 or more"),
        ("model.ensemble=3", "must be bool"),
        ("losses.l2=-1", "0 or more"),
        ("inputs.scale=1,2,3", "tuple"),
        ("model.backbone=77", "50, 152"),
        ("model.frozen=tail", "backbone, fpn"),
        ("optimizer.rates=1", "equally many"),
        ("optimizer.kind=sgd", "momentum or adam"),
        ("model.canonical_size=0", "above 0"),
        ("model.temperature=0", "above 0"),
        ("losses.distill_weight=0", "image branch"),
        ("dtype=float8", "float8"),
        ("nothing", "path.to.value=value"),
    ],
)
def test_a_change_that_cannot_be_says_why(change, words):
    with pytest.raises(InputError, match=words):
        changed(get_recipe("r50-ensemble"), [change])


def test_convolutions_of_a_branch_are_a_number_or_outputs_and_strides():
    changes = ["model.region_convs=[[8,1],[16,2]]", "model.region_units=[]"]
    model = changed(get_recipe("r50"), changes).model
    assert model.region_convs == ((8, 1), (16, 2))
    assert model.region_units == ()
    assert changed(get_recipe("r50"), ["model.region_convs=2"]).model.region_convs == 2


def test_changes_that_need_each_other_come_together():
    recipe = changed(
        get_recipe("r50-ensemble"),
        ["losses.distill_weight=0", "model.ensemble=false"],
    )
    assert not recipe.distils


def test_rates_follow_the_batch():
    recipe = changed(get_recipe("r50"), ["batch_size=16", "optimizer.accumulate=4"])
    assert recipe.rate_scale == 0.25


def test_an_unknown_recipe_is_told_with_the_nearest():
    with pytest.raises(VildError, match="did you mean r50-ensemble"):
        get_recipe("r50-ensembl")


def test_a_recipe_is_plain_values():
    found = Recipe(model=Model(frozen=("rpn",))).as_dict()
    assert found["model"]["frozen"] == ["rpn"]
