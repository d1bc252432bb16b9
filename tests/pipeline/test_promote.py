"""`convoy promote`, `rollback` and `history`, as people run them, and what `convoy status` says in between."""

import io
import json
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from rich.console import Console

from components.promotion import lock
from components.promotion.journal import Journal
from components.registrar import registry
from pipeline import graph, history, status, tears
from pipeline.errors import ExitCode
from pipeline.lineage import Lineage
from serving import running
from serving.repository import Repository

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning")
MODEL = "digits_lenet5"


def test_there_and_back_with_a_history_that_says_who_and_why(convoy, workspace):
    def ask(verb, *arguments):
        return convoy(verb, MODEL, *arguments, "--workspace", workspace.root)

    empty = ask("history")
    assert (empty.code, empty.out) == (ExitCode.OK, "No promotions yet.\n")
    promoted = ask("promote", "1", "--reason", "it is smaller, and as good as the other on everything we have seen")
    assert (promoted.code, promoted.err) == (ExitCode.OK, "")
    assert promoted.out == f"{MODEL}: stable and champion moved from v2 to v1.\n"
    assert Repository(workspace.repository).labels(MODEL) == {"stable": 1}
    agreed = convoy("status", "--workspace", workspace.root)
    assert (agreed.code, agreed.out.splitlines()[-1]) == (ExitCode.OK, "3 versions, and every place agrees on each.")
    again = ask("promote", "stable")
    assert (again.code, again.out) == (
        ExitCode.OK,
        f"{MODEL}: stable and its alias are there already; nothing has moved.\n",
    )
    back = ask("rollback")
    assert (back.code, back.out) == (ExitCode.OK, f"{MODEL}: stable and champion moved from v1 to v2.\n")
    drawn = ask("history", "--workspace", workspace.root).out.splitlines()
    assert max(map(len, drawn)) <= 80
    assert drawn[0].strip() == MODEL
    assert drawn[1].split() == ["when", "(UTC)", "label", "version", "test", "acc", "who", "and", "why"]
    rows = " ".join(" ".join(drawn[3:]).split())
    assert f"stable v1 → v2 0.910 → 0.920 {lock.me()}: rollback" in rows
    assert f"stable v2 → v1 0.920 → 0.910 {lock.me()}: it is smaller" in rows
    newest, oldest = json.loads(ask("history", "--json").out)
    assert (newest["verb"], oldest["verb"], oldest["outcome"]) == ("rollback", "promote", "done")
    assert (oldest["from_version"], oldest["to_version"], oldest["alias"]) == (2, 1, "champion")
    assert oldest["metrics"]["to_version"]["eval/accuracy"] == 0.91
    assert oldest["metrics"]["from_version"]["serve/latency_ms_p50"] == 2.0


def test_a_refusal_is_one_sentence_with_its_exit_code(convoy, workspace):
    def ask(*arguments):
        return convoy("promote", *arguments, "--workspace", workspace.root)

    mistyped = ask("digits_lenet", "1")
    assert (mistyped.code, mistyped.out) == (ExitCode.USAGE, "")
    assert (
        "MODEL must be a registered model. Received: 'digits_lenet'. Did you mean 'digits_lenet5'?" in mistyped.sentence
    )
    unknown = ask(MODEL, "7")
    assert (unknown.code, "Its versions: 1, 2, 3." in unknown.sentence) == (ExitCode.USAGE, True)
    withheld = ask(MODEL, "3")
    assert withheld.code == ExitCode.NOTHING_BLESSED
    assert "version 3: evaluation did not bless it; --force" in withheld.sentence
    with lock.alone(workspace.promotions, MODEL, 0):
        busy = ask(MODEL, "1")
    assert (busy.code, f"of {lock.me()} since" in busy.sentence) == (ExitCode.LOCKED, True)
    assert Repository(workspace.repository).labels(MODEL) == {"stable": 2}
    assert Journal(workspace.promotions, MODEL).entries() == []


def test_what_the_server_cannot_load_is_its_own_sentence_and_exit_code_1(convoy, workspace):
    from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, model_service_pb2_grpc

    class Failing(model_service_pb2_grpc.ModelServiceServicer):
        """Takes any config, and loads nothing."""

        def GetModelStatus(self, request, context):
            status = get_model_status_pb2.ModelVersionStatus(version=request.model_spec.version.value, state=50)
            status.status.error_message = "out of memory"
            return get_model_status_pb2.GetModelStatusResponse(model_version_status=[status])

        def HandleReloadConfigRequest(self, request, context):
            return model_management_pb2.ReloadConfigResponse()

    server = grpc.server(ThreadPoolExecutor(1))
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Failing(), server)
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        with running.announced(workspace.server_file, target):
            ended = convoy("promote", MODEL, "1", "--workspace", workspace.root)
    finally:
        server.stop(None).wait()
    assert (ended.code, ended.out) == (ExitCode.BRANCH_FAILED, "")
    assert f"{target} must load `{MODEL}` version 1. Received: out of memory." in ended.sentence
    assert Repository(workspace.repository).labels(MODEL) == {"stable": 2}
    (entry,) = Journal(workspace.promotions, MODEL).entries()
    assert (entry.outcome, entry.end.note) == ("refused", ended.sentence)


@pytest.mark.parametrize("arguments", [["promote", MODEL, "1"], ["rollback", MODEL], ["history", MODEL]])
def test_a_workspace_without_models_is_not_filled_by_asking(convoy, tmp_path, arguments):
    ended = convoy(*arguments, "--workspace", tmp_path)
    assert ended.code == ExitCode.USAGE
    assert "`convoy run` registers the first" in ended.sentence
    assert list(tmp_path.iterdir()) == []


