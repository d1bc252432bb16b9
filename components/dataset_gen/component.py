"""DatasetGen: an ExampleGen of ours that reads any source of images through Beam."""

from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts
from tfx.types.channel import Channel

from components import names
from components.artifacts import Ingestion
from components.dataset_gen import executor
from components.dataset_gen.facts import Settings
from components.source import source_digest


class DatasetGenSpec(component_spec.ComponentSpec):
    """Reads no artifact; writes examples, and what became of the source's images."""

    PARAMETERS = {  # noqa: RUF012 -- TFX declares specs so
        "settings": component_spec.ExecutionParameter(type=str),
        names.FINGERPRINT: component_spec.ExecutionParameter(type=str),
        names.SPAN: component_spec.ExecutionParameter(type=int),
        names.SOURCE_DIGEST: component_spec.ExecutionParameter(type=str),
    }
    INPUTS: dict[str, component_spec.ChannelParameter] = {}  # noqa: RUF012
    OUTPUTS = {  # noqa: RUF012
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "ingestion": component_spec.ChannelParameter(type=Ingestion),
    }


class DatasetGen(base_beam_component.BaseBeamComponent):
    """Reads a data set of TFDS, a folder of images or TFRecord files, and writes checked examples.

    Writes `examples`: gzipped TFRecords of tf.Example in the splits train, validation and test, each with the encoded
    image, its label and class name, its size, channels and brightness; their span and fingerprint say which data they
    are. Writes `ingestion`: what became of every image (`components.ingestion`). Bad images are kept out, by
    `components.dataset_gen.rules`; how many are too many is DataGate's to say. Fails when the source is gone, damaged
    or not what it was when the run began.
    """

    SPEC_CLASS = DatasetGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(self, settings: Settings, fingerprint: str, span: int = 1) -> None:
        """Declares the component.

        Args:
          settings: Where the source is, and how to read it.
          fingerprint: Of its content: unchanged data are cached, changed data are not.
          span: Number of this content among those that this pipeline has read.
        """
        super().__init__(
            DatasetGenSpec(
                settings=settings.to_json(),
                fingerprint=fingerprint,
                span=span,
                source_digest=source_digest("components.dataset_gen", "components.ingestion"),
                examples=Channel(type=standard_artifacts.Examples),
                ingestion=Channel(type=Ingestion),
            )
        )
