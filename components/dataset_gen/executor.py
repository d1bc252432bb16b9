"""The work of DatasetGen."""

import contextlib
import contextvars
import dataclasses
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from tfx.dsl.components.base import base_beam_executor
from tfx.types import Artifact, artifact_utils

from components import names, progress
from components.dataset_gen import ingest, report, settle, sources
from components.dataset_gen.errors import UnfitSourceError
from components.dataset_gen.facts import Settings
from components.dataset_gen.splits import SPLITS

REPORT_EVERY_S = 1.0


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads a source unit by unit, in Beam, and settles what only all of them together show."""

    def Do(  # noqa: N802 -- TFX's name
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes examples, and what became of the source's images.

        Raises:
          UnfitSourceError: The source is damaged, or no longer what it was.
        """
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        ingestion = artifact_utils.get_single_instance(output_dict["ingestion"])
        source = sources.opened(Settings.from_json(exec_properties["settings"]), exec_properties[names.FINGERPRINT])
        if source.facts.fingerprint != exec_properties[names.FINGERPRINT]:
            raise UnfitSourceError(
                "A data set that stays as it is during a run is required. "
                f"Received: {source.facts.source}, changed since the run began; run again."
            )
        source.prepare()
        staging = Path(examples.uri) / ".staging"
        rules = ingest.Rules(source.facts.class_names, source.facts.image_shape[-1], source.available)
        with _told(staging, source.count), self._make_beam_pipeline() as pipeline:
            _ = source.units(pipeline) | "WriteExamples" >> beam.ParDo(ingest.WriteExamples(str(staging), rules))
        found = settle.settle(staging, Path(ingestion.uri), source.facts, self._make_beam_pipeline)
        found = dataclasses.replace(found, span=exec_properties[names.SPAN], left_out=source.left_out)
        found.write(Path(ingestion.uri))
        examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
        for split in SPLITS:
            settle.publish(staging, split, Path(artifact_utils.get_split_uri([examples], split)))
        shutil.rmtree(staging)
        examples.span = exec_properties[names.SPAN]
        examples.set_string_custom_property(names.FINGERPRINT, source.facts.fingerprint)


@contextlib.contextmanager
def _told(staging: Path, count: int) -> Iterator[None]:
    """Reports while Beam works, wherever its workers are, how many images are in the units that are done."""
    over = threading.Event()

    def tell() -> None:
        while not over.is_set():
            over.wait(REPORT_EVERY_S)
            if done := report.images_done(staging):
                progress.report(images=done, of=count)

    # A thread of its own has no listener but in the context of this one.
    thread = threading.Thread(target=contextvars.copy_context().run, args=(tell,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
