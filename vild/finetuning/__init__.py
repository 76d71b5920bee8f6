"""Fine-tuning: a detector learns new classes and keeps its open vocabulary."""

from vild.finetuning.finetuning import finetune
from vild.finetuning.recipe import recipe_for

__all__ = ["finetune", "recipe_for"]
