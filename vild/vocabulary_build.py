"""Words -> vectors, by a teacher's text encoder."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vild.embedding_cache import EmbeddingCache, cache_key
from vild.errors import InputError
from vild.prompts import clean, read_templates, write_prompts
from vild.teachers import Teacher, check
from vild.teachers.calls import encode_text
from vild.teachers.checks import is_own

# The prompts of a teacher that does not say which ones it wants.
DEFAULT_TEMPLATES = "vild"

# Texts that are encoded before what is done is kept on disk.
_BATCH = 512

# Names that are looked up before their vectors are put into place.
_LOOKED_UP = 10_000


def encode_words(
    groups: Sequence[Sequence[str]],
    teacher: Teacher,
    templates: Any = None,
    *,
    cache: bool = True,
    checked: bool = True,
    spec: str | None = None,
) -> np.ndarray:
    """The vectors of classes.

    Args:
        groups: K lists of synonyms, checked.
        teacher: any.
        templates: see `vild.prompts.read_templates`; None for the teacher's own.
        cache: look vectors up on disk, and keep them there.
        checked: whether the teacher went through `vild.teachers.check`; if not, it
            does so before it is first asked.
        spec: the specification it was made from, if it was.

    Returns:
        (K, D) float32 unit rows: every text's vector has length 1, and a class has
        the direction of the mean over its synonyms and all templates.

    Raises:
        InputError: for templates that cannot be used, or a class whose texts point
            in opposite directions.
        TeacherError: if the teacher does not do what a teacher does.

    Source: paper section 3.3 and the released demonstration (templates); synonyms
    take part in the mean as the name of the released matrix says.
    """
    if templates is None:
        templates = getattr(teacher, "templates", DEFAULT_TEMPLATES)
    prompts = read_templates(templates)
    names = list(dict.fromkeys(clean(name) for group in groups for name in group))
    key = cache_key(teacher, prompts, spec) if cache else None
    kept = None if key is None else EmbeddingCache(key, teacher.dim)
    means = _means(names, teacher, prompts, kept, checked)
    row_of = {name: row for row, name in enumerate(names)}
    rows = np.empty((len(groups), teacher.dim), "float32")
    for i, group in enumerate(groups):
        mean = means[[row_of[clean(name)] for name in group]].mean(axis=0)
        norm = np.linalg.norm(mean)
        if norm < 1e-6:
            raise InputError(
                f"The texts of {group[0]!r} point in opposite directions, so that "
                "their mean has none: use fewer synonyms or other templates."
            )
        rows[i] = mean / norm
    return rows


def _means(
    names: list[str],
    teacher: Teacher,
    templates: tuple[str, ...],
    kept: EmbeddingCache | None,
    checked: bool,
) -> np.ndarray:
    """(K, D) float32, the mean of each name's prompts, not scaled."""
    from tqdm import tqdm

    means = np.empty((len(names), teacher.dim), "float32")
    missing = []
    for start in range(0, len(names), _LOOKED_UP):
        some = names[start : start + _LOOKED_UP]
        known = {} if kept is None else kept.read(some)
        for row, name in enumerate(some, start):
            if name in known:
                means[row] = known[name]
            else:
                missing.append(row)
    if missing and not checked and not is_own(teacher):
        check(teacher)
    size = max(1, _BATCH // len(templates))
    with tqdm(
        total=len(missing), desc="words", unit="word", delay=3, disable=None
    ) as bar:
        for start in range(0, len(missing), size):
            rows = missing[start : start + size]
            texts = [t for row in rows for t in write_prompts(names[row], templates)]
            vectors = encode_text(teacher, texts).reshape(len(rows), len(templates), -1)
            # The teacher may work in half precision: exactly unit from here on.
            vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
            means[rows] = vectors.mean(axis=1)
            if kept is not None:
                kept.write({names[row]: means[row] for row in rows})
            bar.update(len(rows))
    return means
