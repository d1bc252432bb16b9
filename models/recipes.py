"""Training recipes as data; those of each family stand beside its rows in `models.catalog`.

A recipe is plain numbers that any Keras trainer can honour; a config can be checked against `Recipe.fields()` long
before Keras is loaded.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Any

from models import docstrings

OPTIMIZERS = ("sgd", "adam", "rmsprop")
SCHEDULES = ("constant", "cosine", "step")

# What a field of each annotated type takes; a config writes whole numbers for floats and lists for tuples.
_KINDS: dict[object, tuple[type | UnionType, str]] = {
    str: (str, "a name"),
    int: (int, "an integer"),
    float: (int | float, "a number"),
    bool: (bool, "true or false"),
    tuple[float, ...]: (tuple | list, "a list of numbers"),
}


def _rise(fractions: tuple[float, ...]) -> bool:
    inside = all(isinstance(fraction, float) and 0 < fraction < 1 for fraction in fractions)
    return inside and list(fractions) == sorted(set(fractions))


_NAMES = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}

# What a field takes beyond its type: in words, and as a check.
_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **{name: (f"one of {', '.join(known)}", known.__contains__) for name, known in _NAMES.items()},
    **dict.fromkeys(("epochs", "batch_size", "learning_rate"), ("greater than 0", lambda value: value > 0)),
    **dict.fromkeys(
        ("weight_decay", "clip_norm", "auxiliary_weight", "warmup_epochs", "patience", "seed"),
        ("0 or more", lambda value: value >= 0),
    ),
    **dict.fromkeys(
        ("momentum", "label_smoothing", "ema", "shift", "colour"),
        ("at least 0 and below 1", lambda value: 0 <= value < 1),
    ),
    "rotation": ("from 0 to 180", lambda value: 0 <= value <= 180),
    "milestones": ("rising fractions of the epochs, between 0 and 1", _rise),
    "crop": ("above 0 and at most 1", lambda value: 0 < value <= 1),
    **dict.fromkeys(("rand_augment", "erasing", "mixup", "cutmix"), ("from 0 to 1", lambda value: 0 <= value <= 1)),
}


@dataclass(frozen=True)
class Recipe:
    """Says how to train one network.

    Attributes:
        optimizer: What turns gradients into steps.
        learning_rate: Peak step size, reached when the warm-up ends.
        momentum: Of `sgd` and `rmsprop`; `adam` keeps its own.
        nesterov: Whether `sgd` looks ahead (Nesterov's momentum).
        schedule: `constant`; `cosine`, which falls to zero at the last step; `step`, divided by ten at each milestone.
        milestones: Where `step` divides; the other schedules need none.
        warmup_epochs: Epochs over which the step size rises linearly from zero; may be fractional.
        weight_decay: Decoupled, as in Keras: each step takes `rate * weight_decay * w` off every weight. The L2
            penalty of a paper, trained with momentum m, pulls 1 / (1 - m) times as hard as its coefficient says.
        label_smoothing: Mass spread over all classes.
        clip_norm: Largest global gradient norm; 0 means no clipping.
        ema: Share of the running average of the weights that a step leaves as it is. What is validated and served is
            that average; 0 means the weights themselves.
        balanced: Whether every class weighs the same in the loss, however many images it has.
        patience: Epochs without a lower validation loss after which training ends; what is served has the weights of
            the epoch with the lowest. 0 means that the last epoch counts.
        auxiliary_weight: Weight of each auxiliary head's loss beside that of the network, where it has heads.
        flip: Whether every other image is mirrored, left to right.
        shift: Largest random shift in either direction, as a share of the side; what comes in from outside is black.
            With no turn and no crop it is of whole pixels, which is what papers call padding and cropping: 4 of 32
            pixels are 0.125.
        rotation: Largest random turn in either direction, in degrees.
        crop: Smallest share of the area that a random crop keeps before it is scaled back; 1 means no crop.
        colour: Largest random change of brightness and of contrast, as a share.
        rand_augment: Strength of RandAugment, which changes each image by two operations out of eleven, as a share of
            the strongest; 0 means none.
        erasing: Share of the images of which a rectangle, of 2 to 33 % of the area, becomes noise.
        mixup: Alpha of MixUp: each image is blended with another one of its batch, and their labels likewise, in
            shares drawn from Beta(alpha, alpha); 0 means none. Papers have 0.2 to 0.4 for ImageNet, 1 for CIFAR.
        cutmix: Alpha of CutMix: a rectangle of each image comes from another one of its batch, and as much of the
            label; its area is drawn likewise. With `mixup` too, either has half of the batches.
        epochs: Passes over the training split.
        batch_size: Images a step, over all devices.
        seed: Of the initial weights, the order of the images and their random changes.
    """

    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    schedule: str = "constant"
    milestones: tuple[float, ...] = ()
    warmup_epochs: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    balanced: bool = False
    patience: int = 0
    auxiliary_weight: float = 0.0
    flip: bool = False
    shift: float = 0.0
    rotation: float = 0.0
    crop: float = 1.0
    colour: float = 0.0
    rand_augment: float = 0.0
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    epochs: int = 10
    batch_size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses values that no training could use."""
        self._require_types()
        object.__setattr__(self, "milestones", tuple(self.milestones))
        for name, (rule, holds) in _RULES.items():
            self._require(name, holds(getattr(self, name)), rule)
        self._require("warmup_epochs", self.warmup_epochs < self.epochs, f"below epochs={self.epochs}")
        self._require("milestones", self.schedule != "step" or len(self.milestones) > 0, "given for schedule='step'")

    def replace(self, **overrides: object) -> "Recipe":
        """Returns a copy with some fields changed.

        Raises:
            ValueError: On an unknown field, naming the nearest known one, or a value out of range.
        """
        for name in overrides:
            if name not in self.fields():
                raise ValueError(
                    f"A recipe field must be one of {', '.join(self.fields())}. {received(name, self.fields())}"
                )
        return dataclasses.replace(self, **overrides)  # type: ignore[arg-type]

    @classmethod
    def fields(cls) -> tuple[str, ...]:
        """Returns the names of the fields, in the order of the class."""
        return tuple(field.name for field in dataclasses.fields(cls))

    @classmethod
    def rules(cls) -> dict[str, str]:
        """Returns what each field takes, in words."""
        kinds = {field.name: _KINDS[field.type][1] for field in dataclasses.fields(cls)}
        return kinds | {name: rule for name, (rule, _) in _RULES.items()}

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """Returns what each field is, as the docstring says it."""
        return docstrings.entries(cls.__doc__, "Attributes")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            value = getattr(self, name)
            near = received(value, _NAMES.get(name, ())) if isinstance(value, str) else f"Received: {value!r}."
            raise ValueError(f"`{name}` must be {rule}. {near}")

    def _require_types(self) -> None:
        for field in dataclasses.fields(self):
            kinds, words = _KINDS[field.type]
            value = getattr(self, field.name)
            self._require(field.name, isinstance(value, kinds) and isinstance(value, bool) == (kinds is bool), words)
            self._require(field.name, not isinstance(value, float) or math.isfinite(value), "finite")


def received(name: str, known: Iterable[str]) -> str:
    """Returns the end of a refusal: what was received, and the nearest of the known names where one is near."""
    nearest = get_close_matches(name, list(known), n=1)
    return f"Received: {name!r}." + (f" Did you mean {nearest[0]!r}?" if nearest else "")
