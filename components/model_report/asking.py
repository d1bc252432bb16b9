"""How to ask a model: what its card shows."""

import json

from components.model_report.section import Section
from components.model_report.subject import Subject


def section(subject: Subject) -> Section:
    """Shows it over gRPC, from MLflow and with grpcurl; of its version, where it has one already."""
    facts = subject.facts
    name, version = facts["model_name"], facts.get("version")
    shape = ", ".join(map(str, facts["training"]["architecture"]["input_shape"]))
    asked = f", version={version}" if version else ""
    client = (
        "from serving.client import Client\n\n"
        'with Client("127.0.0.1:8500") as client:\n'
        f'    for row in client.predict("{name}", image_bytes=["image.png"]{asked}):\n'
        "        print(row.class_name, row.probability)\n"
    )
    pyfunc = (
        "import mlflow\nimport numpy as np\n\n"
        f'model = mlflow.pyfunc.load_model("models:/{name}{f"/{version}" if version else "@champion"}")\n'
        f'print(model.predict({{"images": np.zeros((1, {shape}), np.uint8)}}))\n'
    )
    return Section(
        "How to ask it",
        (
            "Over gRPC, of a server of the model repository (convoy serve, or TensorFlow Serving); from MLflow; "
            "and with grpcurl and the descriptors in serving/protos.",
        ),
        code=(("python", client), ("python", pyfunc), ("bash", _grpcurl(name, version))),
    )


def _grpcurl(name: str, version: int | None) -> str:
    spec = {"name": name} | ({"version": version} if version else {})
    tensor = {"dtype": "DT_STRING", "tensor_shape": {"dim": [{"size": 1}]}, "string_val": ["IMAGE"]}
    request = json.dumps({"model_spec": spec, "inputs": {"image_bytes": tensor}}, separators=(",", ":"))
    with_image = request.replace("IMAGE", "'$(base64 -w0 image.png)'")
    return (
        "grpcurl -plaintext -protoset serving/protos/tensorflow_serving.binpb \\\n"
        f"  -d '{with_image}' \\\n"
        "  127.0.0.1:8500 tensorflow.serving.PredictionService/Predict\n"
    )
