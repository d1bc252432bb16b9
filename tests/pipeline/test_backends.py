"""Which servers a workspace names, and what is said of one that can't be used: real sockets, real commands."""

import contextlib
import http.server
import json
import socket
import threading

import hypothesis
import hypothesis.strategies
import pytest

from components import servers
from pipeline import doctor, metadata
from pipeline.backends import Backends
from pipeline.errors import ConvoyError, ExitCode, UsageError
from pipeline.lineage import Lineage
from pipeline.workspace import Workspace

SECRET = "open%20sesame"


def write(folder, **keys):
    (folder / "backends.toml").write_text("".join(f'{key} = "{value}"\n' for key, value in keys.items()))


def test_a_workspace_has_its_own_where_nothing_is_said(tmp_path):
    workspace = Workspace(tmp_path, Backends.read(tmp_path, {}))
    assert workspace == Workspace(tmp_path)
    assert workspace.tracking_uri == f"sqlite:///{tmp_path}/mlflow.sqlite"
    assert (workspace.metadata, workspace.artifact_location) == (
        tmp_path / "metadata.sqlite",
        f"{tmp_path}/mlartifacts",
    )


def test_the_environment_goes_before_the_file_where_it_says_anything(tmp_path):
    write(tmp_path, mlflow="http://one:5000/", metadata="postgresql://me@one/lineage")
    assert Backends.read(tmp_path, {"CONVOY_MLFLOW": ""}) == Backends("http://one:5000", "postgresql://me@one/lineage")
    two = {"CONVOY_MLFLOW": "https://two", "CONVOY_METADATA": "postgresql://me@two:99/lineage"}
    assert Backends.read(tmp_path, two) == Backends("https://two", "postgresql://me@two:99/lineage")


def test_a_server_of_mlflow_knows_where_its_files_are_and_a_database_does_not(tmp_path):
    assert Workspace(tmp_path, Backends("http://one:5000")).artifact_location == ""
    assert Workspace(tmp_path, Backends("postgresql://me@one/mlflow")).artifact_location == f"{tmp_path}/mlartifacts"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("mlflow = 5000", r"`mlflow` of .*backends\.toml must be a URL such as http://host:5000 or .*Received: 5000\."),
        ('mlflow = "host:5000"', r"must be a URL such as http://host:5000.*Received: 'host:5000'\."),
        ('mlflow = "http://"', "must be a URL"),
        ('mlflow = "http://host:port"', "must be a URL"),
        ('mlflow = "http://[host"', r"must be a URL.*Received: 'http:…'\."),
        ('mlflow = "postgresql://me@host"', r"must be a URL.*Received: 'postgresql://me@host'\."),
        ('metadata = "http://host:5000"', r"`metadata` of .* such as postgresql://user@host:5432/metadata\."),
        (
            'metdata = "postgresql://host/x"',
            r"no key but `mlflow` and `metadata`\. .*'metdata'\. Did you mean 'metadata'",
        ),
        ("mlflow", r"must be a TOML file with `mlflow` and `metadata`\. Received: "),
    ],
)
def test_what_is_no_address_is_one_sentence(tmp_path, content, said):
    (tmp_path / "backends.toml").write_text(content)
    with pytest.raises(UsageError, match=said):
        Workspace.open(tmp_path)


def test_a_refusal_repeats_no_password(tmp_path):
    with pytest.raises(UsageError) as refusal:
        Backends.read(tmp_path, {"CONVOY_METADATA": f"mysql://me:{SECRET}@host/x"})
    assert "mysql://me@host/x" in str(refusal.value)
    assert "sesame" not in str(refusal.value)


@pytest.mark.parametrize("verb", ["status", "compare", "ui", "explain"])
def test_every_verb_refuses_what_is_no_address(convoy, tmp_path, verb):
    write(tmp_path, mlflow="ftp://host")
    ended = convoy(verb, "--workspace", tmp_path)
    assert ended.code == ExitCode.USAGE
    assert ended.sentence.endswith("or postgresql://user@host/mlflow. Received: 'ftp://host'.")


