"""Moves a label, in the order in which no request by that label goes unanswered."""

from serving.client import Client, ConvoyClientError, ServerUnavailableError
from serving.repository import Repository


def move(
    repository: Repository,
    model: str,
    label: str,
    version: int,
    *,
    client: Client | None = None,
    timeout: float = 60.0,
) -> None:
    """Points a label to a version, on disk and on the server that reads it.

    TensorFlow Serving refuses a config in which a label moves to a version that it has not loaded, and then loads
    nothing of it either. So the server is first told of the version, then waited for, and then told of the label. A
    server that is down reads both from the disk when it starts, given `--allow_version_labels_for_unavailable_models`.

    Args:
        repository: Where the version stands.
        model: The model's name.
        label: The label, e.g. `stable`.
        version: Where it is to point.
        client: Of the server that reads the repository; without one, only the disk is told.
        timeout: Seconds that the server may take to load the version.

    Raises:
        RepositoryError: There is no such version, or another publisher holds the repository.
        ConvoyClientError: The server did not load the version or did not take the label; the label points where it did.
    """
    if client is None or not _loaded(client, repository, model, version, timeout):
        repository.set_label(model, label, version)
        return
    before = repository.labels(model).get(label)
    repository.set_label(model, label, version)
    try:
        client.reload_config(repository.config_path, timeout=timeout)
    except ConvoyClientError:
        repository.set_label(model, label, before)
        raise


def drop(
    repository: Repository, model: str, label: str, *, client: Client | None = None, timeout: float = 60.0
) -> None:
    """Takes a label away, on disk and on the server that reads it; the version stays.

    Raises:
        RepositoryError: Another publisher holds the repository.
        ConvoyClientError: The server did not hear of it; on disk, the label is gone.
    """
    repository.set_label(model, label, None)
    if client is not None:
        tell(repository, client, timeout)


def tell(repository: Repository, client: Client, timeout: float = 60.0) -> bool:
    """Has the server read the repository's config; returns whether there is a server."""
    try:
        client.reload_config(repository.config_path, timeout=timeout)
    except ServerUnavailableError:
        return False
    return True


def _loaded(client: Client, repository: Repository, model: str, version: int, timeout: float) -> bool:
    """Has the server load the version; returns whether there is a server."""
    if not tell(repository, client, timeout):
        return False
    client.wait_until_available(model, version, timeout=timeout)
    return True
