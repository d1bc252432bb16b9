"""Promotions on a real MLflow and a real repository, with a server that keeps being asked, and without one."""

import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from components.promotion.errors import NotBlessedError, NothingToMoveError, PromotionError, UnknownVersionError
from components.promotion.lock import me
from components.registrar import registry
from serving import running
from serving.client import ConvoyClientError, LoadFailedError, ModelNotFoundError

MODEL = "digits_lenet5"
IMAGES = np.zeros([1, 8, 8, 1], np.uint8)


def test_alias_and_label_move_together_and_the_history_says_so(workspace):
    workspace.promote(1, reason="the first")
    moved = workspace.promote(2, reason="sees more")
    assert (workspace.labels, workspace.aliases) == ({"stable": 2}, {"champion": 2})
    assert [workspace.repository.sha256(MODEL, number) for number in (1, 2)] == [
        workspace.sha256(number) for number in (1, 2)
    ]
    first, second = workspace.history()
    assert second.intent == moved
    assert (first.intent.from_version, first.intent.to_version, first.intent.why) == (None, 1, "the first")
    assert (second.intent.label, second.intent.alias, second.outcome) == ("stable", "champion", "done")
    assert second.intent.metrics == {
        "from_version": {"eval/accuracy": pytest.approx(0.91), "serve/latency_ms_p50": 2.0},
        "to_version": {"eval/accuracy": pytest.approx(0.92), "serve/latency_ms_p50": 2.0},
    }
    assert second.intent.who == me()
    assert re.fullmatch(r"\S+@\S+", me())
    tags = workspace.versions()[2].tags
    assert (tags["promoted_at"], tags["promoted_by"]) == (moved.when, moved.who)


def test_a_canary_waits_beside_the_champion_and_is_none_any_more_once_it_is_live(workspace):
    workspace.promote(1)
    workspace.promote(2, "canary")
    assert (workspace.labels, workspace.aliases) == (
        {"stable": 1, "canary": 2},
        {"champion": 1, "challenger": 2},
    )
    moved = workspace.promote("challenger")
    assert (moved.to_version, moved.drops) == (2, "canary")
    assert (workspace.labels, workspace.aliases) == ({"stable": 2}, {"champion": 2})
    workspace.promote(3, "canary")
    workspace.promote(1)
    assert (workspace.labels, workspace.aliases) == (
        {"stable": 1, "canary": 3},
        {"champion": 1, "challenger": 3},
    )
    workspace.promote("canary")
    assert (workspace.labels, workspace.aliases) == ({"stable": 3}, {"champion": 3})


def test_what_the_gate_withheld_is_refused_with_its_objections_unless_it_is_forced(workspace):
    withheld = workspace.register(blessed=False)
    with pytest.raises(NotBlessedError, match=r"version 4: too wrong; too slow; --force promotes it all the same\.$"):
        workspace.promote(withheld, objections=lambda version: ["too wrong", "too slow"] if version == 4 else [])
    unfit = workspace.register(infra_blessed=False)
    with pytest.raises(NotBlessedError, match="version 5: infra validation did not bless it; "):
        workspace.promote(unfit)
    assert (workspace.labels, workspace.repository.models(), workspace.moves()) == ({}, [], [])
    assert workspace.promote(withheld, force=True).forced
    assert not workspace.promote(1, force=True).forced
    assert [entry.intent.forced for entry in workspace.history()] == [True, False]


@pytest.mark.parametrize(
    ("asked", "phrase"),
    [
        ("9", r"VERSION must be one of `digits_lenet5`.* Received: '9'\. Its versions: 1, 2, 3\."),
        ("challenger", r"Received: 'challenger'\. `digits_lenet5` has no challenger\. Its versions: 1, 2, 3\."),
        ("canary", r"Received: 'canary'\. `digits_lenet5` has no challenger\."),
        ("champoin", r"Received: 'champoin'\. Did you mean 'champion'\?"),
        ("-1", "Received: '-1'"),
        ("", "Received: ''"),
    ],
)
def test_a_version_that_there_is_not_is_named_with_those_that_there_are(workspace, asked, phrase):
    workspace.promote(1)
    with pytest.raises(UnknownVersionError, match=phrase):
        workspace.promote(asked)
    assert workspace.labels == {"stable": 1}


