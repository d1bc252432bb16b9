"""A promoter that is killed, wherever, and the next command; two promoters at once. Every promoter is a process."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from components.promotion import lock, verbs
from components.promotion.errors import NothingToMoveError, PromotionBusyError
from components.promotion.journal import Journal
from components.promotion.promoter import Promoter
from pipeline import tears
from serving import labels, running
from serving.repository import Repository

MODEL = "digits_lenet5"


def die(*_arguments, **_named):
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_line(descriptor, line):
    """Writes as much of a line as gets to the disk before the power fails."""
    os.pwrite(descriptor, line[: len(line) // 2], os.lseek(descriptor, 0, os.SEEK_CUR))
    die()


def after(function):
    """Does what it does, and dies."""

    def run(*arguments, **named):
        function(*arguments, **named)
        die()

    return run


# Where a promotion of the canary to stable dies, and whether clients see it by then.
PLACES = {
    "while it writes the intent": False,
    "after the intent": False,
    "after the label on disk": True,
    "after the label": True,
    "after the alias": True,
    "after the canary's label was dropped": True,
    "after the canary's alias was dropped": True,
    "while it writes the end": True,
}


def promote_and_die(places, where):
    holder, name, instead = {
        "while it writes the intent": (os, "write", half_a_line),
        "after the intent": (Promoter, "_relabel", die),
        "after the label on disk": (Repository, "set_label", after(Repository.set_label)),
        "after the label": (Promoter, "_move_alias", die),
        "after the alias": (Promoter, "_drop", die),
        "after the canary's label was dropped": (labels, "drop", after(labels.drop)),
        "after the canary's alias was dropped": (Promoter, "_end", die),
        "while it writes the end": (Promoter, "_end", dying_while_it_writes(Promoter._end)),
    }[where]
    setattr(holder, name, instead)
    verbs.promote(places, MODEL, "canary", "stable", "in vain", objections=lambda _: [])


def dying_while_it_writes(function):
    """Dies in the middle of the line that a function writes."""

    def run(*arguments):
        os.write = half_a_line
        function(*arguments)

    return run


@pytest.fixture
def torn(workspace, start_child):
    """Has version 1 stable and 2 canary, and kills the promotion of the canary at a place."""
    workspace.promote(1)
    workspace.promote(2, "canary")

    def kill(where):
        process, _ = start_child(promote_and_die, workspace.places, where)
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        return workspace

    return kill


def tear(workspace):
    """What `convoy status` says, reading alone."""
    stopped = Journal(workspace.places.history, MODEL).unfinished()
    return tears.found(MODEL, workspace.labels, workspace.aliases, stopped)


FINISHED = ({"stable": 2}, {"champion": 2})
TAKEN_BACK = ({"stable": 1, "canary": 2}, {"champion": 1, "challenger": 2})


@pytest.mark.parametrize("where", PLACES)
def test_a_promotion_that_was_killed_is_finished_where_clients_saw_it_and_taken_back_where_not(torn, where):
    workspace = torn(where)
    seen, unwritten = PLACES[where], where == "while it writes the intent"
    assert (workspace.labels["stable"] == 2) == seen
    found = tear(workspace)
    assert len(found) == (0 if unwritten else 1)
    assert all(
        version == 2 and "`convoy history digits_lenet5` finishes it or takes it back" in said
        for version, said in found
    )
    assert tear(workspace) == found, "looking repairs nothing"
    entries = workspace.history()
    assert (workspace.labels, workspace.aliases) == (FINISHED if seen else TAKEN_BACK)
    assert tear(workspace) == []
    outcomes = [entry.outcome for entry in entries]
    assert outcomes == ["done", "done"] + ([] if unwritten else ["done" if seen else "taken back"])
    assert workspace.moves() == [
        (e.intent.verb, e.intent.label, e.intent.from_version, e.intent.to_version, e.outcome)
        for e in workspace.history()
    ], "a second look repairs nothing more"
    workspace.promote(3)
    assert all(json.loads(line) for line in Journal(workspace.places.history, MODEL).path.read_text().splitlines())


@pytest.mark.parametrize("where", ["after the intent", "after the label"])
@pytest.mark.parametrize("command", ["promote", "rollback", "publish"])
def test_the_next_command_repairs_first_and_then_does_its_own(torn, where, command):
    workspace = torn(where)
    seen = PLACES[where]
    if command == "promote":
        workspace.promote(3)
        assert workspace.labels["stable"] == workspace.aliases["champion"] == 3
    elif command == "publish":
        workspace.publish(3, verdict="run-9")
        assert workspace.labels["stable"] == workspace.aliases["champion"] == 3
    elif seen:
        assert workspace.rollback().to_version == 1
    else:
        with pytest.raises(NothingToMoveError):
            workspace.rollback()
    assert [move[-1] for move in workspace.moves()][2] == ("done" if seen else "taken back")
    assert tear(workspace) == []


def publish_and_die(workspace, where):
    holder, name, instead = {
        "before the bytes": (Promoter, "place", die),
        "after the bytes": (Promoter, "place", after(Promoter.place)),
        "after the intent": (Promoter, "_relabel", die),
        "after the label": (Promoter, "_move_alias", die),
        "after the alias": (Promoter, "_end", die),
        "before old versions are removed": (Promoter, "prune", die),
    }[where]
    setattr(holder, name, instead)
    workspace.publish(2, verdict="run-2")


@pytest.mark.parametrize(
    "where",
    [
        "before the bytes",
        "after the bytes",
        "after the intent",
        "after the label",
        "after the alias",
        "before old versions are removed",
    ],
)
def test_a_publisher_that_was_killed_and_runs_again_has_published_once(workspace, start_child, where):
    workspace.publish(1)
    process, _ = start_child(publish_and_die, workspace, where)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert workspace.publish(2, verdict="run-2")["now"] == 2
    assert (workspace.labels, workspace.aliases) == ({"stable": 2}, {"champion": 2})
    assert [move[1:4] for move in workspace.moves() if move[-1] == "done"] == [("stable", None, 1), ("stable", 1, 2)]
    assert tear(workspace) == []
    assert workspace.rollback().to_version == 1


# What Python reports of a process that changes files and databases.
EVENTS = {"open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "os.rmdir", "sqlite3.connect", "shutil.copyfile"}


def promote_until(places, event):
    """Promotes the canary, and dies at the event of this number; returns how many there were."""
    count = 0

    def hear(name, _arguments):
        nonlocal count
        if name in EVENTS:
            count += 1
            if count == event:
                die()

    sys.addaudithook(hear)
    verbs.promote(places, MODEL, "canary", "stable", "", objections=lambda _: [])
    return count


@pytest.mark.slow
def test_whatever_moment_it_is_killed_at_label_and_alias_come_together(workspace, start_child):
    """The canary is removed from the repository first, so its bytes are copied, too."""
    workspace.promote(1)
    outcomes = set()
    for event in itertools.count(1, 3):
        workspace.promote(2, "canary", force=True)
        shutil.rmtree(workspace.repository.path(MODEL, 2))
        process, connection = start_child(promote_until, workspace.places, event)
        process.join(60)
        if process.exitcode == 0:
            done, events = connection.recv()
            assert done
            assert 20 < events < event
            break
        assert process.exitcode == -signal.SIGKILL
        entries = workspace.history()
        assert tear(workspace) == []
        assert (workspace.labels, workspace.aliases) in (FINISHED, TAKEN_BACK)
        if (workspace.labels, workspace.aliases) == FINISHED:
            assert (entries[-1].intent.to_version, entries[-1].outcome) == (2, "done")
            assert workspace.repository.verify(MODEL, 2) == []
            workspace.rollback()
        outcomes.add(entries[-1].outcome)
        with contextlib.suppress(NothingToMoveError):
            workspace.promote(3, "canary")
    assert outcomes == {"done", "taken back"}
    assert (workspace.labels, workspace.aliases) == FINISHED


def test_what_the_server_refuses_at_last_is_taken_back_though_its_label_had_moved_on_disk(torn):
    workspace = torn("after the label on disk")
    broken = workspace.repository.path(MODEL, 2) / "saved_model.pb"
    broken.write_bytes(b"no graph")
    from serving.server import Server, ServerOptions

    options = ServerOptions(
        port=0,
        model_config_file=str(workspace.repository.config_path),
        max_num_load_retries=0,
        allow_version_labels_for_unavailable_models=True,
    )
    with Server(options) as server, running.announced(workspace.places.server_file, f"127.0.0.1:{server.port}"):
        last = workspace.history()[-1]
    assert (last.outcome, "saved_model.pb" in last.end.note) == ("taken back", True)
    assert (workspace.labels["stable"], workspace.aliases["champion"]) == (1, 1)


class Loading:
    """A server that is told of versions and never has one available."""

    def __enter__(self):
        from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, model_service_pb2_grpc

        class Service(model_service_pb2_grpc.ModelServiceServicer):
            def GetModelStatus(self, request, context):
                status = get_model_status_pb2.ModelVersionStatus(version=request.model_spec.version.value, state=20)
                return get_model_status_pb2.GetModelStatusResponse(model_version_status=[status])

            def HandleReloadConfigRequest(self, request, context):
                return model_management_pb2.ReloadConfigResponse()

        self.server = grpc.server(ThreadPoolExecutor(2))
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(Service(), self.server)
        port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        return f"127.0.0.1:{port}"

    def __exit__(self, *exception):
        self.server.stop(None).wait()


def test_a_second_promoter_is_told_who_is_at_it_and_since_when(workspace, start_child):
    workspace.promote(1)
    with Loading() as target, running.announced(workspace.places.server_file, target):
        process, _ = start_child(promote, workspace.places, "2")
        deadline = time.monotonic() + 30
        while Journal(workspace.places.history, MODEL).unfinished() is None:
            assert process.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for command in (lambda: workspace.promote(3), workspace.rollback):
            with pytest.raises(PromotionBusyError, match=rf"by process \d+ of {lock.me()} since 2\S+Z; wait") as caught:
                command()
            assert str(process.pid) in str(caught.value)
        assert workspace.history()[-1].outcome == "unfinished", "it is under way, and shown so"
        process.kill()
        process.join()
    assert workspace.history()[-1].outcome == "taken back"
    workspace.promote(3)
    assert (workspace.labels, workspace.aliases) == ({"stable": 3}, {"champion": 3})


def promote(places, version):
    try:
        moved = verbs.promote(places, MODEL, version, "stable", "", objections=lambda _: [])
        return moved and moved.to_version
    except PromotionBusyError as error:
        return str(error)


def test_of_many_promoters_at_once_each_moves_both_or_nothing(workspace, start_child):
    workspace.promote(1)
    started = [start_child(promote, workspace.places, str(2 + number % 2)) for number in range(4)]
    answers = []
    for process, connection in started:
        done, answer = connection.recv()
        process.join()
        answers.append(answer if done else str(answer))
    moves = workspace.moves()[1:]
    assert moves
    assert all(move[-1] == "done" for move in moves)
    assert [move[2] for move in moves] == [1, *(move[3] for move in moves[:-1])], "each began where the last one ended"
    assert workspace.labels["stable"] == workspace.aliases["champion"] == moves[-1][3]
    refused = [answer for answer in answers if isinstance(answer, str)]
    assert all(answer.startswith("One promotion of") for answer in refused), refused
    assert sum(isinstance(answer, int) for answer in answers) == len(moves)
