"""The rows and recipes of DenseNet."""

from models.catalog.shared import BN_MOMENTUM, dropout
from models.catalog.shared import IMAGENET as _IMAGENET
from models.catalog.shared import SMALL as _SMALL
from models.row import Form, Paper, Variant

PAPER = Paper(
    title="Densely Connected Convolutional Networks",
    authors="Huang, Liu, van der Maaten, Weinberger",
    year=2017,
    url="https://arxiv.org/abs/1608.06993",
)

# Huang et al. 2017, ImageNet 2012, one crop, top-1 / top-5 error: 121 layers 25.02 / 7.71 %, 169 23.80 / 6.85, 201
# 22.58 / 6.34, 161 22.33 / 6.15. Eight GPUs: a day.
IMAGENET = _IMAGENET.replace(nesterov=True)
# The same paper, CIFAR-10 error: 40 layers, k=12, 5.24 %; BC with 100 layers, k=12, 4.51. Crops after padding by 4
# pixels, flips (with neither, the paper drops 0.2 of every layer's maps). One GPU: half a day.
CIFAR = IMAGENET.replace(milestones=(0.5, 0.75), epochs=300, batch_size=64, crop=1.0, colour=0.0, shift=0.125)

# Half a minute (40 layers) to three minutes (201) on one core.
SMALL = _SMALL.replace(epochs=7, learning_rate=0.03, shift=0.0)
CIFAR_SMALL = SMALL.replace(learning_rate=0.05, shift=0.125, epochs=10)

_TUNABLE = {"dropout": dropout(0.0), "bn_momentum": BN_MOMENTUM}
_SMALL_FORM = Form((32, 32, 3), min_side=8, resize_to=8, options={"stem": "small", "bn_momentum": 0.9})


def _imagenet(depth: int, growth: int, blocks: tuple[int, ...], params: int) -> Variant:
    return Variant(
        name=f"densenet{depth}",
        family="densenet",
        description=f"DenseNet-{depth} (BC, k={growth})",
        paper=PAPER,
        classes=1000,
        params=params,
        forms={"paper": Form((224, 224, 3), min_side=29, options={"stem": "imagenet"}), "small": _SMALL_FORM},
        recipes={"paper": IMAGENET, "small": SMALL},
        options={"growth": growth, "blocks": blocks, "stem_maps": 2 * growth},
        tunable=_TUNABLE,
    )


def _cifar(name: str, description: str, blocks: tuple[int, ...], params: int, **options: object) -> Variant:
    return Variant(
        name=name,
        family="densenet",
        description=description,
        paper=PAPER,
        classes=10,
        params=params,
        forms={"paper": Form((32, 32, 3), min_side=4), "small": _SMALL_FORM},
        recipes={"paper": CIFAR, "small": CIFAR_SMALL},
        options={"growth": 12, "blocks": blocks, **options},
        tunable=_TUNABLE,
    )


ROWS = (
    _imagenet(121, 32, (6, 12, 24, 16), 8_062_504),
    _imagenet(169, 32, (6, 12, 32, 32), 14_307_880),
    _imagenet(201, 32, (6, 12, 48, 32), 20_242_984),
    _imagenet(161, 48, (6, 12, 36, 24), 28_900_936),
    _cifar(
        "densenet40",
        "DenseNet-40 for CIFAR (k=12)",
        (12, 12, 12),
        1_037_818,
        stem_maps=16,
        bottleneck=False,
        compression=1.0,
    ),
    _cifar("densenet_bc100", "DenseNet-BC-100 for CIFAR (k=12)", (16, 16, 16), 793_150, stem_maps=24),
)
