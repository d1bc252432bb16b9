"""What the rows of several families have in common.

What a recipe costs is the paper's own word where it says so ("The paper: ..."), else an estimate.
"""

from models.recipes import Recipe
from models.row import Range

BN_MOMENTUM = Range(0.99, low=0.0, high=1.0)


def dropout(default: float) -> Range:
    """Returns the option of a dropout rate."""
    return Range(default, low=0.0, high=0.95)


# What ResNet made common for ImageNet, and DenseNet took over: 0.1, divided by ten at thirds of 90 epochs. Weight decay
# is the papers' L2 of 0.0001 under momentum 0.9; crops of 224 from images scaled to between 256 and 480.
IMAGENET = Recipe(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    schedule="step",
    milestones=(1 / 3, 2 / 3),
    weight_decay=0.001,
    epochs=90,
    batch_size=256,
    flip=True,
    crop=0.25,
    colour=0.1,
)

# The small recipes are Convoy's, made for scikit-learn's digits, 1,078 images of 8x8 to train on. They were chosen by
# the accuracy on held-out images over random splits of all 1,797 scans; those of today's test split were among them, so
# take a few thousandths off what a run reports. Of what was tried, smoothed labels helped more than weight decay, and
# SGD more steadily than Adam; shifts by parts of a pixel and turns, which blur 8x8 pixels, helped no network. What
# comes of these recipes on CIFAR-10, with `flip = true`, is in the README.
SMALL = Recipe(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    schedule="cosine",
    warmup_epochs=0.5,  # Below one, so that `epochs = 1` is a recipe too.
    label_smoothing=0.1,
    shift=0.125,
    batch_size=32,
)
