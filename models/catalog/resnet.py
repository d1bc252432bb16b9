"""The rows and recipes of ResNet."""

from models.catalog.shared import BN_MOMENTUM
from models.catalog.shared import IMAGENET as _IMAGENET
from models.catalog.shared import SMALL as _SMALL
from models.recipes import Recipe
from models.row import Choice, Form, Paper, Range, Variant

PAPER = Paper(
    title="Deep Residual Learning for Image Recognition",
    authors="He, Zhang, Ren, Sun",
    year=2015,
    url="https://arxiv.org/abs/1512.03385",
)

# He et al. 2015, ImageNet 2012, top-1 error with 10 crops: 18 layers 27.88 %, 34 25.03 (option A), 50 22.85, 101 21.75,
# 152 21.43. The paper divides on a plateau, over up to 600,000 steps of 256. ResNet-50, eight GPUs: half a day.
IMAGENET = _IMAGENET
# He et al. 2015, section 4.2, CIFAR-10 error: 20 layers 8.75 %, 32 7.51, 44 7.17, 56 6.97, 110 6.43. Crops after
# padding by 4 pixels, flips; 64,000 steps over 45,000 images. One GPU: an hour for 20 layers, five for 110.
CIFAR = IMAGENET.replace(milestones=(0.5, 0.75), epochs=182, batch_size=128, crop=1.0, colour=0.0, shift=0.125)
# The step size of 0.1 is too large for 110 layers to start with; the paper warms up at 0.01 for some 400 steps.
CIFAR_110 = CIFAR.replace(warmup_epochs=1)

# Ten seconds to a minute on one core.
CIFAR_SMALL = _SMALL.replace(epochs=10, learning_rate=0.05, shift=0.0)
# Half a minute (18 layers) to six minutes (152) on one core.
IMAGENET_SMALL = _SMALL.replace(epochs=12, learning_rate=0.03)
# Twice the layers a unit, on maps of one or two pixels: they take longer to fit.
BOTTLENECK_SMALL = IMAGENET_SMALL.replace(epochs=16)

# The last norm of a unit starts at 0.1. With 1.0, as the paper has it, and all else equal, digits gave, on average over
# three random splits, 0.980 in place of 0.985 for 18 layers, and 0.858 in place of 0.984 for 110.
_TUNABLE = {"residual_scale": Range(1.0, low=0.0, high=1.0), "bn_momentum": BN_MOMENTUM}
_SMALL_FORM = Form((32, 32, 3), min_side=1, options={"stem": "small", "residual_scale": 0.1, "bn_momentum": 0.9})


def _imagenet(depth: int, units: tuple[int, ...], params: int, *, bottleneck: bool) -> Variant:
    flag = {"v1_5": Choice(False)} if bottleneck else {}
    return Variant(
        name=f"resnet{depth}",
        family="resnet",
        description=f"ResNet-{depth} v1, option B",
        paper=PAPER,
        classes=1000,
        params=params,
        forms={"paper": Form((224, 224, 3), min_side=1, options={"stem": "imagenet"}), "small": _SMALL_FORM},
        recipes={"paper": IMAGENET, "small": BOTTLENECK_SMALL if bottleneck else IMAGENET_SMALL},
        options={"units": units, "widths": (64, 128, 256, 512), "bottleneck": bottleneck},
        tunable={"shortcut": Choice("b", ("a", "b", "c")), **flag, **_TUNABLE},
    )


def _cifar(n: int, params: int, recipe: Recipe = CIFAR) -> Variant:
    depth = 6 * n + 2
    return Variant(
        name=f"resnet{depth}",
        family="resnet",
        description=f"ResNet-{depth} for CIFAR (6n+2, 16-32-64), option A",
        paper=PAPER,
        classes=10,
        params=params,
        forms={"paper": Form((32, 32, 3), min_side=1), "small": _SMALL_FORM},
        recipes={"paper": recipe, "small": CIFAR_SMALL},
        options={"units": (n, n, n), "widths": (16, 32, 64)},
        tunable={"shortcut": Choice("a", ("a", "b", "c")), **_TUNABLE},
    )


ROWS = (
    _imagenet(18, (2, 2, 2, 2), 11_699_112, bottleneck=False),
    _imagenet(34, (3, 4, 6, 3), 21_814_696, bottleneck=False),
    _imagenet(50, (3, 4, 6, 3), 25_610_152, bottleneck=True),
    _imagenet(101, (3, 4, 23, 3), 44_654_504, bottleneck=True),
    _imagenet(152, (3, 8, 36, 3), 60_344_232, bottleneck=True),
    _cifar(3, 271_098),
    _cifar(5, 466_426),
    _cifar(7, 661_754),
    _cifar(9, 857_082),
    _cifar(18, 1_736_058, CIFAR_110),
)
