"""The whole road from a dataset and a teacher to a detector."""

from vild.distillation.distilling import distill
from vild.distillation.plan import Plan, make_plan

__all__ = ["Plan", "distill", "make_plan"]
