"""docs/tutorials/federation.md, command by command: options exist, and the rehearsal ends with its results."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from deployment.options import KeyOptions, ServerOptions, SiteOptions
from fedpsyau_jax.__main__ import COMMANDS
from fedpsyau_jax.options import parsed

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tutorials" / "federation.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
OPTIONS = {"deployment.server": ServerOptions, "deployment.site": SiteOptions, "deployment.keys": KeyOptions}
NETWORK = "no-transformer-no-gat"
LITTLE = {
    "prepare": ("--num-workers=1",),
    "pretrain": ("--pretraining.epochs=1", f"--network.variant={NETWORK}"),
    "deployment.server": ("--rounds=2", "--local-epochs=1", "--batch=4", f"--network.variant={NETWORK}"),
}
PATIENCE = 1200


def split(line: str) -> tuple[str, list[str]]:
    """The module or command that a line runs, and its arguments."""
    first, *words = shlex.split(line.removesuffix("&"))
    if first == "fedpsyau":
        return words[0], words[1:]
    return (words[1], words[2:]) if words[:1] == ["-m"] else (first, words)


def test_commands_and_their_options_exist() -> None:
    kinds = [split(line) for line in LINES]
    for name, arguments in kinds:
        if name in OPTIONS:
            parsed(OPTIONS[name], arguments)
    names = {name for name, _ in kinds}
    assert names == {*OPTIONS, "synthesis", "prepare", "pretrain", "pip", "mkdir", "cp", "wait"}
    assert {"synthesis", "prepare", "pretrain"} <= COMMANDS.keys()


def test_sites_trust_the_server_and_have_the_keys_that_were_made() -> None:
    made = [parsed(KeyOptions, arguments) for name, arguments in map(split, LINES) if name == "deployment.keys"]
    folders = {one.folder for one in made if one.whose == "site"}
    (certificates,) = (one.folder for one in made if one.whose == "server")
    sites = [parsed(SiteOptions, arguments) for name, arguments in map(split, LINES) if name == "deployment.site"]
    assert {one.key for one in sites} == {f"{folder}/site.key" for folder in folders}
    assert {one.authority for one in sites} == {f"{certificates}/ca.pem"}
    assert len({one.folder for one in sites}) == len(sites) == len(folders)


def program(name: str, arguments: Sequence[str]) -> list[str]:
    """The words that run a command: on noise in the place of faces, if it trains."""
    if name in ("mkdir", "cp"):
        return [name, *arguments]
    ours = COMMANDS[name].module if name in COMMANDS else name
    on_noise = [str(ROOT / "tests" / "command_on_random_data.py"), ours]
    start = on_noise if ours.startswith(("experiments.", "deployment.s")) else ["-m", ours]
    return [sys.executable, *start, *arguments, *LITTLE.get(name, ())]


@pytest.mark.slow
def test_the_rehearsal_runs_to_its_end(tmp_path: Path) -> None:
    pytest.importorskip("flwr", reason="needs the extra flower")
    from test_deployment_network import free_port

    port = str(free_port())
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "TFDS_DATA_DIR": str(tmp_path / "made")}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "JAX_PLATFORMS": "cpu"}
    environment |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    started: list[subprocess.Popen[str]] = []
    said = (tmp_path / "said.txt").open("a+")
    try:
        for line in LINES:
            name, arguments = split(line.replace("9443", port))
            if name in ("pip", "wait"):
                continue
            words = program(name, arguments)
            process = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=said, stderr=said, text=True)
            started.append(process)
            if not line.endswith("&"):
                assert process.wait(PATIENCE) == 0, f"{line}\n{text_of(said.name)}"
        assert [process.wait(PATIENCE) for process in started] == [0] * len(started), text_of(said.name)
    finally:
        for process in started:
            process.kill()
        said.close()
    assert text_of(said.name).count("The federation is over.") == 2
    assert len((tmp_path / "rehearsal" / "rounds.csv").read_text().splitlines()) == 1 + 2 * 2
    shutil.rmtree(tmp_path / "made")


def text_of(file: str) -> str:
    return Path(file).read_text()
