"""Teachers: the image-text models that words and regions are compared through.

A teacher is any object with the names of `Teacher`. It is passed as it is, or
found by a specification such as `open_clip:ViT-B-32/openai` among the packages
that are installed.
"""

from vild.teachers.checks import check
from vild.teachers.finding import get, list
from vild.teachers.fingerprints import fingerprint
from vild.teachers.protocol import Teacher

__all__ = ["Teacher", "check", "fingerprint", "get", "list"]
