"""What can go wrong with a model repository."""


class RepositoryError(Exception):
    """A model repository could not do what was asked; it stands as it stood before."""


class ManifestError(RepositoryError):
    """A directory or a manifest cannot stand for a model."""


class DigestMismatchError(RepositoryError):
    """The bytes to publish are not those that were announced."""


class VersionConflictError(RepositoryError):
    """The version number is taken by other bytes."""


class VersionNotFoundError(RepositoryError):
    """The repository holds no such version."""


class DiskFullError(RepositoryError):
    """The file system has no room for another version."""


class RepositoryBusyError(RepositoryError):
    """Another publisher holds the repository's lock."""
