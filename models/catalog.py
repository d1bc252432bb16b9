"""The catalog: every network that can be trained, one row each, as data.

Nothing here imports Keras, so the command line can check names and recipes in milliseconds. A new network is a row; a
new family is a module `models/<family>.py` with one function, `build(inputs, num_classes, **options)`, and its rows.
"""

from models import recipes
from models.recipes import received
from models.row import Form, Paper, Tunable, Variant

LENET = Paper(
    title="Gradient-Based Learning Applied to Document Recognition",
    authors="LeCun, Bottou, Bengio, Haffner",
    year=1998,
    url="https://doi.org/10.1109/5.726791",
)
ALLCNN = Paper(
    title="Striving for Simplicity: The All Convolutional Net",
    authors="Springenberg, Dosovitskiy, Brox, Riedmiller",
    year=2014,
    url="https://arxiv.org/abs/1412.6806",
)
RESNET = Paper(
    title="Deep Residual Learning for Image Recognition",
    authors="He, Zhang, Ren, Sun",
    year=2015,
    url="https://arxiv.org/abs/1512.03385",
)
MOBILENET = Paper(
    title="MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    authors="Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam",
    year=2017,
    url="https://arxiv.org/abs/1704.04861",
)

BN_MOMENTUM = Tunable(0.99, low=0.0, high=1.0)

ROWS = (
    Variant(
        name="lenet5",
        family="lenet",
        description="LeNet-5, the usual modern form",
        paper=LENET,
        classes=10,
        forms={
            "paper": Form((32, 32, 1), min_side=16),
            "small": Form((28, 28, 1), min_side=12, resize_to=28, options={"pad_below": 32}),
        },
        recipes={"paper": recipes.LENET_PAPER, "small": recipes.LENET_SMALL},
    ),
    Variant(
        name="allcnn_c",
        family="allcnn",
        description="All-CNN-C",
        paper=ALLCNN,
        classes=10,
        forms={
            "paper": Form((32, 32, 3), min_side=9),
            "small": Form((32, 32, 3), min_side=1, options={"pad_below": 9, "input_dropout": 0.0, "dropout": 0.0}),
        },
        recipes={"paper": recipes.ALLCNN_PAPER, "small": recipes.ALLCNN_SMALL},
        tunable={"input_dropout": Tunable(0.2, low=0.0, high=0.95), "dropout": Tunable(0.5, low=0.0, high=0.95)},
    ),
    Variant(
        name="resnet20",
        family="resnet",
        description="ResNet-20 for CIFAR (6n+2, 16-32-64), option A",
        paper=RESNET,
        classes=10,
        forms={
            "paper": Form((32, 32, 3), min_side=1),
            "small": Form((32, 32, 3), min_side=1, options={"bn_momentum": 0.9}),
        },
        recipes={"paper": recipes.RESNET_CIFAR_PAPER, "small": recipes.RESNET_SMALL},
        options={"units": (3, 3, 3), "widths": (16, 32, 64)},
        tunable={"bn_momentum": BN_MOMENTUM},
    ),
    Variant(
        name="mobilenet",
        family="mobilenet",
        description="MobileNet v1, width multiplier alpha",
        paper=MOBILENET,
        classes=1000,
        forms={
            "paper": Form((224, 224, 3), min_side=1),
            "small": Form((32, 32, 3), min_side=1, options={"stem_stride": 1, "bn_momentum": 0.9}),
        },
        recipes={"paper": recipes.MOBILENET_PAPER, "small": recipes.MOBILENET_SMALL},
        tunable={
            "alpha": Tunable(1.0, low=0.05, high=4.0),
            "dropout": Tunable(0.001, low=0.0, high=0.95),
            "bn_momentum": BN_MOMENTUM,
        },
    ),
)

_BY_NAME = {row.name: row for row in ROWS}


class UnknownArchitectureError(ValueError):
    """Raised when no row of the catalog has the name; the sentence suggests the nearest one."""


def names() -> tuple[str, ...]:
    """Returns the name of every architecture, in the order of the catalog."""
    return tuple(_BY_NAME)


def variant(name: str) -> Variant:
    """Returns the row of one architecture.

    Raises:
        UnknownArchitectureError: If no row has that name.
    """
    if name not in _BY_NAME:
        raise UnknownArchitectureError(f"`architecture` must be a registered name. {received(name, _BY_NAME)}")
    return _BY_NAME[name]