@contextlib.contextmanager
def silent():
    """Listens, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@contextlib.contextmanager
def refusing():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@contextlib.contextmanager
def another():
    """Answers HTTP, and is no MLflow."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *told):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (refusing, "A reachable {} server is required. Received: {}, which answered: Connection refused; start it, or"),
        (silent, "A reachable {} server is required. Received: {}, which did not answer within 1 s; start it, or mend"),
    ],
)
def test_a_server_that_is_not_there_is_one_sentence(tmp_path, monkeypatch, state, said):
    monkeypatch.setattr(servers, "PATIENCE_S", 1)
    with state() as at:
        urls = {"MLflow": f"http://me:{SECRET}@{at}", "PostgreSQL": f"postgresql://me:{SECRET}@{at}/lineage"}
        write(tmp_path, mlflow=urls["MLflow"], metadata=urls["PostgreSQL"])
        found = {one.subject: one for one in doctor.examine(str(tmp_path), 1)}
    for subject, kind in (("MLflow", "MLflow"), ("MLMD", "PostgreSQL")):
        assert found[subject].verdict == "fatal"
        assert found[subject].found.startswith(said.format(kind, servers.bare(urls[kind])))
        assert "sesame" not in found[subject].found


def test_a_server_of_something_else_is_one_sentence(convoy, tmp_path):
    with another() as at:
        ended = convoy("status", "--workspace", tmp_path, CONVOY_MLFLOW=f"http://{at}")
    assert ended.code == ExitCode.BRANCH_FAILED
    assert ended.sentence.startswith(
        f"An MLflow server is required. Received: http://{at}, whose /health answered 404;"
    )


def test_the_command_line_shows_a_server_s_page_and_starts_none(convoy, start_mlflow, tmp_path):
    server = start_mlflow(tmp_path / "server")
    write(tmp_path, mlflow=server.url)
    ended = convoy("ui", "--workspace", tmp_path)
    assert (ended.code, ended.out, ended.err) == (0, f"MLflow UI at {server.url}, a server of its own\n", "")
    found = {one["subject"]: one for one in json.loads(convoy("doctor", "--json", "--workspace", tmp_path).out)}
    assert found["MLflow"]["found"] == f"readable at {server.url}"


def test_lineage_in_postgresql_is_made_by_a_run_and_read_by_verbs(postgresql, mlmd):
    url = postgresql.url("lineage")
    assert Lineage(url).published() == {}
    assert not metadata.exists(url)
    store = mlmd(url)
    store.registered(3, "a" * 64)
    store.pushed(3, "a" * 64, destination="/repository/digits_lenet5/3")
    assert Lineage(url).registered_sha256("digits_lenet5", 3) == "a" * 64
    assert Lineage(url).published()["digits_lenet5"].version == 3


@hypothesis.settings(
    deadline=None, max_examples=25, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(text=hypothesis.strategies.text(alphabet="ab\\'\"{}\n$é", max_size=20))
@hypothesis.example(text='{"_generated": "{\\"a\\": \\"\\\\d\\"}"}')
def test_postgresql_keeps_any_text_of_a_property(texts, text):
    assert texts(text) == text


@pytest.fixture(scope="module")
def texts(postgresql, mlmd):
    """Writes a text into MLMD in PostgreSQL, as TFX does with JSON in JSON, and reads it again."""
    store, read = mlmd(postgresql.url("texts")), metadata.opened(postgresql.url("texts"))

    def through(text):
        (found,) = read.get_artifacts_by_id([store.artifact("Examples", {"a property": text}, custom=text)])
        assert found.properties["a property"] == found.custom_properties["custom"]
        return found.custom_properties["custom"].string_value

    return through


def test_what_postgresql_refuses_is_one_sentence(postgresql, tmp_path):
    with pytest.raises(ConvoyError) as wrong:
        Lineage(postgresql.url("lineage", "not it"))
    assert str(wrong.value).startswith("A user whom PostgreSQL lets in is required. Received: postgresql://convoy@")
    assert 'password authentication failed for user "convoy"; put the password into ~/.pgpass' in str(wrong.value)
    assert "not it" not in str(wrong.value)
    write(tmp_path, mlflow=postgresql.url("nowhere"))
    (found,) = (one for one in doctor.examine(str(tmp_path), 1) if one.subject == "MLflow")
    assert found.found.endswith("where there is none of that name; make it: `createdb nowhere`.")


def test_a_lineage_of_a_newer_schema_is_one_sentence(postgresql, mlmd):
    import psycopg

    url = postgresql.url("newer")
    mlmd(url).artifact("Examples")
    with contextlib.closing(psycopg.connect(url)) as connection:
        connection.cursor().execute("UPDATE MLMDEnv SET schema_version = 99")
        connection.commit()
    with pytest.raises(ConvoyError, match="MLMD database version 99 is greater than library version"):
        Lineage(url)
