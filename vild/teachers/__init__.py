"""Teachers: the image-text models that words and regions are compared through."""

from vild.teachers.protocol import Teacher

__all__ = ["Teacher"]
