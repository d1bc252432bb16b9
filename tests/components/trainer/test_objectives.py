"""What training minimises and reports, against numbers by hand."""

import numpy as np
import pytest

from components.trainer import objectives
from models.recipes import Recipe

LABELS = np.array([0, 2])
LOGITS = np.array([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]], np.float32)
COUNTS = [10, 5, 5]
HEAD = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 3.0]], np.float32)


def cross_entropy(logits, smoothing=0.0):
    log = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    wanted = np.eye(3)[LABELS] * (1 - smoothing) + smoothing / 3
    return -(wanted * log).sum(axis=1).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_without_heads_the_loss_is_the_cross_entropy(smoothing, weight):
    loss = objectives.loss(Recipe(label_smoothing=smoothing, auxiliary_weight=weight), COUNTS)
    assert float(loss(LABELS, LOGITS)) == pytest.approx(cross_entropy(LOGITS, smoothing), rel=1e-5)
    assert float(loss(LABELS[:, np.newaxis], LOGITS)) == pytest.approx(cross_entropy(LOGITS, smoothing), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_each_head_adds_its_share(smoothing):
    loss = objectives.loss(Recipe(label_smoothing=smoothing, auxiliary_weight=0.3), COUNTS)
    own, head = cross_entropy(LOGITS, smoothing), cross_entropy(HEAD, smoothing)
    assert float(loss(LABELS, np.stack([LOGITS, HEAD], axis=1))) == pytest.approx(own + 0.3 * head, rel=1e-5)
    assert float(loss(LABELS, np.stack([LOGITS, HEAD, HEAD], axis=1))) == pytest.approx(own + 0.6 * head, rel=1e-5)


def test_balanced_the_rarer_a_class_the_more_its_images_weigh():
    loss = objectives.loss(Recipe(balanced=True), COUNTS)
    log = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    first, second = -log[0, 0], -log[1, 2]
    assert float(loss(LABELS, LOGITS)) == pytest.approx((first * 20 / 30 + second * 20 / 15) / 2, rel=1e-5)


SHARES = np.array([[0.7, 0.3, 0.0], [0.0, 0.4, 0.6]], np.float32)


@pytest.mark.parametrize(
    "fields", [{}, {"label_smoothing": 0.1}, {"balanced": True}, {"label_smoothing": 0.1, "balanced": True}]
)
@pytest.mark.parametrize("logits", [LOGITS, np.stack([LOGITS, HEAD], axis=1)], ids=["own", "heads"])
def test_the_loss_of_a_mixture_is_that_of_its_parts_in_their_shares(fields, logits):
    loss = objectives.loss(Recipe(auxiliary_weight=0.3, **fields), COUNTS)
    # An image alone is half of the mean over two of it.
    alone = [[float(loss(np.array([c, c]), np.stack([one, one]))) for c in range(3)] for one in logits]
    assert float(loss(SHARES, logits)) == pytest.approx((SHARES * alone).sum() / 2, rel=1e-5)
    assert float(loss(np.eye(3, dtype=np.float32)[LABELS], logits)) == pytest.approx(
        float(loss(LABELS, logits)), rel=1e-6
    )


def test_the_accuracy_of_a_mixture_is_that_of_the_larger_share():
    for logits in (LOGITS, np.stack([LOGITS, HEAD], axis=1)):
        assert np.asarray(objectives.hits(SHARES, logits)).tolist() == [1.0, 0.0]
        assert np.asarray(objectives.hits(SHARES[:, ::-1], logits)).tolist() == [0.0, 1.0]


def test_the_accuracy_is_that_of_the_network_alone():
    for logits in (LOGITS, np.stack([LOGITS, HEAD], axis=1)):
        metric = objectives.accuracy()
        metric.update_state(LABELS, logits)
        assert metric.name == "accuracy"
        assert float(metric.result()) == 0.5
    metric.update_state(LABELS, np.stack([np.eye(3)[LABELS], HEAD], axis=1))
    assert float(metric.result()) == 0.75