def problems(workspace):
    return {found.version: found.problems for found in status.check(workspace) if found.problems}


def test_status_says_where_label_and_alias_have_come_apart_and_what_to_do(workspace):
    repository = Repository(workspace.repository)
    repository.set_label(MODEL, "stable", 1)
    torn = f"{MODEL}: label stable and alias champion must point to one version. Received: stable at v1, champion at v2"
    assert problems(workspace) == {1: [f"{torn}; `convoy promote {MODEL} 1 --label stable` moves both."]}
    repository.set_label(MODEL, "stable", None)
    (said,) = problems(workspace)[2]
    assert said.endswith(f"stable at none, champion at v2; `convoy promote {MODEL} 2 --label stable` moves both.")
    repository.set_label(MODEL, "stable", 2)
    repository.set_label(MODEL, "canary", 1)
    (said,) = problems(workspace)[1]
    assert "canary at v1, challenger at none" in said
    repository.set_label(MODEL, "canary", None)
    with registry.connected(workspace.tracking_uri) as client:
        client.set_registered_model_alias(MODEL, "challenger", "3")
    (said,) = problems(workspace)[3]
    assert "canary at none, challenger at v3" in said


def test_status_says_that_a_promotion_was_stopped_and_repairs_nothing(workspace, stopped):
    before = Journal(workspace.promotions, MODEL).path.read_bytes()
    (said,) = problems(workspace)[1]
    assert said.startswith(f"{MODEL}: the promotion of version 1 to stable that ada@lab began at 2026-11-22T12:00:00Z ")
    assert "Received: stable at v2, champion at v2; " in said
    assert said.endswith(f"`convoy history {MODEL}` finishes it or takes it back.")
    assert Journal(workspace.promotions, MODEL).path.read_bytes() == before


@pytest.fixture
def stopped(workspace):
    """A promotion of version 1 that nobody ended."""
    from components.promotion.journal import Intent

    intent = Intent(
        id="1",
        when="2026-11-22T12:00:00Z",
        who="ada@lab",
        model=MODEL,
        verb="promote",
        label="stable",
        alias="champion",
        from_version=2,
        to_version=1,
        why="",
        metrics={"from_version": {}, "to_version": {}},
    )
    Journal(workspace.promotions, MODEL).append(intent)
    return intent


def test_a_run_publishes_anew_what_was_stopped_or_lost(workspace, stopped):
    from components.promotion.journal import End
    from pipeline import config

    checked = config.check({"dataset": {"name": "digits"}, "architectures": {"lenet5": {}}}, "mine.toml")
    assert graph.damaged(checked, workspace) == ["Publisher.lenet5"]
    ended = End(id=stopped.id, when=stopped.when, who=stopped.who, outcome="done")
    Journal(workspace.promotions, MODEL).append(ended)
    assert graph.damaged(checked, workspace) == []
    repository = Repository(workspace.repository)
    (workspace.repository / MODEL / "1" / "saved_model.pb").write_bytes(b"damaged")
    assert graph.damaged(checked, workspace) == [], "no label points to it"
    repository.set_label(MODEL, "stable", 1)
    assert graph.damaged(checked, workspace) == ["Publisher.lenet5"]
    repository.set_label(MODEL, "stable", None)
    assert graph.damaged(checked, workspace) == ["Publisher.lenet5"]
    Journal(workspace.promotions, MODEL).path.unlink()
    assert graph.damaged(checked, workspace) == ["Publisher.lenet5"], "MLMD knows that it was published"
    repository.set_label(MODEL, "canary", 2)
    assert graph.damaged(checked, workspace) == []


def test_the_history_in_80_columns_says_what_was_refused_taken_back_or_is_under_way(stopped):
    from components.promotion.journal import End, Entry

    ends = [None, "refused", "taken back", "done"]
    notes = {"refused": "127.0.0.1:8500 must load it. Received: out of memory.", "taken back": "It was stopped."}
    first = stopped.model_copy(update={"from_version": None, "why": "no reason " * 20, "forced": True})
    intents = [stopped, stopped.model_copy(update={"from_version": 1234, "to_version": 1235}), stopped, first]
    who = {"id": "1", "when": "2026-11-22T12:00:01Z", "who": "ada@lab"}
    entries = [
        Entry(intent=intent, end=end and End(**who, outcome=end, note=notes.get(end, "")))
        for intent, end in zip(intents, ends, strict=True)
    ]
    facts = [history.facts(entry) for entry in entries]
    assert [(row["outcome"], row["ended"]) for row in facts][:2] == [
        ("unfinished", None),
        ("refused", "2026-11-22T12:00:01Z"),
    ]
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(history.table(facts))
    drawn = console.file.getvalue()
    assert max(map(len, drawn.splitlines())) <= 80
    said = " ".join(drawn.split())
    for phrase in (
        "v1234 → v1235",
        "(under way)",
        "(refused: 127.0.0.1:8500",
        "(taken back: It was",
        "forced; no reason",
    ):
        assert phrase in said, drawn
    assert tears.found(MODEL, {}, {}, None) == []


def test_objections_come_from_the_registration(mlmd, tmp_path):
    assert Lineage(tmp_path / "none.sqlite").objections(MODEL, 1) == []
    mlmd(tmp_path / "mlmd.sqlite").registered(1, "a" * 64)
    assert Lineage(tmp_path / "mlmd.sqlite").objections(MODEL, 1) == []
