"""The rows and recipes of LeNet."""

from models.catalog.shared import SMALL as _SMALL
from models.recipes import Recipe
from models.row import Choice, Form, Paper, Variant

PAPER = Paper(
    title="Gradient-Based Learning Applied to Document Recognition",
    authors="LeCun, Bottou, Bengio, Haffner",
    year=1998,
    url="https://doi.org/10.1109/5.726791",
)

# LeCun et al. 1998: 0.95 % error on MNIST, no distortions (0.8 % with). The paper feeds one image a step, under
# second-order step sizes; plain SGD on small batches is the nearest thing that a trainer of today has. One GPU: a
# minute.
PUBLISHED = Recipe(optimizer="sgd", learning_rate=0.01, momentum=0.9, epochs=20, batch_size=32)
ORIGINAL = PUBLISHED.replace(learning_rate=0.001)

# A second or two on one core.
SMALL = _SMALL.replace(epochs=30)
# Logits that are distances of 84 units are large: a small step, and labels smoothed more, to keep them from growing.
ORIGINAL_SMALL = SMALL.replace(learning_rate=0.001, label_smoothing=0.2, shift=0.0, epochs=40, batch_size=16)

ROWS = (
    Variant(
        name="lenet5",
        family="lenet",
        description="LeNet-5, the usual modern form",
        paper=PAPER,
        classes=10,
        params=61_706,
        forms={
            "paper": Form((32, 32, 1), min_side=16),
            "small": Form((28, 28, 1), min_side=12, resize_to=28, options={"pad_below": 32}),
        },
        recipes={"paper": PUBLISHED, "small": SMALL},
    ),
    Variant(
        name="lenet5_1998",
        family="lenet",
        description="LeNet-5 as printed: partial C3, trained pools, fixed codes",
        paper=PAPER,
        classes=10,
        params=60_840,
        forms={
            "paper": Form((32, 32, 1), min_side=32),
            "small": Form((28, 28, 1), min_side=28, resize_to=28, options={"pad_below": 32, "initializer": "lecun"}),
        },
        recipes={"paper": ORIGINAL, "small": ORIGINAL_SMALL},
        options={"original": True},
        tunable={"initializer": Choice("paper", ("paper", "lecun"))},
    ),
)
