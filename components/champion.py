"""Which model a candidate must beat."""

import ml_metadata as mlmd
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver

# Keys of the resolver's channels.
CANDIDATE = "candidate"
MODEL = "model"
BLESSING = "model_blessing"


class ChampionStrategy(resolver.ResolverStrategy):
    """Resolves the latest blessed model other than the candidate itself.

    TFX's LatestBlessedModelStrategy would pick the candidate once it is blessed: the second run of an unchanged
    pipeline would then see a new baseline and evaluate everything again. The channels must be scoped to one
    architecture, or LeNet is judged against DenseNet.
    """

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Picks the baseline.

        Args:
          store: Unused; what matters is in the artifacts' properties.
          input_dict: `candidate`, all earlier models as `model` and all their blessings as `model_blessing`.

        Returns:
          The candidate, and the champion with its blessing: none before the first blessing.
        """
        candidate = input_dict[CANDIDATE][0]
        models = {artifact.id: artifact for artifact in input_dict.get(MODEL, []) if artifact.id != candidate.id}
        for blessing in sorted(input_dict.get(BLESSING, []), key=lambda artifact: artifact.id, reverse=True):
            model_id = blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY)
            if blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY) and model_id in models:
                return {CANDIDATE: [candidate], MODEL: [models[model_id]], BLESSING: [blessing]}
        return {CANDIDATE: [candidate], MODEL: [], BLESSING: []}
