"""Training recipes as data: how each family is trained, `paper` as published and `small` for small images.

A recipe is plain numbers that any Keras trainer can honour; it imports nothing but the standard library, so that a
config can be checked against `Recipe.fields()` long before Keras is loaded.
"""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType

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


@dataclass(frozen=True)
class Recipe:
    """Says how to train one network.

    Attributes:
        optimizer: One of `OPTIMIZERS`.
        learning_rate: Peak step size, reached when the warm-up ends.
        momentum: Of `sgd` and `rmsprop`, from 0 up to but not including 1; `adam` keeps its own.
        nesterov: Whether `sgd` looks ahead (Nesterov's momentum).
        schedule: `constant`; `cosine`, which falls to zero at the last step; `step`, divided by ten at each milestone.
        milestones: Where `step` divides: fractions of the epochs, rising, between 0 and 1; the others need none.
        warmup_epochs: Epochs over which the step size rises linearly from zero; may be fractional.
        weight_decay: Decoupled, as in Keras: each step takes `rate * weight_decay * w` off every weight. The L2
            penalty of a paper, trained with momentum m, pulls 1 / (1 - m) times as hard as its coefficient says.
        label_smoothing: Mass spread over all classes, from 0 up to but not including 1.
        clip_norm: Largest global gradient norm; 0 means no clipping.
        epochs: Passes over the training split.
        batch_size: Images a step, over all devices.
        seed: Of the initial weights and the order of the images.
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
    epochs: int = 10
    batch_size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuses values that no training could use."""
        self._require_types()
        object.__setattr__(self, "milestones", tuple(self.milestones))
        self._require("optimizer", self.optimizer in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}")
        self._require("schedule", self.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}")
        for name in ("epochs", "batch_size", "learning_rate"):
            self._require(name, getattr(self, name) > 0, "greater than 0")
        for name in ("weight_decay", "clip_norm", "seed"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        for name in ("momentum", "label_smoothing"):
            self._require(name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        self._require(
            "warmup_epochs", 0 <= self.warmup_epochs < self.epochs, f"at least 0 and below epochs={self.epochs}"
        )
        self._require_milestones()

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

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f"`{name}` must be {rule}. Received: {getattr(self, name)!r}.")

    def _require_types(self) -> None:
        for field in dataclasses.fields(self):
            kinds, words = _KINDS[field.type]
            value = getattr(self, field.name)
            self._require(field.name, isinstance(value, kinds) and isinstance(value, bool) == (kinds is bool), words)
            self._require(field.name, not isinstance(value, float) or math.isfinite(value), "finite")

    def _require_milestones(self) -> None:
        inside = all(isinstance(fraction, float) and 0 < fraction < 1 for fraction in self.milestones)
        rising = inside and list(self.milestones) == sorted(set(self.milestones))
        self._require("milestones", rising, "rising fractions of the epochs, between 0 and 1")
        given = self.schedule != "step" or len(self.milestones) > 0
        self._require("milestones", given, "given for schedule='step'")


def received(name: str, known: Iterable[str]) -> str:
    """Returns the end of a refusal: what was received, and the nearest of the known names where one is near."""
    nearest = get_close_matches(name, list(known), n=1)
    return f"Received: {name!r}." + (f" Did you mean {nearest[0]!r}?" if nearest else "")


# LeCun et al. 1998: 0.95 % error on MNIST, no distortions. The paper feeds one image a step, under second-order step
# sizes; plain SGD on small batches is the nearest thing that a trainer of today has. One GPU: a minute.
LENET_PAPER = Recipe(optimizer="sgd", learning_rate=0.01, momentum=0.9, epochs=20, batch_size=32)

# Springenberg et al. 2014: 9.08 % error on CIFAR-10, no augmentation (two public reproductions: 9.75 and 10.5 %).
# Weight decay is the paper's L2 of 0.001 under momentum 0.9. One GPU: an hour or two.
ALLCNN_PAPER = Recipe(
    optimizer="sgd",
    learning_rate=0.05,
    momentum=0.9,
    schedule="step",
    milestones=(200 / 350, 250 / 350, 300 / 350),
    weight_decay=0.01,
    epochs=350,
    batch_size=128,
)

# He et al. 2015, section 4.2: 8.75 % error on CIFAR-10 with pad-4 crops and flips; 64,000 steps over 45,000 images.
# Weight decay is the paper's L2 of 0.0001 under momentum 0.9. One GPU: an hour.
RESNET_CIFAR_PAPER = Recipe(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    schedule="step",
    milestones=(0.5, 0.75),
    weight_decay=0.001,
    epochs=182,
    batch_size=128,
)

# Howard et al. 2017: 70.6 % top-1 on ImageNet. The paper says RMSprop, no label smoothing and hardly any weight decay,
# and no step size. That of the Inception recipe it follows, 0.045, goes with an epsilon of 1; Keras's epsilon is tiny,
# hence the smaller step here. A cosine stands for that recipe's 6 % off every two epochs. Several GPUs: days.
MOBILENET_PAPER = Recipe(
    optimizer="rmsprop",
    learning_rate=0.001,
    momentum=0.9,
    schedule="cosine",
    warmup_epochs=1,
    epochs=100,
    batch_size=96,
)

# The small recipes are ours, made for scikit-learn's digits: 1,078 images of 8x8 to train on, 360 to test. Behind each:
# mean and worst test accuracy over four to eight random splits, and seconds on one CPU core, TensorFlow's tracing
# included. They were chosen while looking at those splits, so take a few thousandths off. Smoothed labels are worth
# more here than any weight decay, and SGD makes steadier use of so few steps than Adam.
_SMALL = Recipe(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    schedule="cosine",
    warmup_epochs=0.5,
    label_smoothing=0.1,
    batch_size=64,
)
LENET_SMALL = _SMALL.replace(epochs=20, batch_size=32)  # 0.983, 0.972; 4 s
ALLCNN_SMALL = _SMALL.replace(epochs=6, batch_size=32, learning_rate=0.03)  # 0.985, 0.981; 9 s
RESNET_SMALL = _SMALL.replace(epochs=6)  # 0.984, 0.975; 6 s
MOBILENET_SMALL = _SMALL.replace(epochs=9, learning_rate=0.08)  # 0.980, 0.975; 15 s
