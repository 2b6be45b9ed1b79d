"""Servers and sites as processes on this machine, some of them killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from test_deployment_problem import CLIENTS, ROUNDS, deployed, settings_of

pytest.importorskip("flwr", reason="needs the extra flower")

from test_deployment_network import HOST, free_port

from deployment.local import make_keys, site_command
from deployment.options import ServerOptions

ROOT = Path(__file__).parents[1]
NAMES = [f"site-{number + 1}" for number in range(CLIENTS)]
DATABASE, PATIENCE = "fed_on_random_data:own_dataset", 1200
pytestmark = pytest.mark.slow


@contextmanager
def started(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "JAX_PLATFORMS": "cpu"}
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def server_command(folder: Path, detector: Path, port: int, *more: str) -> list[str]:
    settings = settings_of(detector)
    options = {
        "folder": folder,
        "certificates": folder / "certificates",
        "enrolled": folder / "enrolled",
        "port": port,
        "patience": PATIENCE,
        "algorithms": settings.algorithms[0],
        "rounds": ROUNDS,
        "local-epochs": settings.local_epochs,
        "batch": settings.batch,
        "learning-rate": settings.learning_rate,
        "network.variant": settings.network.variant,
    }
    given = [f"--{option}={value}" for option, value in options.items()]
    return [sys.executable, "-m", "deployment.server", *given, *more]


def wait_for(path: Path, *processes: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while not path.exists():
        assert all(process.poll() is None for process in processes), path.name
        assert time.monotonic() < until, path.name
        time.sleep(0.05)


def assert_as_without_a_network(folder: Path, detector: Path) -> None:
    """The weights are those of sites within one process, which are compared with the simulation elsewhere."""
    desired, _ = deployed(settings_of(detector), folder / "within")
    for name, model in zip(NAMES, desired, strict=True):
        (memory,) = (folder / name).glob("*/memory.npz")
        with np.load(memory) as file:
            for number, leaf in enumerate(model):
                np.testing.assert_array_equal(file[f"reply/weights/{number}"], leaf, err_msg=name)


def test_killed_processes_lose_no_round(folder: Path, tmp_path: Path) -> None:
    run, port = tmp_path / "run", free_port()
    make_keys(run, NAMES)
    options = ServerOptions(port=port, database=(DATABASE,), au_init=str(folder))
    serve = server_command(run, folder, port)
    sites = {name: site_command(options, run, name, f"{place + 1}/{CLIENTS}") for place, name in enumerate(NAMES)}
    log = tmp_path / "log.txt"
    with ExitStack() as stack:
        server = stack.enter_context(started(serve, log))
        running = {name: stack.enter_context(started(sites[name], run / name / "log.txt")) for name in NAMES}
        wait_for(run / "begun" / f"{NAMES[-1]}.npz", server, *running.values())
        running[NAMES[0]].kill()  # in round 0
        running[NAMES[0]].wait()
        again = stack.enter_context(started(sites[NAMES[0]], run / NAMES[0] / "log.txt"))
        wait_for(run / "rounds" / "0.npz", server, again)
        server.kill()  # in round 1
        server.wait()
        server = stack.enter_context(started(serve, log))
        assert server.wait(PATIENCE) == 0, log.read_text()
        for process in (again, running[NAMES[1]], running[NAMES[2]]):
            assert process.wait(60) == 0
    assert "left out" not in log.read_text()
    assert_as_without_a_network(run, folder)
    table = (run / "rounds.csv").read_text().splitlines()
    assert len(table) == 1 + ROUNDS * CLIENTS


def test_one_command_starts_a_server_and_its_sites(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    more = (f"--local={CLIENTS}", f"--database={DATABASE}", f"--au-init={folder}")
    log = tmp_path / "log.txt"
    with started(server_command(run, folder, free_port(), *more), log) as server:
        assert server.wait(PATIENCE) == 0, log.read_text()
    assert f"Round {ROUNDS} of {ROUNDS}: UF1" in log.read_text()
    assert_as_without_a_network(run, folder)


def test_a_stranger_is_told_so(tmp_path: Path) -> None:
    from test_deployment_network import make_keys as make_network_keys

    from deployment import keys
    from deployment.superlink import Certificate, opened

    make_network_keys(tmp_path, "lab-a")
    keys.make_site_key(tmp_path / "stranger")
    port, files = free_port(), tmp_path / "certificates"
    enrolled = keys.enrolled_keys(tmp_path / "enrolled")
    opened(HOST, port, Certificate(files / "server.pem", files / "server.key"), enrolled)
    command = site_command(ServerOptions(port=port), tmp_path, "stranger", "1/1")
    with started(command, tmp_path / "log.txt") as site:
        assert site.wait(PATIENCE) == 2
    said = (tmp_path / "log.txt").read_text()
    assert said.splitlines()[-1] == (
        f"Error: {HOST}:{port} does not accept this site's key: its owner must enrol the site.pub of this site"
    )
    assert "Traceback" not in said