@pytest.mark.parametrize("model", ["digits_lenet", "../../elsewhere", ""])
def test_a_model_that_there_is_not_leaves_no_trace(workspace, model):
    with pytest.raises(UnknownVersionError, match="MODEL must be a registered model") as caught:
        workspace.promote(1, model=model)
    assert ("Did you mean 'digits_lenet5'?" in str(caught.value)) == (model == "digits_lenet")
    assert not workspace.places.history.exists()


def test_what_is_so_already_moves_nothing_and_is_no_history(workspace):
    workspace.promote(1)
    assert workspace.promote(1) is None
    with pytest.raises(NothingToMoveError, match="not live yet is required for a canary"):
        workspace.promote(1, "canary")
    assert workspace.moves() == [("promote", "stable", None, 1, "done")]


def test_a_version_registered_by_others_has_no_identity_and_is_refused(workspace):
    with registry.connected(workspace.places.tracking_uri) as client:
        client.delete_model_version_tag(MODEL, "2", "sha256")
    with pytest.raises(PromotionError, match="version 2, without the tag `sha256`"):
        workspace.promote(2)
    assert (workspace.repository.models(), workspace.moves()) == ([], [])


def test_bytes_that_mlflow_does_not_hold_any_more_as_registered_are_not_published(workspace):
    (workspace.root / "mlartifacts" / f"{MODEL}-2" / "saved_model" / "assets" / "number").write_text("another")
    with pytest.raises(Exception, match="must have the identity"):
        workspace.promote(2)
    assert (workspace.labels, workspace.repository.versions(MODEL), workspace.moves()) == ({}, [], [])


def test_rollbacks_go_further_back_each_time_and_no_further_than_the_first(workspace):
    for version in (1, 3, 2):
        workspace.promote(version)
    for version in (3, 1):
        workspace.rollback()
        assert (workspace.labels, workspace.aliases) == ({"stable": version}, {"champion": version})
    with pytest.raises(NothingToMoveError, match="whose history has none; `convoy promote digits_lenet5 VERSION`"):
        workspace.rollback()
    workspace.promote(2)
    assert workspace.rollback().to_version == 1
    assert [move[0] for move in workspace.moves()] == ["promote"] * 3 + ["rollback"] * 2 + ["promote", "rollback"]


def test_a_rollback_brings_back_what_was_removed_from_the_repository(workspace):
    workspace.promote(1)
    workspace.promote(2)
    workspace.repository.prune(MODEL, 1)
    assert workspace.repository.versions(MODEL) == [2]
    workspace.rollback()
    assert workspace.repository.versions(MODEL) == [1, 2]
    assert workspace.repository.verify(MODEL, 1) == []
    assert workspace.repository.sha256(MODEL, 1) == workspace.sha256(1)
    assert (workspace.labels, workspace.aliases) == ({"stable": 1}, {"champion": 1})


def test_a_rollback_to_what_mlflow_has_deleted_is_one_sentence(workspace):
    workspace.promote(1)
    workspace.promote(2)
    with registry.connected(workspace.places.tracking_uri) as client:
        client.delete_model_version(MODEL, "1")
    with pytest.raises(UnknownVersionError, match="version 1, which MLflow knows no more"):
        workspace.rollback()
    assert workspace.labels == {"stable": 2}


def test_an_alias_that_was_moved_by_hand_is_brought_together_with_its_label(workspace):
    workspace.promote(1)
    with registry.connected(workspace.places.tracking_uri) as client:
        client.set_registered_model_alias(MODEL, "champion", "2")
    workspace.promote(1)
    assert (workspace.labels, workspace.aliases) == ({"stable": 1}, {"champion": 1})


