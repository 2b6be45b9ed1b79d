"""A federation over TLS on this machine: who may connect, and what a site sends, byte for byte."""

import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_sites import NAMES, SIZES, Network, coordinator, laboratories, model_at, simulated

pytest.importorskip("flwr", reason="needs the extra flower")

from flwr.supercore.object_store import NoObjectInStoreError
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE
from secure_sites import SecureLaboratory, secure_coordinator

from deployment import keys, superlink, supernode
from deployment.coordinator import Coordinator
from deployment.fixed_point import encoded
from deployment.masking import Identity
from deployment.payload import Payload
from deployment.superlink import Certificate, SuperLink, opened
from fedpsyau_jax.federated import fedavg

HOST, ROUNDS = "127.0.0.1", 2


class Recorder:
    """Every byte that a site sends."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def intercept(self, context: Any, call_next: Any) -> Any:
        headers = b"".join(name + value for name, value in context.request.headers.raw)
        self.sent.append(bytes(str(context.request.url), "ascii") + headers + context.request.read())
        return call_next(context)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def make_keys(folder: Path, *names: str) -> None:
    (folder / "enrolled").mkdir()
    keys.make_server_certificate(folder / "certificates", HOST)
    for name in names:
        keys.make_site_key(folder / name)
        (folder / "enrolled" / f"{name}.pub").write_bytes((folder / name / "site.pub").read_bytes())


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, SuperLink]:
    folder, port = tmp_path_factory.mktemp("network"), free_port()
    make_keys(folder, *NAMES)
    certificate = Certificate(folder / "certificates" / "server.pem", folder / "certificates" / "server.key")
    return folder, f"{HOST}:{port}", opened(HOST, port, certificate, keys.enrolled_keys(folder / "enrolled"))


def serve(folder: Path, address: str, name: str, answer: Any, over: threading.Event, recorder: Recorder) -> None:
    key = keys.private_key(folder / name / "site.key")
    with supernode.connected(address, folder / "certificates" / "ca.pem", key, (recorder,)) as connection:
        while not over.wait(0.05):
            connection.serve(answer)


def all_rounds(network: tuple[Path, str, SuperLink], sites: Any, server: Coordinator) -> dict[str, Recorder]:
    """Run a federation; returns what each site sent."""
    folder, address, _ = network
    over, recorders = threading.Event(), {name: Recorder() for name in NAMES}
    threads = [
        threading.Thread(target=serve, args=(folder, address, name, sites[name].answer, over, recorders[name]))
        for name in NAMES
    ]
    for thread in threads:
        thread.start()
    try:
        assert all(one.took_part.all() for one in server.rounds())
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return recorders


@pytest.mark.slow
def test_of_a_secure_federation_the_server_receives_no_weights(network, tmp_path: Path) -> None:
    folder, _, link = network
    peers = keys.enrolled_keys(folder / "enrolled")
    own = {name: Identity(name, keys.private_key(folder / name / "site.key"), peers) for name in NAMES}
    sites = {name: SecureLaboratory(tmp_path / name, place, fedavg, own[name]) for place, name in enumerate(NAMES)}
    server, said = secure_coordinator(tmp_path, Network(sites), fedavg, ROUNDS)
    server.ask, server.plan = link.ask, server.plan._replace(patience=1800.0)
    recorders = all_rounds(network, sites, server)
    assert said == []
    desired = simulated(fedavg, ROUNDS).clients.params["slope"]
    for place, name in enumerate(NAMES):
        sent = b"".join(recorders[name].sent)
        slope = model_at(sites[name])[1]
        np.testing.assert_allclose(slope, desired[place], atol=2e-6)
        in_steps = encoded(SIZES[place] * slope.astype(np.float64), len(NAMES)).numbers
        for number in (*slope, *slope.astype(np.float64), *in_steps):
            assert number.tobytes() not in sent
        (masked,) = [one.arrays["masked"] for one in sites[name].sent[-2:] if one.kind == "masked"]
        assert masked.tobytes() in sent


def test_a_federation_over_the_network_is_the_simulation(network, tmp_path: Path) -> None:
    sites = laboratories(tmp_path, fedavg)
    server, said = coordinator(tmp_path, network[2].ask, fedavg, ROUNDS, patience=1800.0)
    recorders = all_rounds(network, sites, server)
    assert said == []
    leaves = simulated(fedavg, ROUNDS).clients.params
    for place, name in enumerate(NAMES):
        np.testing.assert_array_equal(model_at(sites[name])[1], leaves["slope"][place])
        sent = b"".join(recorders[name].sent)
        assert model_at(sites[name])[1].tobytes() in sent  # the recorder does see what is sent
        training = sites[name].participant.training
        assert training is not None
        (x, y), mask = training.data.train.examples, training.data.train.mask
        for secret in (np.asarray(x), np.asarray(y), np.asarray(mask), np.asarray(x)[0]):
            assert secret.tobytes() not in sent
        assert str(tmp_path).encode() not in sent
        assert name.encode() not in sent  # the server knows it from the key


@pytest.mark.slow
def test_a_server_that_slept_goes_on(network, tmp_path: Path) -> None:
    """Flower gives up the task of a process that was silent for a minute, with all that belongs to it."""
    link = network[2]
    assert link.state.stop_run(link.run)
    assert not link.state.acknowledge_task_heartbeat(link.task)
    sites = laboratories(tmp_path, fedavg)
    server, said = coordinator(tmp_path, link.ask, fedavg, rounds=1, patience=1800.0)
    all_rounds(network, sites, server)
    assert said == []


@pytest.mark.slow
def test_a_site_whose_answer_was_lost_at_the_server_is_asked_again(
    network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = type(network[2].state.object_store)
    usual, lost = store.get_object_tree, list[str]()

    def forgetful(own: Any, name: str) -> Any:
        if threading.current_thread() is threading.main_thread() and len(lost) < len(NAMES):
            lost.append(name)
            raise NoObjectInStoreError(name)
        return usual(own, name)

    monkeypatch.setattr(store, "get_object_tree", forgetful)
    sites = laboratories(tmp_path, fedavg)
    server, said = coordinator(tmp_path, network[2].ask, fedavg, rounds=1, patience=1800.0)
    all_rounds(network, sites, server)
    assert (len(lost), said) == (len(NAMES), [])


def test_a_site_that_was_not_enrolled_is_refused(network) -> None:
    folder, address, _ = network
    keys.make_site_key(folder / "stranger")
    key = keys.private_key(folder / "stranger" / "site.key")
    with (
        pytest.raises(supernode.NotEnrolled, match="does not accept this site's key"),
        supernode.connected(address, folder / "certificates" / "ca.pem", key),
    ):
        pass


def test_a_site_checks_the_server(network, tmp_path: Path) -> None:
    import httpx

    folder, address, _ = network
    keys.make_server_certificate(tmp_path, HOST)  # of somebody else
    key = keys.private_key(folder / NAMES[0] / "site.key")
    authority = tmp_path / "ca.pem"
    with (
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
        supernode.connected(address, authority, key),
    ):
        pass


@pytest.mark.parametrize("content", [b"four", None])
def test_a_request_that_is_too_large_or_of_unknown_size_is_refused(
    content: bytes | None, network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(superlink, "LARGEST_REQUEST", 3)
    assert posted(network, "/v1/fleet/pull-messages", content or iter([b"x"])) == 413


@pytest.mark.parametrize("path", ["/v1/control/start-run", "/v1/runtime/push-messages", "/docs", "/openapi.json"])
def test_nothing_but_the_sites_interface_is_open(path: str, network) -> None:
    assert posted(network, path, b"") == 404
    assert posted(network, "/v1/fleet/pull-messages", b"") == 401


def posted(network: tuple[Path, str, SuperLink], path: str, content: Any) -> int:
    import httpx

    folder, address, _ = network
    authority = ssl.create_default_context(cafile=folder / "certificates" / "ca.pem")
    with httpx.Client(verify=authority) as client:
        headers = {"content-type": PROTOBUF_MEDIA_TYPE, "accept": PROTOBUF_MEDIA_TYPE}
        return client.post(f"https://{address}{path}", content=content, headers=headers).status_code


def test_keys_are_secret_and_never_overwritten(tmp_path: Path) -> None:
    make_keys(tmp_path, "lab")
    for path in (tmp_path / "lab" / "site.key", tmp_path / "certificates" / "server.key"):
        assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(ValueError, match="exists already"):
        keys.make_site_key(tmp_path / "lab")
    (tmp_path / "enrolled" / "other.pub").write_bytes((tmp_path / "lab" / "site.pub").read_bytes())
    with pytest.raises(ValueError, match="is the key of another enrolled site, too"):
        keys.enrolled_keys(tmp_path / "enrolled")
    (tmp_path / "enrolled" / "other.pub").write_text("ssh-rsa nonsense")
    with pytest.raises(ValueError, match="is not the public key of a site"):
        keys.enrolled_keys(tmp_path / "enrolled")


def test_unreadable_answers_are_refused() -> None:
    from flwr.app import RecordDict

    from deployment.payload import Refused
    from deployment.records import content_of, payload_of

    class Bare:
        content = RecordDict()

        def has_error(self) -> bool:
            return False

    with pytest.raises(Refused, match="is not one of a site"):
        payload_of(Bare())  # type: ignore[arg-type]
    whole = Bare()
    whole.content = content_of(Payload("trained", {"round": 3}, {"weights/0": np.arange(3, dtype=np.float32)}))
    read = payload_of(whole)  # type: ignore[arg-type]
    assert (read.kind, dict(read.facts)) == ("trained", {"round": 3})
    np.testing.assert_array_equal(read.arrays["weights/0"], np.arange(3, dtype=np.float32))
    whole.content["facts"]["round"] = [3]
    with pytest.raises(Refused, match="is not one of a site"):
        payload_of(whole)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("--whose server --host fed.example.org --folder .", {"ca.pem", "server.pem", "server.key"}),
        ("--whose site --folder .", {"site.key", "site.pub"}),
    ],
)
def test_the_documented_commands_make_keys(
    command: str, files: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[1] / "docs" / "deployment.md").read_text()
    assert f"python -m deployment.keys {command.removesuffix('.')}" in page
    monkeypatch.chdir(tmp_path)
    assert keys.main(command.split()) == 0
    assert {path.name for path in tmp_path.iterdir()} == files
