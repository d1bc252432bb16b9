import math

import pytest

from components.trainer.stopping import served_epoch


@pytest.mark.parametrize(
    ("losses", "patience", "epoch"),
    [
        ([3.0, 1.0, 2.0], 0, 2),
        ([3.0, 1.0, 2.0], 5, 1),
        ([math.nan, 2.0, 1.0], 5, 2),
        ([2.0, 1.0, math.nan], 5, 1),
        ([math.nan, math.nan], 5, 0),
    ],
)
def test_the_last_epoch_is_served_or_with_patience_the_best(losses, patience, epoch):
    assert served_epoch(losses, patience) == epoch
