"""An unmodified TensorFlow Serving client: gRPC and the stubs of `tensorflow-serving-api`, nothing of Convoy.

python plain_client.py HOST:PORT MODEL[,MODEL…] IMAGE…
"""

import sys

import grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

LABEL = "stable"


def main(server: str, models: str, *paths: str) -> None:
    """Asks each model, by its label, which class each image is, and prints a line for each model."""
    images = []
    for path in paths:
        with open(path, "rb") as file:  # noqa: PTH123 -- as plain as a reader's own script
            images.append(file.read())
    with grpc.insecure_channel(server) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for model in models.split(","):
            print(ask(stub, model, images), flush=True)


def ask(stub: prediction_service_pb2_grpc.PredictionServiceStub, model: str, images: list[bytes]) -> str:
    """Asks one model about encoded images."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.version_label = LABEL
    request.inputs["image_bytes"].dtype = 7  # DT_STRING
    request.inputs["image_bytes"].tensor_shape.dim.add(size=len(images))
    request.inputs["image_bytes"].string_val.extend(images)
    response = stub.Predict(request, timeout=30)
    classes = " ".join(name.decode() for name in response.outputs["class_name"].string_val)
    return f"{model} version {response.model_spec.version.value}: {classes}"


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except grpc.FutureTimeoutError:
        sys.exit(f"A model server must be at {sys.argv[1]}. Received: no answer.")
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
