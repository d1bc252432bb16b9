"""The archives that a data set of TFDS is made of: named, before anything starts, where one is missing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import checksums, resource

from components.dataset_gen.errors import DatasetError

TIMEOUT_S = 5


def known(builder: tfds.core.DatasetBuilder) -> Mapping[str, checksums.UrlInfo]:
    """Returns the archives that TFDS has checksums of, by URL: of all configs of the data set."""
    return getattr(builder, "url_infos", None) or {}


def require(builder: tfds.core.DatasetBuilder, manual_dir: str) -> None:
    """Checks that all archives are there, or can be fetched.

    Args:
      builder: Of a data set that isn't prepared.
      manual_dir: Where archives may lie; empty for nowhere.

    Raises:
      DatasetError: One is missing; the sentence has its file name, size and checksum.
    """
    urls = _asked(builder)
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not manual_dir:
        raise DatasetError(
            f"`dataset.manual_dir` is required for {builder.name!r}, whose archives nobody may fetch for you. "
            f"Received: none. {' '.join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())}"
        )
    for url in urls:
        info = known(builder).get(url)
        if not _is_cached(builder, url, info) and not _is_by_hand(url, info, manual_dir):
            _require_reachable(builder, url, info, manual_dir)


class _Asked(Exception):  # noqa: N818 -- it isn't an error
    """What a builder would download first."""


class _Recorder:
    """Stands where a builder expects its download manager, and notes what it is asked for."""

    def download(self, urls: Any) -> None:
        raise _Asked(urls)

    download_and_extract = download

    def __getattr__(self, name: str) -> None:
        raise _Asked([])


def _asked(builder: tfds.core.DatasetBuilder) -> list[str]:
    try:
        builder._split_generators(_Recorder())  # type: ignore[attr-defined]
    except _Asked as asked:
        found: list[Any] = []
        _flatten(asked.args[0], found)
        return [one.url if isinstance(one, resource.Resource) else str(one) for one in found]
    except Exception:  # A builder that wants more than a recorder can give: `prepare` will tell.
        return []
    return []


def _flatten(tree: Any, found: list[Any]) -> None:
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        for one in tree:
            _flatten(one, found)
    else:
        found.append(tree)


def _is_cached(builder: tfds.core.DatasetBuilder, url: str, info: checksums.UrlInfo | None) -> bool:
    name = resource.get_dl_fname(url, info.checksum if info else "")
    return bool(info) and (Path(builder.data_dir_root) / "downloads" / name).exists()


def _is_by_hand(url: str, info: checksums.UrlInfo | None, manual_dir: str) -> bool:
    """Checks what was put into `manual_dir`.

    Raises:
      DatasetError: It isn't what TFDS has the checksum of.
    """
    path = Path(manual_dir) / _file_name(url, info)
    if info is None or not manual_dir or not path.is_file():
        return False
    found = checksums.compute_url_info(path)
    if found != info:
        raise DatasetError(
            f"{path} must be {_told(info)}. Received: {_told(found)}; fetch it anew from {url}, or take it away."
        )
    return True


def _require_reachable(
    builder: tfds.core.DatasetBuilder, url: str, info: checksums.UrlInfo | None, manual_dir: str
) -> None:
    try:
        requests.head(url, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        told = f", {_told(info)}," if info else ""
        where = manual_dir or "a folder"
        raise DatasetError(
            f"{builder.name!r} is made of {_file_name(url, info)}{told} from {url}, which can't be reached from here. "
            f"Put it into {where}{'' if manual_dir else ' and name that as `dataset.manual_dir`'}."
        ) from error


def _file_name(url: str, info: checksums.UrlInfo | None) -> str:
    return (info.filename if info else None) or url.rsplit("/", 1)[-1]


def _told(info: checksums.UrlInfo) -> str:
    return f"{int(info.size):,} bytes with SHA-256 {info.checksum}"
