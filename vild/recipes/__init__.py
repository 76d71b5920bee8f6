"""Recipes of trainings: plain values that can be read, changed and written down."""

from vild.recipes.changes import changed, recipe_from
from vild.recipes.losses import Losses
from vild.recipes.named import RECIPES, get_recipe
from vild.recipes.recipe import Classes, Inputs, Model, Optimizer, Recipe
from vild.recipes.stages import first_stage

__all__ = [
    "RECIPES",
    "Classes",
    "Inputs",
    "Losses",
    "Model",
    "Optimizer",
    "Recipe",
    "changed",
    "first_stage",
    "get_recipe",
    "recipe_from",
]
