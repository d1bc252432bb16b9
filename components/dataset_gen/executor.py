"""The work of DatasetGen."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import apache_beam as beam
from tfx.dsl.components.base import base_beam_executor
from tfx.types import Artifact, artifact_utils

from components import names
from components.dataset_gen import ingest, settle, sources
from components.dataset_gen.errors import UnfitSourceError
from components.dataset_gen.facts import Settings
from components.dataset_gen.splits import SPLITS


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
        source = sources.opened(Settings.from_json(exec_properties["settings"]), known=True)
        if source.facts.fingerprint != exec_properties[names.FINGERPRINT]:
            raise UnfitSourceError(
                "A data set that stays as it is during a run is required. "
                f"Received: {source.facts.source}, changed since the run began; run again."
            )
        source.prepare()
        staging, scratch = Path(examples.uri) / ".staging", Path(examples.uri) / ".scratch"
        scratch.mkdir()
        rules = ingest.Rules(source.facts.class_names, source.facts.image_shape[-1], source.available)
        with self._make_beam_pipeline() as pipeline:
            units = source.units(pipeline, scratch)
            _ = units | "WriteExamples" >> beam.ParDo(ingest.WriteExamples(str(staging), rules))
        found = settle.settle(staging, Path(ingestion.uri), source.facts, self._make_beam_pipeline)
        dataclasses.replace(found, span=exec_properties[names.SPAN]).write(Path(ingestion.uri))
        examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
        for split in SPLITS:
            settle.publish(staging, split, Path(artifact_utils.get_split_uri([examples], split)))
        for folder in (staging, scratch):
            shutil.rmtree(folder)
        examples.span = exec_properties[names.SPAN]
        examples.set_string_custom_property(names.FINGERPRINT, source.facts.fingerprint)
