"""The order of all tests."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starts with the journeys, which take longest: whoever runs files side by side would wait for them at the end."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)
