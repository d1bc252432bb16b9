"""Which model a candidate must beat."""

import json
import logging
from pathlib import Path

import ml_metadata as mlmd
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver

from components import names
from components.registrar import registry
from serving.repository import Repository

# Keys of the resolver's channels.
CANDIDATE = "candidate"
MODEL = "model"
BLESSING = "model_blessing"
# The label that moves with the alias `champion`.
LABEL = "stable"

logger = logging.getLogger(__name__)


class ChampionStrategy(resolver.ResolverStrategy):
    """Resolves the champion: the version of the same architecture, on the same data set, that is live.

    TFX's LatestBlessedModelStrategy would pick the model that was blessed last, live or not; and the candidate itself
    once it is blessed, so that the second run of an unchanged pipeline would evaluate everything again. A candidate
    that has been evaluated keeps what it was compared with: the test split judges each once. The channels must be
    scoped to one architecture, or LeNet is judged against DenseNet.
    """

    def __init__(self, model_name: str, tracking_uri: str, repository: str) -> None:
        """Says where it is known who is champion.

        Args:
          model_name: As registered in MLflow and served.
          tracking_uri: MLflow's.
          repository: Root of the model repository: its label says the same, where MLflow can't be reached.
        """
        self._model_name, self._tracking_uri = model_name, tracking_uri
        self._repository = Repository(Path(repository))

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Picks the baseline.

        Args:
          store: Knows which trained model a registered version was made of.
          input_dict: `candidate`, all earlier models as `model` and all their blessings as `model_blessing`.

        Returns:
          The candidate, and its baseline as `model`: none where there is no champion, or no file of it is left.
        """
        candidate = input_dict[CANDIDATE][0]
        models = {artifact.uri: artifact for artifact in input_dict.get(MODEL, []) if artifact.id != candidate.id}
        judged = [one for one in input_dict.get(BLESSING, []) if _of(one) == candidate.id]
        if judged:
            before = max(judged, key=lambda one: one.id)
            baseline = before.get_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY)
            found = [model for model in models.values() if model.id == baseline]
        else:
            found = self._champion(store, models)
        return {CANDIDATE: [candidate], MODEL: found, BLESSING: []}

    def _champion(self, store: mlmd.MetadataStore, models: dict[str, types.Artifact]) -> list[types.Artifact]:
        version = self._version()
        if version is None:
            return []
        uri = _trained(store, self._model_name, version)
        if uri not in models or not Path(uri).exists():
            logger.warning(
                "%s version %d is the champion, but what was trained of it is gone: no baseline.",
                self._model_name,
                version,
            )
            return []
        return [models[uri]]

    def _version(self) -> int | None:
        try:
            with registry.connected(self._tracking_uri) as client:
                return registry.aliases(client).get(self._model_name, {}).get(names.CHAMPION)
        except registry.RegistryError as error:
            logger.warning("The label %r says who is champion, since MLflow does not: %s", LABEL, error)
            return self._repository.labels(self._model_name).get(LABEL)


def _of(blessing: types.Artifact) -> int:
    return int(blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY))


def _trained(store: mlmd.MetadataStore, model_name: str, version: int) -> str:
    """Returns the folder of the trained model that a version was registered of; empty where nothing is known of it."""
    try:
        registered = store.get_artifacts_by_type("RegisteredModel")
    except mlmd.errors.NotFoundError:  # There was none yet.
        return ""
    for artifact in reversed(registered):
        known = artifact.properties
        if (known["model_name"].string_value, known["model_version"].int_value) == (model_name, version):
            facts = Path(artifact.uri) / names.REGISTRATION_FILE
            return str(json.loads(facts.read_text(encoding="utf-8"))["model_uri"]) if facts.exists() else ""
    return ""
