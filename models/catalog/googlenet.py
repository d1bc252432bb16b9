"""The rows and recipes of GoogLeNet."""

from models.catalog.shared import BN_MOMENTUM, dropout
from models.catalog.shared import SMALL as _SMALL
from models.recipes import Recipe
from models.row import Choice, Form, Paper, Range, Variant

PAPER = Paper(
    title="Going Deeper with Convolutions",
    authors="Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich",
    year=2014,
    url="https://arxiv.org/abs/1409.4842",
)

# Szegedy et al. 2014: 10.07 % top-5 error on ImageNet 2012, one network, one crop. The paper takes 4 % off the step
# size every 8 epochs and states neither its start nor its end; the quick recipe of Caffe's replica (0.01, falling to
# zero over 60 epochs, decay 2e-4) stands for it. Crops keep 8 % of the area or more. One GPU of today: a day.
PUBLISHED = Recipe(
    optimizer="sgd",
    learning_rate=0.01,
    momentum=0.9,
    schedule="cosine",
    weight_decay=0.002,
    epochs=60,
    batch_size=128,
    auxiliary_weight=0.3,
    flip=True,
    crop=0.08,
    colour=0.2,
)

# A minute on one core.
SMALL = _SMALL.replace(epochs=8, batch_size=64, shift=0.0)

_SMALL_FORM = Form(
    (32, 32, 3),
    min_side=1,
    options={"stem": "small", "heads": False, "lrn": False, "batch_norm": True, "dropout": 0.0, "bn_momentum": 0.9},
)
_TUNABLE: dict[str, Range | Choice] = {"batch_norm": Choice(False), "bn_momentum": BN_MOMENTUM}

ROWS = (
    Variant(
        name="googlenet",
        family="googlenet",
        description="GoogLeNet (Inception v1), two auxiliary heads",
        paper=PAPER,
        classes=1000,
        params=13_378_280,
        forms={"paper": Form((224, 224, 3), min_side=65, options={"heads": True}), "small": _SMALL_FORM},
        recipes={"paper": PUBLISHED, "small": SMALL},
        options={"lrn": True},
        tunable={"heads": Choice(False), "dropout": dropout(0.4), **_TUNABLE},
    ),
    Variant(
        name="inception_v1_slides",
        family="googlenet",
        description="Inception v1 as the lecture's function prints it",
        paper=PAPER,
        classes=1000,
        params=6_876_344,
        forms={"paper": Form((224, 224, 3), min_side=1), "small": _SMALL_FORM},
        recipes={"paper": PUBLISHED.replace(auxiliary_weight=0.0), "small": SMALL},
        tunable={
            "errata": Choice("printed", ("printed", "strides", "corrected")),
            "dropout": dropout(0.0),
            **_TUNABLE,
        },
    ),
)
