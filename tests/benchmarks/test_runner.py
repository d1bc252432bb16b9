import pytest
import runner


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0.0),
        ([[1.0, 3.0]], 2.0),
        ([[1.0, 3.0], [2.0, 2.5]], 2.0),
        ([[4.0, 6.0], [1.0, 3.0], [2.0, 5.0]], 5.0),
        ([[0.0, 1.0, 1.5, 2.0]], 2.0),
    ],
)
def test_seconds_that_several_cover_count_once(spans, seconds):
    assert runner.covered(spans) == seconds
