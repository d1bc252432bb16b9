"""GetModelStatus and GetModelMetadata (contract S, P34, P35)."""

import pytest
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2


def status_request(name, **spec):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    if "label" in spec:
        request.model_spec.version_label = spec["label"]
    return request


def test_S1_S2_every_version_is_listed_highest_first(shared):
    assert list(shared.states("m").items()) == [(3, "AVAILABLE"), (1, "AVAILABLE")]
    assert {(s.status.error_code, s.status.error_message) for s in shared.statuses("m")} == {(0, "")}


def test_S3_one_version_can_be_asked_for(shared, refused):
    assert [status.version for status in shared.statuses("m", version=1)] == [1]
    with refused("NOT_FOUND", "Could not find version 2 of model m"):
        shared.statuses("m", version=2)


def test_S4_a_label_is_ignored(shared):
    response = shared.models.GetModelStatus(status_request("m", label="nope"))
    assert [status.version for status in response.model_version_status] == [3, 1]


@pytest.mark.parametrize("name", ["nobody", ""])
def test_S5_a_model_without_versions_is_not_found(shared, refused, name):
    with refused("NOT_FOUND", f"Could not find any versions of model {name}"):
        shared.models.GetModelStatus(status_request(name))


def test_P1_missing_model_spec_is_refused(shared, refused):
    with refused("INVALID_ARGUMENT", "Missing ModelSpec"):
        shared.models.GetModelStatus(get_model_status_pb2.GetModelStatusRequest())
    with refused("INVALID_ARGUMENT", "Missing ModelSpec"):
        shared.prediction.GetModelMetadata(get_model_metadata_pb2.GetModelMetadataRequest())


def metadata_request(*fields, name="m", version=None):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    return request


def test_P34_metadata_fields_are_checked_before_the_model_is_looked_up(shared, refused):
    with refused("INVALID_ARGUMENT", "must specify at least one metadata_field"):
        shared.prediction.GetModelMetadata(metadata_request(name="nobody"))
    with refused("INVALID_ARGUMENT", "Metadata field size is not supported"):
        shared.prediction.GetModelMetadata(metadata_request("signature_def", "size", name="nobody"))
    with refused("NOT_FOUND", "Servable not found for request: Latest(nobody)"):
        shared.prediction.GetModelMetadata(metadata_request("signature_def", name="nobody"))


def test_P35_all_signatures_come_as_the_file_has_them(serve, publish_linear, tmp_path):
    path = publish_linear(tmp_path, 1)
    response = serve(model_base_path=str(tmp_path)).prediction.GetModelMetadata(metadata_request("signature_def"))
    packed = response.metadata["signature_def"]
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert packed.Unpack(signatures)
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    assert dict(signatures.signature_def) == dict(saved.meta_graphs[0].signature_def)
    assert set(signatures.signature_def) == {"__saved_model_init_op", "serving_default", "spin"}
    assert (response.model_spec.name, response.model_spec.version.value) == ("m", 1)
    assert response.model_spec.signature_name == ""


def test_P35_a_version_can_be_asked_for(shared):
    response = shared.prediction.GetModelMetadata(metadata_request("signature_def", version=1))
    assert response.model_spec.version.value == 1
