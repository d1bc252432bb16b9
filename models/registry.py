"""Makes what the catalog declares: networks, their recipes, their descriptions. Keras is imported on first use."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from numbers import Integral
from typing import TYPE_CHECKING

from models.catalog import variant
from models.recipes import Recipe, received
from models.row import Form, Variant

if TYPE_CHECKING:
    import keras


def create(
    name: str, *, input_shape: Sequence[int], num_classes: int, form: str = "paper", **overrides: object
) -> "keras.Model":
    """Builds a network with fresh weights.

    Args:
        name: A row of the catalog.
        input_shape: Height, width and channels of the images.
        num_classes: Number of classes.
        form: `paper`, the network as published, or `small`, its form for small images.
        **overrides: Values for the arguments that the row calls `tunable`.

    Returns:
        A functional model that takes normalised float32 images [N, H, W, C] and returns float32 logits [N, classes]:
        those of the network, or, where it has auxiliary heads, a list of the network's and then each head's.

    Raises:
        UnknownArchitectureError: If no row has that name.
        ValueError: If the form, the shape, the classes or an override do not fit; the sentence says what would.
    """
    row = variant(name)
    chosen = _form(row, form)
    shape = _checked_shape(row, form, input_shape)
    if not _is_positive(num_classes):
        raise ValueError(f"`num_classes` must be a positive integer. Received: {num_classes!r}.")
    options = _options(row, chosen, overrides)

    import keras

    inputs = keras.Input(shape, name="images")
    images = inputs
    if min(shape[:2]) < chosen.min_side:
        # Keras's resizing takes part in training unless told otherwise, and what follows it then follows it in that:
        # batch norms would normalise over the batch, in an exported network too.
        images = keras.layers.Resizing(chosen.resize_to, chosen.resize_to, name="resize")(images, training=False)
    logits = import_module(f"models.{row.family}").build(images, num_classes, **options)
    return keras.Model(inputs, logits, name=name)


def outline(name: str, **options: object) -> "keras.Model":
    """Builds a network as `create` does, but for the values of its weights: a hundred million of them take no memory.

    What it is good for is counting, and looking at shapes; it cannot answer.

    Args:
        name: A row of the catalog.
        **options: The other arguments of `create`.

    Raises:
        UnknownArchitectureError: If no row has that name.
        ValueError: As `create` does.
    """
    return without_values(lambda: create(name, **options))  # type: ignore[arg-type]


def without_values(build: Callable[[], "keras.Model"]) -> "keras.Model":
    """Returns the network that `build` makes, its weights with shapes and no values.

    Keras keeps a list, one a thread, of weights that wait for their values; a thread of its own takes it away. The
    precision is one a thread too, and goes along.
    """
    import keras

    precision = keras.config.dtype_policy()

    def scoped() -> "keras.Model":
        keras.config.set_dtype_policy(precision)
        with keras.StatelessScope(initialize_variables=False):
            return build()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(scoped).result()


def describe(
    name: str,
    *,
    input_shape: Sequence[int] | None = None,
    num_classes: int | None = None,
    form: str = "paper",
    **overrides: object,
) -> dict[str, object]:
    """Returns the facts of a network, ready for JSON; shape and classes are the native ones unless given.

    The counts are those of what trains: auxiliary heads are included.

    Raises:
        UnknownArchitectureError: If no row has that name.
        ValueError: As `create` does.
    """
    row = variant(name)
    shape = _form(row, form).input_shape if input_shape is None else input_shape
    classes = row.classes if num_classes is None else num_classes
    model = outline(name, input_shape=shape, num_classes=classes, form=form, **overrides)
    from models.macs import count_macs, count_params

    return {
        "name": name,
        "family": row.family,
        "variant": row.description,
        "input_shape": list(shape),
        "classes": classes,
        "params": count_params(model.weights),
        "trainable_params": count_params(model.trainable_weights),
        "macs": count_macs(model),
        "paper": str(row.paper),
    }


def recipe(name: str, form: str = "paper", **overrides: object) -> Recipe:
    """Returns how to train a network in one of its forms, with some fields changed.

    Raises:
        UnknownArchitectureError: If no row has that name.
        ValueError: On an unknown form or field, or a value out of range.
    """
    row = variant(name)
    _form(row, form)
    return row.recipes[form].replace(**overrides)


def _form(row: Variant, form: str) -> Form:
    if form not in row.forms:
        raise ValueError(f"`form` must be one of {', '.join(row.forms)}. {received(str(form), row.forms)}")
    return row.forms[form]


def _checked_shape(row: Variant, form: str, input_shape: Sequence[int]) -> tuple[int, int, int]:
    shape = tuple(input_shape)
    if len(shape) != 3 or not all(_is_positive(size) for size in shape):
        raise ValueError(f"`input_shape` must be height, width and channels, all positive. Received: {shape}.")
    height, width, channels = shape
    chosen, side = row.forms[form], min(height, width)
    if not chosen.accepts(side):
        fitting = [f"form={key!r}, which {other.rule()}" for key, other in row.forms.items() if other.accepts(side)]
        raise ValueError(
            f"`input_shape` must be at least {chosen.min_side} pixels a side for {row.name} in its {form!r} form. "
            f"Received: {height}x{width}x{channels}. Use {' or '.join(fitting or ['larger images'])}."
        )
    return height, width, channels


def _options(row: Variant, form: Form, overrides: Mapping[str, object]) -> dict[str, object]:
    for name, value in overrides.items():
        if name not in row.tunable:
            known = ", ".join(row.tunable) or "none"
            raise ValueError(f"An option of {row.name} must be one of: {known}. {received(name, row.tunable)}")
        if not row.tunable[name].accepts(value):
            raise ValueError(f"`{name}` must be {row.tunable[name].rule()}. Received: {value!r}.")
    defaults = {name: tunable.default for name, tunable in row.tunable.items()}
    return {**row.options, **defaults, **form.options, **overrides}


def _is_positive(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0