class TestThePolicyOfARun:
    def test_stable_goes_live_at_once(self, workspace):
        workspace.publish(1)
        done = workspace.publish(2, verdict="run-2")
        assert (done["state"], done["label"], done["before"], done["now"]) == ("published", "stable", 1, 2)
        assert (workspace.labels, workspace.aliases) == ({"stable": 2}, {"champion": 2})
        assert workspace.history()[-1].intent.why == "run run-2: blessed"

    def test_canary_waits_as_challenger(self, workspace):
        workspace.promote(1)
        done = workspace.publish(2, "canary")
        assert (done["published"], done["state"]) == (True, "waiting")
        assert done["reason"] == "as canary, until `convoy promote digits_lenet5 challenger` makes it live"
        assert (workspace.labels, workspace.aliases) == (
            {"stable": 1, "canary": 2},
            {"champion": 1, "challenger": 2},
        )

    def test_manual_moves_nothing_and_publishes_nothing_until_it_is_promoted(self, workspace):
        workspace.promote(1)
        done = workspace.publish(2, "manual")
        assert done == {
            "published": False,
            "state": "waiting",
            "reason": "in MLflow alone, until `convoy promote digits_lenet5 2` publishes it",
        }
        assert (workspace.labels, workspace.aliases) == ({"stable": 1}, {"champion": 1})
        assert workspace.repository.versions(MODEL) == [1]
        workspace.promote(2)
        assert (workspace.labels, workspace.repository.versions(MODEL)) == ({"stable": 2}, [1, 2])

    def test_what_is_live_already_waits_for_nothing(self, workspace):
        """As after a recipe was changed back."""
        workspace.publish(1)
        workspace.publish(2, "canary", verdict="run-2")
        done = workspace.publish(1, "canary", verdict="run-3")
        assert (done["state"], done["label"]) == ("published", "stable")
        assert workspace.labels == {"stable": 1, "canary": 2}

    def test_a_model_that_is_judged_anew_takes_the_label_back(self, workspace):
        workspace.publish(1)
        workspace.publish(2, verdict="run-2")
        done = workspace.publish(1, verdict="run-3")
        assert (done["before"], done["now"], workspace.labels) == (2, 1, {"stable": 1})

    @pytest.mark.parametrize("blessed", [True, False])
    def test_the_same_verdict_heard_again_restores_what_people_have_chosen_since(self, workspace, blessed):
        workspace.publish(1)
        workspace.publish(2, verdict="run-2")
        workspace.rollback()
        workspace.promote(3, "canary")
        moves = workspace.moves()
        shutil.rmtree(workspace.repository.root)
        done = workspace.publish(2, verdict="run-2", blessed=blessed)
        assert done["state"] == ("published" if blessed else "withheld")
        assert (workspace.labels, workspace.aliases) == (
            {"stable": 1, "canary": 3},
            {"champion": 1, "challenger": 3},
        )
        assert workspace.repository.versions(MODEL) == ([1, 2, 3] if blessed else [1, 3])
        assert workspace.moves() == moves

    def test_a_verdict_that_agreed_with_the_label_does_not_undo_a_rollback_either(self, workspace):
        workspace.publish(1)
        workspace.publish(2, verdict="run-2")
        workspace.publish(2, verdict="run-3")
        workspace.rollback()
        done = workspace.publish(2, verdict="run-3")
        assert (done["before"], done["now"], workspace.labels) == (1, 1, {"stable": 1})

    def test_old_versions_go_but_none_that_anything_points_to_or_a_rollback_goes_to(self, workspace):
        for _ in range(3):
            workspace.register()
        for version in (1, 2, 3):
            workspace.publish(version, verdict=f"run-{version}", keep_versions=1)
        assert workspace.repository.versions(MODEL) == [2, 3]
        workspace.publish(4, "canary", verdict="run-4", keep_versions=1)
        assert workspace.repository.versions(MODEL) == [2, 3, 4]
        with registry.connected(workspace.places.tracking_uri) as client:
            client.set_registered_model_alias(MODEL, "mine", "2")
        workspace.publish(5, verdict="run-5", keep_versions=1)
        workspace.publish(6, verdict="run-6", keep_versions=1)
        assert workspace.repository.versions(MODEL) == [2, 4, 5, 6]
        assert workspace.rollback().to_version == 5


