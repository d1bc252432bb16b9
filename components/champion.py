"""Which model a candidate must beat."""

import json
import logging
from pathlib import Path

import ml_metadata as mlmd
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver
from tfx.utils import path_utils

from components import names
from components.registrar import registry
from serving.repository import Repository

# Keys of the resolver's channels.
CANDIDATE = "candidate"
MODEL = "model"
BLESSING = "model_blessing"
# The label that moves with the alias `champion`.
LABEL = "stable"
# What a blessing says: whose it is, and what that was compared with.
OF = constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY
BASELINE = constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY

logger = logging.getLogger(__name__)


class ChampionStrategy(resolver.ResolverStrategy):
    """Resolves the champion: the version of the same architecture, on the same data set, that is live.

    TFX's LatestBlessedModelStrategy would pick the model that was blessed last, live or not; and the candidate itself
    once it is blessed, so that the second run of an unchanged pipeline would evaluate everything again. A candidate
    that is the champion, or that was judged last, keeps what it was compared with: whatever people promote or roll back
    meanwhile, a run with nothing new judges nothing anew, and so undoes nothing. An older model that comes back, since
    its recipe did, is judged by the champion of today. The channels must be scoped to one architecture, or LeNet is
    judged against DenseNet.
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
          input_dict: `candidate`, all models as `model` and all their blessings as `model_blessing`.

        Returns:
          The candidate, and its baseline as `model`: none where there is no champion, or no file of it is left.
        """
        candidate, blessings = input_dict[CANDIDATE][0], input_dict.get(BLESSING, [])
        wanted, said = self._wanted(store, candidate, blessings)
        found = [model for model in input_dict.get(MODEL, []) if wanted in (model.id, model.uri) and _whole(model)]
        if wanted is not None and not found:
            logger.warning("%s is gone: no baseline.", said)
        return {CANDIDATE: [candidate], MODEL: found, BLESSING: []}

    def _wanted(
        self, store: mlmd.MetadataStore, candidate: types.Artifact, blessings: list[types.Artifact]
    ) -> tuple[int | str | None, str]:
        """Returns the id or the URI of the baseline, None where there is none to have, and what to call it."""
        own = [blessing for blessing in blessings if blessing.get_int_custom_property(OF) == candidate.id]
        before = (_latest(own), f"What {self._model_name} was compared with before") if own else None
        if before is not None and max(own, key=_number) is max(blessings, key=_number):
            return before
        version = self._version()
        if version is None:
            return None, ""
        uri = _trained(store, self._model_name, version)
        if uri == candidate.uri:
            return before or (None, "")
        return uri, f"{self._model_name} version {version} is the champion, but what was trained of it"

    def _version(self) -> int | None:
        try:
            with registry.connected(self._tracking_uri) as client:
                return registry.aliases(client).get(self._model_name, {}).get(names.CHAMPION)
        except registry.RegistryError as error:
            logger.warning("The label %r says who is champion, since MLflow does not: %s", LABEL, error)
            return self._repository.labels(self._model_name).get(LABEL)


def _number(artifact: types.Artifact) -> int:
    return int(artifact.id)


def _latest(own: list[types.Artifact]) -> int | None:
    """Returns the id of the baseline of a model's last evaluation; None where it had none."""
    return max(own, key=_number).get_int_custom_property(BASELINE) or None


def _whole(model: types.Artifact) -> bool:
    """Says whether the SavedModel is still there."""
    return Path(path_utils.serving_model_path(model.uri), "saved_model.pb").exists()


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
