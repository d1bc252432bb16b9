"""What one trained model is worth, as pictures and as a model card, drawn from what the steps before recorded."""

# All that takes part in making a report, for the source digest of who has one made. The builders of networks don't:
# when one is edited, its networks are trained anew.
MODULES = (
    "components.model_report",
    "components.drawing",
    "components.evaluation.facts",
    "components.evaluation.tally",
    "components.names",
    "components.pages",
    "components.trainer.optimizers",
    "components.trainer.stopping",
    "components.words",
    "models.macs",
    "models.recipes",
    "models.registry",
    "models.stages",
)