class Asker(threading.Thread):
    """Asks by a label without a pause, and keeps the version or the error of each answer."""

    def __init__(self, client, label):
        super().__init__()
        self.client, self.label = client, label
        self.answers = []
        self.enough = threading.Event()

    def run(self):
        while not self.enough.is_set():
            try:
                self.answers.append(self.client.predict(MODEL, images=IMAGES, label=self.label).version)
            except ConvoyClientError as error:
                self.answers.append(error)


def test_no_request_goes_unanswered_while_labels_move_to_and_fro(workspace, server):
    asker = Asker(server, "stable")
    asker.start()
    try:
        workspace.promote(2, "canary")
        assert server.predict(MODEL, images=IMAGES, label="canary").version == 2
        workspace.promote("canary")
        assert server.predict(MODEL, images=IMAGES, label="stable").version == 2
        with pytest.raises(ModelNotFoundError):
            server.predict(MODEL, images=IMAGES, label="canary")
        workspace.publish(3, verdict="run-3", keep_versions=1)
        assert workspace.repository.versions(MODEL) == [2, 3]
        workspace.rollback()
        assert server.predict(MODEL, images=IMAGES, label="stable").version == 2
        workspace.rollback()  # Version 1 was removed, and comes back from MLflow.
        assert server.predict(MODEL, images=IMAGES, label="stable").version == 1
    finally:
        asker.enough.set()
        asker.join()
    assert [answer for answer in asker.answers if isinstance(answer, Exception)] == []
    assert {1, 2, 3} >= set(asker.answers) >= {1, 2}
    assert (workspace.labels, workspace.aliases) == ({"stable": 1}, {"champion": 1})


def test_a_version_that_the_server_cannot_load_moves_nothing_and_the_sentence_is_the_servers(workspace, server):
    broken = workspace.register(edit=lambda path: (path / "saved_model.pb").write_bytes(b"no graph"))
    with pytest.raises(LoadFailedError, match=r"must load `digits_lenet5` version 4\. Received: .*saved_model\.pb"):
        workspace.promote(broken)
    assert (workspace.labels, workspace.aliases) == ({"stable": 1}, {"champion": 1})
    assert server.predict(MODEL, images=IMAGES, label="stable").version == 1
    last = workspace.history()[-1]
    assert last.outcome == "refused"
    assert "saved_model.pb" in last.end.note
    workspace.promote(2)
    assert server.predict(MODEL, images=IMAGES, label="stable").version == 2


def test_a_server_that_refuses_the_label_moves_nothing(workspace):
    from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, model_service_pb2_grpc

    class Refusing(model_service_pb2_grpc.ModelServiceServicer):
        """Loads whatever it is told of, and moves no label."""

        def GetModelStatus(self, request, context):
            status = get_model_status_pb2.ModelVersionStatus(version=request.model_spec.version.value, state=30)
            return get_model_status_pb2.GetModelStatusResponse(model_version_status=[status])

        def HandleReloadConfigRequest(self, request, context):
            if request.config.model_config_list.config[0].version_labels["stable"] != 1:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so")
            return model_management_pb2.ReloadConfigResponse()

    workspace.promote(1)
    server = grpc.server(ThreadPoolExecutor(1))
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Refusing(), server)
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        with running.announced(workspace.places.server_file, target), pytest.raises(ConvoyClientError, match="not so"):
            workspace.promote(2)
    finally:
        server.stop(None).wait()
    assert (workspace.labels, workspace.aliases) == ({"stable": 1}, {"champion": 1})
    assert workspace.moves()[-1] == ("promote", "stable", 1, 2, "refused")
