"""The whole road from a dataset and a teacher to a detector."""

from vild.distillation.distilling import distill

__all__ = ["distill"]
