import pytest

from components import progress


@pytest.fixture
def events():
    """All that is reported while the test runs."""
    heard = []
    progress.listen(heard.append)
    yield heard
    progress.listen(lambda event: None)


def test_a_block_changes_what_is_reported_in_it_and_no_more(events):
    progress.report(epoch=1)
    with progress.through(lambda event: event | {"trial": 2}):
        progress.report(epoch=2)
        with progress.through(lambda event: event | {"part": 3}):
            progress.report(epoch=3)
    progress.report(epoch=4)
    assert events == [{"epoch": 1}, {"epoch": 2, "trial": 2}, {"epoch": 3, "part": 3, "trial": 2}, {"epoch": 4}]


def test_a_block_that_fails_leaves_the_listener_as_it_was(events):
    with pytest.raises(KeyError), progress.through(lambda event: {}):
        raise KeyError
    progress.report(epoch=1)
    assert events == [{"epoch": 1}]
