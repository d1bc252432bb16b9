"""The row and recipes of All-CNN-C."""

from models.catalog.shared import SMALL as _SMALL
from models.catalog.shared import dropout
from models.recipes import Recipe
from models.row import Form, Paper, Variant

PAPER = Paper(
    title="Striving for Simplicity: The All Convolutional Net",
    authors="Springenberg, Dosovitskiy, Brox, Riedmiller",
    year=2014,
    url="https://arxiv.org/abs/1412.6806",
)

# Springenberg et al. 2014: 9.08 % error on CIFAR-10, no augmentation (two public reproductions: 9.75 and 10.5 %).
# Weight decay is the paper's L2 of 0.001 under momentum 0.9. One GPU: an hour or two.
PUBLISHED = Recipe(
    optimizer="sgd",
    learning_rate=0.05,
    momentum=0.9,
    schedule="step",
    milestones=(200 / 350, 250 / 350, 300 / 350),
    weight_decay=0.01,
    epochs=350,
    batch_size=128,
)

# Twenty seconds on one core.
SMALL = _SMALL.replace(epochs=10, learning_rate=0.03)

ROWS = (
    Variant(
        name="allcnn_c",
        family="allcnn",
        description="All-CNN-C",
        paper=PAPER,
        classes=10,
        params=1_369_738,
        forms={
            "paper": Form((32, 32, 3), min_side=9),
            "small": Form((32, 32, 3), min_side=1, options={"pad_below": 9, "input_dropout": 0.0, "dropout": 0.0}),
        },
        recipes={"paper": PUBLISHED, "small": SMALL},
        tunable={"input_dropout": dropout(0.2), "dropout": dropout(0.5)},
    ),
)
