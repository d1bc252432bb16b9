"""The rows and recipes of AlexNet and ZFNet."""

from models.catalog.shared import BN_MOMENTUM, dropout
from models.catalog.shared import SMALL as _SMALL
from models.recipes import Recipe
from models.row import Choice, Form, Paper, Range, Variant

ALEXNET = Paper(
    title="ImageNet Classification with Deep Convolutional Neural Networks",
    authors="Krizhevsky, Sutskever, Hinton",
    year=2012,
    url="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
)
ZFNET = Paper(
    title="Visualizing and Understanding Convolutional Networks",
    authors="Zeiler, Fergus",
    year=2014,
    url="https://arxiv.org/abs/1311.2901",
)

# Krizhevsky et al. 2012: 40.7 % top-1, 18.2 % top-5 error on ImageNet 2012. The paper divides the step size three times
# when validation stalls; thirds of the 90 epochs stand for that. Crops of 224 from 256 are 0.77 of the area. Weight
# decay is the paper's 0.0005 under momentum 0.9. The paper: two GTX 580, six days; one GPU of today: half a day.
ALEXNET_PUBLISHED = Recipe(
    optimizer="sgd",
    learning_rate=0.01,
    momentum=0.9,
    schedule="step",
    milestones=(1 / 3, 2 / 3, 8 / 9),
    weight_decay=0.005,
    epochs=90,
    batch_size=128,
    flip=True,
    crop=0.77,
    colour=0.1,
)
# Zeiler and Fergus 2014: 38.4 % top-1, 16.5 % top-5 error on ImageNet 2012. Annealed by hand; no weight decay stated.
# The paper: one GTX 580, twelve days; one GPU of today: half a day.
ZFNET_PUBLISHED = ALEXNET_PUBLISHED.replace(weight_decay=0.0, epochs=70, colour=0.0)

# Nothing normalises these maps, so the gradient is clipped; of the 256 values that a 16x16 image leaves, dropping half
# leaves too little to learn from. Two minutes on one core.
SMALL = _SMALL.replace(epochs=10, learning_rate=0.01, clip_norm=1.0, shift=0.0)

_TUNABLE: dict[str, Range | Choice] = {"dropout": dropout(0.5), "batch_norm": Choice(False), "bn_momentum": BN_MOMENTUM}
_SMALL_OPTIONS = {
    "initializer": "he",
    "lrn": "none",
    "initial_bias": 0.0,
    "groups": 1,
    "dropout": 0.0,
    "bn_momentum": 0.9,
}


def _alexnet(name: str, *, groups: int, params: int, description: str) -> Variant:
    small = {"stem": ((5, 1, "same"), (5, 1, "same")), **_SMALL_OPTIONS}
    return Variant(
        name=name,
        family="alexnet",
        description=description,
        paper=ALEXNET,
        classes=1000,
        params=params,
        forms={
            "paper": Form((227, 227, 3), min_side=67, options={"groups": groups}),
            "small": Form((32, 32, 3), min_side=15, resize_to=16, options=small),
        },
        recipes={"paper": ALEXNET_PUBLISHED, "small": SMALL},
        options={
            "stem": ((11, 4, "valid"), (5, 1, "same")),
            "pool_padding": "valid",
            "lrn": "before_pool",
            "initial_bias": 1.0,
        },
        tunable=_TUNABLE,
    )


ROWS = (
    _alexnet("alexnet", groups=2, params=60_965_224, description="AlexNet, two groups"),
    _alexnet("alexnet_ungrouped", groups=1, params=62_378_344, description="AlexNet, one column"),
    Variant(
        name="zfnet",
        family="alexnet",
        description="ZFNet: AlexNet with smaller kernels and strides in front",
        paper=ZFNET,
        classes=1000,
        params=62_357_608,
        forms={
            "paper": Form((224, 224, 3), min_side=53),
            "small": Form(
                (32, 32, 3),
                min_side=9,
                resize_to=16,
                options={"stem": ((3, 1, "same"), (3, 1, "same")), **_SMALL_OPTIONS},
            ),
        },
        recipes={"paper": ZFNET_PUBLISHED, "small": SMALL},
        options={"stem": ((7, 2, 1), (5, 2, "valid")), "pool_padding": "same", "lrn": "after_pool"},
        tunable=_TUNABLE,
    ),
)
