"""The model repository on disk, as TensorFlow Serving reads it and Convoy's publisher writes it.

    <root>/models.config            which versions are served, and which version each label points to
    <root>/<model>/<version>/       a SavedModel
    <root>/<model>/<version>.sha256 its manifest: `cd 3 && sha256sum -c ../3.sha256` checks it

The SHA-256 of a manifest's bytes is the model's identity. To TensorFlow Serving only a number is a version: it passes
over the manifests, and over the hidden folders in which a version is staged or waits for its deletion.

Errors:
    RepositoryError
     ├─ ManifestError           a directory or a manifest that cannot stand for a model
     ├─ DigestMismatchError     the bytes are not those that were announced
     ├─ VersionConflictError    the number is taken by other bytes
     ├─ VersionNotFoundError    no such version here
     ├─ DiskFullError           no room for another version
     └─ RepositoryBusyError     another publisher holds the lock
"""

from serving.repository._errors import (
    DigestMismatchError,
    DiskFullError,
    ManifestError,
    RepositoryBusyError,
    RepositoryError,
    VersionConflictError,
    VersionNotFoundError,
)
from serving.repository._manifest import digest, manifest
from serving.repository._repository import Published, Repository

__all__ = [
    "DigestMismatchError",
    "DiskFullError",
    "ManifestError",
    "Published",
    "Repository",
    "RepositoryBusyError",
    "RepositoryError",
    "VersionConflictError",
    "VersionNotFoundError",
    "digest",
    "manifest",
]
