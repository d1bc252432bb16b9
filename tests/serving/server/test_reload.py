"""Configs and labels: at the start, by RPC, and by a polled file (contract C)."""

import threading
import time

import pytest
from tensorflow_serving.apis import model_management_pb2


@pytest.fixture
def places(tmp_path, publish_linear):
    """Base paths `a` and `b`, each with versions 1 and 2."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in (1, 2):
            publish_linear(tmp_path / name, number)
    return tmp_path


def entry(places, name, **fields):
    return {"name": name, "base_path": str(places / name), **fields}


def specific(*versions):
    return {"model_version_policy": {"specific": {"versions": list(versions)}}}


@pytest.fixture
def start(serve, places, config):
    """Starts a server from a config file of these entries."""

    def from_entries(*entries, **options):
        (places / "models.config").write_text(str(config(*entries)))
        return serve(model_config_file=str(places / "models.config"), **options)

    return from_entries


@pytest.mark.parametrize("text", ["model_config_list { config { nope: 1 } }", "{", None])
def test_C1_an_unreadable_file_is_refused(serve, tmp_path, refused, text):
    if text:
        (tmp_path / "c").write_text(text)
    with refused("INVALID_ARGUMENT", f"Invalid protobuf file: '{tmp_path}/c'"):
        serve(model_config_file=str(tmp_path / "c"))


def test_C1_the_usual_spellings_parse(serve, places):
    text = f"""model_config_list: {{ config: {{ name: 'a' base_path: "{places}/a" model_platform: "tensorflow" }} }}"""
    (places / "c").write_text(text)
    assert serve(model_config_file=str(places / "c")).factor("a") == 2


def test_C4_neither_file_nor_base_path_is_refused(serve, refused):
    with refused(
        "INVALID_ARGUMENT", "Both server_options.model_base_path and server_options.model_config_file are empty!"
    ):
        serve()


def test_C4_the_file_wins_over_the_name(start, places, refused):
    client = start(entry(places, "a"), model_base_path=str(places / "b"))
    assert client.factor("a") == 2
    with refused("NOT_FOUND", "Latest(m)"):
        client.factor("m")


BAD_ENTRIES = [
    ([{"name": "a", "base_path": "/x"}] * 2, "Illegal to list model a multiple times in config list"),
    ([{"name": "a", "base_path": "/x", "model_platform": ""}], "Illegal setting neither ModelServerConfig::model_type"),
    ([{"name": "a", "base_path": "/x", "model_type": 1}], "Illegal setting both"),
    ([{"name": "a", "base_path": "/x", "model_platform": "torch"}], "Model a requests unsupported platform torch"),
    ([{"name": "a", "base_path": "x/y"}], "Expected model a to have an absolute path or URI; got base_path()=x/y"),
]


@pytest.mark.parametrize(("entries", "phrase"), BAD_ENTRIES)
def test_C3_bad_entries_are_refused_and_change_nothing(start, places, refused, entries, phrase):
    client = start(entry(places, "b"))
    with refused("INVALID_ARGUMENT", phrase):
        client.reload(*entries)
    assert client.factor("b") == 2


def test_C3_a_bad_entry_stops_the_start(start, refused):
    with refused("INVALID_ARGUMENT", "unsupported platform"):
        start({"name": "a", "base_path": "/x", "model_platform": "torch"})


def test_C2_the_deprecated_model_type_still_serves(start, places):
    assert start(entry(places, "a", model_platform="", model_type=1)).factor("a") == 2


def test_C5_C7_C8_a_reload_replaces_the_set_and_waits_for_new_models(start, places, refused):
    client = start(entry(places, "a"))
    response = client.reload(entry(places, "b"))
    assert (response.status.error_code, response.status.error_message) == (0, "")
    assert client.factor("b") == 2
    client.until({2: "END"}, "a")  # S2: never forgotten
    with refused("NOT_FOUND", "Latest(a)"):
        client.factor("a")


def test_C5_a_version_still_wanted_stays_loaded_whatever_else_changes(start, places, caplog):
    caplog.set_level("INFO")
    client = start(entry(places, "a"))
    client.reload(entry(places, "a", **specific(1, 2)))
    client.until({2: "AVAILABLE", 1: "AVAILABLE"}, "a")
    client.reload({"name": "a", "base_path": str(places / "b"), **specific(1)})
    client.until({2: "END", 1: "AVAILABLE"}, "a")
    assert caplog.text.count("Loaded servable version model=a") == 2


@pytest.mark.parametrize("kind", ["unset", "custom"])
def test_C6_only_a_list_can_be_reloaded(start, places, refused, kind):
    client = start(entry(places, "a"))
    request = model_management_pb2.ReloadConfigRequest()
    if kind == "custom":
        request.config.custom_model_config.SetInParent()
    with refused("INVALID_ARGUMENT", "ServerModelConfig type not supported by HandleReloadConfigRequest"):
        client.models.HandleReloadConfigRequest(request)
    assert client.factor("a") == 2


def test_C6_an_empty_list_unloads_all(start, places):
    client = start(entry(places, "a"))
    assert client.reload().status.error_code == 0
    client.until({2: "END"}, "a")


def test_C8_C9_a_new_model_that_fails_is_told_and_the_config_stays(start, places, refused, publish_linear):
    client = start(entry(places, "a"))
    (places / "c" / "1").mkdir(parents=True)
    with refused("UNKNOWN", "1 model(s) did not become available: {{{name: c version: 1} due to error: NOT_FOUND"):
        client.reload(entry(places, "b"), entry(places, "c"))
    assert client.factor("b") == 2
    publish_linear(places / "c", 3)
    client.until({3: "AVAILABLE", 1: "END"}, "c")


def test_C9_a_missing_base_path_is_told_within_the_deadline_and_locks_nobody_out(start, places, refused):
    client = start(entry(places, "a"))
    failures = []

    def reload_missing():
        try:
            client.reload(entry(places, "a"), entry(places, "absent"), timeout=2)
        except Exception as error:
            failures.append(error.details())

    waiting = threading.Thread(target=reload_missing)
    waiting.start()
    time.sleep(0.1)
    begin = time.monotonic()
    client.reload(entry(places, "a"), entry(places, "b"))
    assert time.monotonic() - begin < 1
    waiting.join()
    assert "1 model(s) did not become available: {{{name: absent} due to error: DEADLINE_EXCEEDED" in failures[0]


def test_C12_the_first_config_may_be_empty_but_no_later_one(serve, places, tmp_path):
    (tmp_path / "c").write_text("")
    client = serve(model_config_file=str(tmp_path / "c"))
    client.reload(entry(places, "a"))
    assert client.factor("a") == 2


def test_C13_a_label_must_point_at_an_available_version(start, places, refused):
    client = start(entry(places, "a", **specific(1)))
    phrase = "Request to assign label to version 2 of model a, which is not currently available for inference"
    with refused("FAILED_PRECONDITION", phrase):
        client.reload(entry(places, "a", **specific(1, 2), version_labels={"stable": 2}), entry(places, "b"))
    with refused("NOT_FOUND", "Latest(b)"):
        client.factor("b")
    with refused("INVALID_ARGUMENT", "Unrecognized servable version label: stable"):
        client.factor("a", label="stable")
    client.reload(entry(places, "a", **specific(1), version_labels={"stable": 1}))
    assert client.factor("a", label="stable") == 1


def test_C13_labels_in_the_first_config_stop_the_start(start, places, refused):
    with refused("FAILED_PRECONDITION", "Request to assign label"):
        start(entry(places, "a", version_labels={"stable": 2}))


def test_C14_with_the_flag_new_labels_may_point_anywhere(start, places, refused):
    labelled = entry(places, "a", **specific(1), version_labels={"stable": 1, "next": 7})
    client = start(labelled, allow_version_labels_for_unavailable_models=True)
    assert client.factor("a", label="stable") == 1
    with refused("NOT_FOUND", "Servable not found for request: Specific(a, 7)"):
        client.factor("a", label="next")
    client.reload(labelled)
    with refused("FAILED_PRECONDITION", "Request to assign label to version 2 of model a"):
        client.reload(entry(places, "a", **specific(1, 2), version_labels={"stable": 2}))


def test_C15_C17_labels_are_replaced_as_a_whole(start, places, refused):
    client = start(entry(places, "a", **specific(1, 2)))
    client.until({2: "AVAILABLE", 1: "AVAILABLE"}, "a")
    client.reload(entry(places, "a", **specific(1, 2), version_labels={"stable": 1, "canary": 2, "same": 2}))
    assert [client.factor("a", label=label) for label in ("stable", "canary", "same")] == [1, 2, 2]
    client.reload(entry(places, "a", **specific(1, 2), version_labels={"stable": 2}))
    assert client.factor("a", label="stable") == 2
    with refused("INVALID_ARGUMENT", "Unrecognized servable version label: canary"):
        client.factor("a", label="canary")
    client.reload(entry(places, "b"))
    with refused("INVALID_ARGUMENT", "Unrecognized servable version label: stable"):
        client.factor("a", label="stable")


def test_C16_a_label_outlives_its_version(start, places, refused):
    client = start(entry(places, "a", **specific(1, 2)))
    client.until({2: "AVAILABLE", 1: "AVAILABLE"}, "a")
    client.reload(entry(places, "a", **specific(1, 2), version_labels={"stable": 1}))
    (places / "a" / "1").rename(places / "a" / ".gone")
    client.until({2: "AVAILABLE", 1: "END"}, "a")
    with refused("NOT_FOUND", "Servable not found for request: Specific(a, 1)"):
        client.factor("a", label="stable")


def test_C11_the_file_is_read_again_and_bad_files_are_survived(start, places, config, caplog, wait_for):
    client = start(entry(places, "a"), model_config_file_poll_wait_seconds=0.02)
    rewrite(places, "{")
    wait_for(lambda: "Failed to read ModelServerConfig file" in caplog.text)
    rewrite(places, "")  # C12
    wait_for(lambda: "Cannot transition to requested config" in caplog.text)
    assert client.factor("a") == 2
    rewrite(places, str(config(entry(places, "a", **specific(1)), entry(places, "b"))))
    client.until({2: "END", 1: "AVAILABLE"}, "a")
    client.until({2: "AVAILABLE"}, "b")
    client.reload(entry(places, "a"))
    client.until({2: "END", 1: "AVAILABLE"}, "a")  # the file wins over the RPC


def rewrite(places, text):
    (places / ".new").write_text(text)
    (places / ".new").rename(places / "models.config")
