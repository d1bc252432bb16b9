"""A trained network into a SavedModel with the three signatures that clients rely on.

| signature | input | output |
|---|---|---|
| `serving_default` | `image_bytes`: string [N], encoded | `probabilities` [N, C], `class_id` [N], `class_name` [N] |
| `pixels` | `images`: uint8 [N, H, W, C] | the same |
| `classify` | `inputs`: string [N], serialized tf.Example | `classes` string [N, C], `scores` float32 [N, C] |
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from components import images, names
from components.trainer.input_pipeline import PixelStatistics


def pixel_model(network: keras.Model, statistics: PixelStatistics, image_shape: images.Shape) -> keras.Model:
    """Puts normalisation in front of a network: uint8 pixels [N, H, W, C] in, float32 logits [N, C] out.

    Where the network has auxiliary heads, their logits stand behind its own: [N, 1 + heads, C].
    """
    pixels = keras.Input(image_shape, dtype="uint8", name="images")
    normalise = keras.layers.Normalization(mean=statistics.mean, variance=statistics.variance, name="normalise")
    logits = network(normalise(pixels))
    # One tensor, because Keras trains, and names its metrics, by the number of outputs.
    logits = keras.ops.stack(logits, axis=1) if isinstance(logits, list) else logits
    return keras.Model(pixels, logits, name=network.name)


def export(model: keras.Model, class_names: Sequence[str], image_shape: images.Shape, directory: str) -> None:
    """Writes a SavedModel for inference.

    Args:
      model: From uint8 pixels to logits [N, C], in float32. Its weights go into the file once.
      class_names: In the order of the logits.
      image_shape: Height, width, channels.
      directory: Where to; must not exist yet.
    """
    classes = tf.constant(list(class_names))

    def answer(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = tf.nn.softmax(model(pixels, training=False))
        class_id = tf.argmax(probabilities, axis=-1, output_type=tf.int64)
        return {"probabilities": probabilities, "class_id": class_id, "class_name": tf.gather(classes, class_id)}

    def serving_default(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer(images.decode(image_bytes, image_shape))

    def classify(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(inputs, {names.IMAGE: tf.io.FixedLenFeature([], tf.string)})
        scores = serving_default(parsed[names.IMAGE])["probabilities"]
        return {"classes": tf.tile(classes[tf.newaxis], [tf.shape(scores)[0], 1]), "scores": scores}

    servable = tf.Module()
    # Not the Keras model itself: its saver, like Keras' own ExportArchive, writes every weight twice.
    servable.weights = [weight.value for weight in model.weights]
    inputs = {
        names.SERVING_DEFAULT: (serving_default, tf.TensorSpec([None], tf.string, "image_bytes")),
        names.PIXELS: (answer, tf.TensorSpec([None, *image_shape], tf.uint8, "images")),
        names.CLASSIFY: (classify, tf.TensorSpec([None], tf.string, "inputs")),
    }
    signatures = {name: tf.function(run, [spec], autograph=False) for name, (run, spec) in inputs.items()}
    tf.saved_model.save(servable, directory, signatures)
