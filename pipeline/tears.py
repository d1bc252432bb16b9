"""Where a model's labels and aliases have come apart: they move together, unless something stopped them."""

from collections.abc import Mapping

from components.promotion.journal import ALIASES, Intent


def found(
    model: str, labels: Mapping[str, int], aliases: Mapping[str, int], stopped: Intent | None
) -> list[tuple[int, str]]:
    """Says which labels and aliases don't point to one version, and what to do.

    Args:
      model: The model's name.
      labels: Versions by label of TF Serving.
      aliases: Versions by alias of MLflow.
      stopped: A promotion without an end.

    Returns:
      A sentence for each, and the version that it is about.
    """
    if stopped:
        return [(stopped.to_version, _stopped(stopped, labels, aliases))]
    tears = []
    for label, alias in ALIASES.items():
        at = labels.get(label) or aliases.get(alias)
        if at and labels.get(label) != aliases.get(alias):
            tears.append(
                (
                    at,
                    f"{model}: label {label} and alias {alias} must point to one version. Received: "
                    f"{_pointing(label, alias, labels, aliases)}; "
                    f"`convoy promote {model} {at} --label {label}` moves both.",
                )
            )
    return tears


def _stopped(intent: Intent, labels: Mapping[str, int], aliases: Mapping[str, int]) -> str:
    told = _pointing(intent.label, intent.alias, labels, aliases)
    return (
        f"{intent.model}: the promotion of version {intent.to_version} to {intent.label} that {intent.who} began at "
        f"{intent.when} must come to an end. Received: {told}; where it is not under way any more, "
        f"`convoy history {intent.model}` finishes it or takes it back."
    )


def _pointing(label: str, alias: str, labels: Mapping[str, int], aliases: Mapping[str, int]) -> str:
    pointers = {label: labels.get(label), alias: aliases.get(alias)}
    return ", ".join(f"{name} at {f'v{at}' if at else 'none'}" for name, at in pointers.items())
