"""A first look: a server with sites of its own, as processes on this machine, each with its share of the database."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from deployment.keys import AUTHORITY, CERTIFICATE, PRIVATE, PUBLIC, make_server_certificate, make_site_key
from deployment.options import ServerOptions

__all__ = ["with_local_sites"]

HOST = "127.0.0.1"
GRACE_SECONDS = 30.0


@contextmanager
def with_local_sites(options: ServerOptions, say: Callable[[str], None]) -> Iterator[ServerOptions]:
    """Make certificates and keys, prepare the database, and start the sites; they end with the block.

    Args:
        options: of the server, with ``local``.
        say: where to say what is done.

    Yields:
        The server's options, with the certificates and keys made.
    """
    assert options.local is not None
    folder = Path(options.folder)
    names = [f"site-{number + 1}" for number in range(options.local)]
    make_keys(folder, names)
    say("Preparing the database and the detector, which the sites then read ...")
    _prepare(options)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for number, name in enumerate(names):
            command = site_command(options, folder, name, f"{number + 1}/{options.local}")
            log = (folder / name / "log.txt").open("ab")
            processes.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
        say(f"Started {', '.join(names)}; what they say is in {folder}/NAME/log.txt.")
        yield replace(options, certificates=str(folder / "certificates"), enrolled=str(folder / "enrolled"), host=HOST)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
    finally:
        for process in processes:
            process.terminate()


def make_keys(folder: Path, names: list[str]) -> None:
    """The certificate of a server on this machine, and the keys of its sites, unless they are there."""
    enrolled = folder / "enrolled"
    enrolled.mkdir(parents=True, exist_ok=True)
    if not (folder / "certificates" / CERTIFICATE).exists():
        make_server_certificate(folder / "certificates", HOST)
    for name in names:
        if not (folder / name / PRIVATE).exists():
            make_site_key(folder / name)
        (enrolled / f"{name}.pub").write_bytes((folder / name / PUBLIC).read_bytes())


def site_command(options: ServerOptions, folder: Path, name: str, share: str) -> list[str]:
    """The command of a site on this machine."""
    given = {
        "server": f"{HOST}:{options.port}",
        "authority": folder / "certificates" / AUTHORITY,
        "key": folder / name / PRIVATE,
        "folder": folder / name,
        "database": options.database[0],
        "share": share,
    }
    own = {"au-init": options.au_init, "config": options.config}
    given |= {option: value for option, value in own.items() if value is not None}
    given |= {"peers": folder / "enrolled"} if options.secure else {}
    return [sys.executable, "-m", "deployment.site", *(f"--{option}={value}" for option, value in given.items())]


def _prepare(options: ServerOptions) -> None:
    """Render or build the database, and pretrain the detector, once for all sites."""
    from deployment.announcement import announced, read
    from deployment.problem import site_of
    from experiments.inputs.settings import FedSettings
    from experiments.run.progress import progress

    own = FedSettings(
        database=options.database, config=options.config, au_init=options.au_init, clients=options.local, repeats=1
    )
    with progress() as stages:
        site_of(read(announced(options), own), 0, None, (), stages)
