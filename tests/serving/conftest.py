"""A small SavedModel with Convoy's signatures, and a real server over a repository of it."""

import contextlib
import os

import pytest

from serving.repository import Repository


@pytest.fixture(scope="session")
def brightness(tmp_path_factory):
    """Saves a model that tells dark images of 8 x 8 pixels from bright ones."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    def pixels(images):
        bright = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2, 3]) / 255.0
        probabilities = tf.stack([1.0 - bright, bright], axis=1)
        class_id = tf.argmax(probabilities, axis=1)
        names = tf.gather(tf.constant(["dark", "bright"]), class_id)
        return {"probabilities": probabilities, "class_id": class_id, "class_name": names}

    def decode(encoded):
        image = tf.io.decode_image(encoded, channels=1, expand_animations=False)
        return tf.ensure_shape(image, [8, 8, 1])

    def serving_default(image_bytes):
        return pixels(tf.map_fn(decode, image_bytes, fn_output_signature=tf.uint8))

    path = tmp_path_factory.mktemp("brightness") / "saved"
    signatures = {
        "serving_default": tf.function(serving_default, [tf.TensorSpec([None], tf.string, "image_bytes")]),
        "pixels": tf.function(pixels, [tf.TensorSpec([None, 8, 8, 1], tf.uint8, "images")]),
    }
    tf.saved_model.save(tf.Module(), str(path), signatures=signatures)
    return path


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


@pytest.fixture
def serve(repository):
    """Starts servers over the repository, each reading its config once; they end with the test."""
    from serving.server import Server, ServerOptions

    with contextlib.ExitStack() as stack:

        def start(**options):
            settings = {
                "port": 0,
                "model_config_file": str(repository.config_path),
                "file_system_poll_wait_seconds": 0.05,
                "max_num_load_retries": 0,
                "allow_version_labels_for_unavailable_models": True,
                **options,
            }
            return stack.enter_context(Server(ServerOptions(**settings)))

        yield start
