"""Open-vocabulary detection: name things in words, get boxes and masks.

Importing this loads neither Keras nor a framework; the names below are imported
when they are first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vild import teachers
    from vild.detector import Detector
    from vild.distillation import distill
    from vild.errors import VildError
    from vild.evaluation import evaluate
    from vild.finetuning import finetune
    from vild.model import ViLD
    from vild.oneliner import detect
    from vild.presets import list_models
    from vild.pretrained import load_pretrained
    from vild.regions import Regions
    from vild.results import Detections
    from vild.vocabulary import Vocabulary

__version__ = "0.1.0.dev0"

_HOMES = {
    "Detections": "vild.results",
    "Detector": "vild.detector",
    "Regions": "vild.regions",
    "ViLD": "vild.model",
    "VildError": "vild.errors",
    "Vocabulary": "vild.vocabulary",
    "detect": "vild.oneliner",
    "distill": "vild.distillation",
    "evaluate": "vild.evaluation",
    "finetune": "vild.finetuning",
    "list_models": "vild.presets",
    "load_pretrained": "vild.pretrained",
    "teachers": "vild.teachers",
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        home = importlib.import_module(_HOMES[name])
        return home if home.__name__ == f"vild.{name}" else getattr(home, name)
    raise AttributeError(f"module 'vild' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
