"""The rows and recipes of VGG."""

from models.catalog.shared import BN_MOMENTUM, dropout
from models.catalog.shared import SMALL as _SMALL
from models.recipes import Recipe
from models.row import Choice, Form, Paper, Variant

PAPER = Paper(
    title="Very Deep Convolutional Networks for Large-Scale Image Recognition",
    authors="Simonyan, Zisserman",
    year=2014,
    url="https://arxiv.org/abs/1409.1556",
)

# Simonyan and Zisserman 2014, ImageNet 2012, one network at one scale, top-1 / top-5 error: A 29.6 / 10.4 %, A-LRN
# 29.7 / 10.5, B 28.7 / 9.9, C 28.1 / 9.4, D 27.0 / 8.8, E 27.3 / 9.0. Divided by ten three times on a plateau, over 74
# epochs. Weight decay is the paper's 0.0005 under momentum 0.9. The paper: four Titan Black, two to three weeks.
PUBLISHED = Recipe(
    optimizer="sgd",
    learning_rate=0.01,
    momentum=0.9,
    schedule="step",
    milestones=(0.4, 0.7, 0.9),
    weight_decay=0.005,
    epochs=74,
    batch_size=256,
    flip=True,
    crop=0.77,
    colour=0.1,
)

# One to two minutes on one core. Unclipped, the first steps on CIFAR-10 throw the network off for good.
SMALL = _SMALL.replace(epochs=10, learning_rate=0.05, batch_size=64, clip_norm=1.0)


def _row(letter: str, name: str, params: int, convs: tuple[int, ...], **options: object) -> Variant:
    small = {"hidden": 0, "batch_norm": True, "pool_padding": "same", "dropout": 0.0, "bn_momentum": 0.9}
    return Variant(
        name=name,
        family="vgg",
        description=f"VGG, configuration {letter}",
        paper=PAPER,
        classes=1000,
        params=params,
        forms={
            "paper": Form((224, 224, 3), min_side=32),
            "small": Form((32, 32, 3), min_side=16, resize_to=16, options=small),
        },
        recipes={"paper": PUBLISHED, "small": SMALL},
        options={"convs": convs, **options},
        tunable={"dropout": dropout(0.5), "batch_norm": Choice(False), "bn_momentum": BN_MOMENTUM},
    )


ROWS = (
    _row("A", "vgg11", 132_863_336, (1, 1, 2, 2, 2)),
    _row("A-LRN", "vgg11_lrn", 132_863_336, (1, 1, 2, 2, 2), lrn=True),
    _row("B", "vgg13", 133_047_848, (2, 2, 2, 2, 2)),
    _row("C", "vgg16_1x1", 133_638_952, (2, 2, 3, 3, 3), last_size=1),
    _row("D", "vgg16", 138_357_544, (2, 2, 3, 3, 3)),
    _row("E", "vgg19", 143_667_240, (2, 2, 4, 4, 4)),
)
