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
from components.previous_data import last_given
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
    once it is blessed, so that the second run of an unchanged pipeline would evaluate everything again. The
    candidate that was judged last keeps what it was compared with, so that a run with nothing changed stays cached, and
    undoes no rollback. An older model that comes back, as when a recipe is changed back, is judged anew by the champion
    of today. The channels must be scoped to one architecture, or LeNet is judged against DenseNet.
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
          store: Knows when a blessing was last given, and which trained model a registered version was made of.
          input_dict: `candidate`, all models as `model` and all their blessings as `model_blessing`.

        Returns:
          The candidate, and its baseline as `model`: none where there is no champion, or no file of it is left.
        """
        candidate = input_dict[CANDIDATE][0]
        wanted, said = self._wanted(store, candidate, input_dict)
        found = [model for model in input_dict.get(MODEL, []) if wanted in (model.id, model.uri) and _whole(model)]
        if wanted is not None and not found:
            logger.warning("%s is gone: no baseline.", said)
        return {CANDIDATE: [candidate], MODEL: found, BLESSING: []}

    def _wanted(
        self, store: mlmd.MetadataStore, candidate: types.Artifact, input_dict: dict[str, list[types.Artifact]]
    ) -> tuple[int | str | None, str]:
        """Returns the id or the URI of the baseline, None where there is none to have, and what to call it."""
        blessings = input_dict.get(BLESSING, [])
        given = last_given(store, [blessing.id for blessing in blessings])
        judged = sorted(blessings, key=lambda blessing: (given.get(blessing.id, 0), blessing.id))
        own = [blessing for blessing in judged if _of(blessing) == candidate.id][-1:]
        before = f"What the candidate for {self._model_name} was compared with"
        if own and own == judged[-1:]:
            return _compared_with(own), before
        version = self._version()
        if version is None:
            return None, ""
        uri = _trained(store, self._model_name, version)
        if uri == candidate.uri:
            return _compared_with(own), before
        return uri, f"{self._model_name} version {version} is the champion, but what was trained of it"

    def _version(self) -> int | None:
        try:
            with registry.connected(self._tracking_uri) as client:
                return registry.aliases(client).get(self._model_name, {}).get(names.CHAMPION)
        except registry.RegistryError as error:
            logger.warning("The label %r says who is champion, since MLflow does not: %s", LABEL, error)
            return self._repository.labels(self._model_name).get(LABEL)


def _of(blessing: types.Artifact) -> int:
    return int(blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY))


def _compared_with(last: list[types.Artifact]) -> int | None:
    """Returns the id of the baseline of a model's last evaluation; None where it had none."""
    ids = [blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY) for blessing in last]
    return next((int(one) for one in ids if one), None)


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
