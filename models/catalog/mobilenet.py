"""The row and recipes of MobileNet."""

from models.catalog.shared import BN_MOMENTUM, dropout
from models.catalog.shared import SMALL as _SMALL
from models.recipes import Recipe
from models.row import Form, Paper, Range, Variant

PAPER = Paper(
    title="MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    authors="Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam",
    year=2017,
    url="https://arxiv.org/abs/1704.04861",
)

# Howard et al. 2017: 70.6 % top-1 on ImageNet. The paper says RMSprop, no label smoothing, hardly any weight decay and
# small crops, and no step size. That of the Inception recipe it follows, 0.045, goes with an epsilon of 1; Keras's
# epsilon is tiny, hence the smaller step here. A cosine stands for that recipe's 6 % off every two epochs. Several
# GPUs: days.
PUBLISHED = Recipe(
    optimizer="rmsprop",
    learning_rate=0.001,
    momentum=0.9,
    schedule="cosine",
    warmup_epochs=1,
    epochs=100,
    batch_size=96,
    flip=True,
    crop=0.5,
)

# Half a minute on one core.
SMALL = _SMALL.replace(epochs=15, learning_rate=0.08, batch_size=64, shift=0.0)

ROWS = (
    Variant(
        name="mobilenet",
        family="mobilenet",
        description="MobileNet v1, width multiplier alpha",
        paper=PAPER,
        classes=1000,
        params=4_253_864,
        forms={
            "paper": Form((224, 224, 3), min_side=1),
            "small": Form((32, 32, 3), min_side=1, options={"stem_stride": 1, "bn_momentum": 0.9}),
        },
        recipes={"paper": PUBLISHED, "small": SMALL},
        tunable={
            "alpha": Range(1.0, low=0.05, high=4.0),
            "dropout": dropout(0.001),
            "bn_momentum": BN_MOMENTUM,
        },
    ),
)
