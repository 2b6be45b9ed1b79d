"""Run a site of a federation: ``python -m deployment.site --server fed.example.org:9443``; docs/deployment.md."""

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

import deployment
from deployment.options import SiteOptions
from experiments.run.mistakes import exit_status
from fedpsyau_jax.options import parsed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from deployment.masking import Identity
    from deployment.participant import Participant, Site
    from deployment.payload import Payload

PROGRAM = "python -m deployment.site"
POLL_SECONDS, RETRY_SECONDS = 0.5, 2.0
ENROLMENT_SECONDS = 75.0
"""How long a key may be refused: the server takes 40 seconds to notice that a site was killed."""


def run(options: SiteOptions) -> int:
    """Answer the server until it ends the federation; returns the exit status."""
    from data.programs import cache_compilations
    from deployment.keys import private_key
    from deployment.participant import Participant

    deployment.quiet()
    cache_compilations()
    console = Console(highlight=False, soft_wrap=True, markup=False)
    authority, key = Path(options.authority), private_key(Path(options.key))
    if not authority.is_file():
        raise ValueError(f"{authority} is missing: give the server's ca.pem as --authority")
    _share(options)
    folder, join = Path(options.folder), partial(_join, options)
    if options.peers is None:
        participant = Participant(folder, join)
    else:
        from deployment.secure_participant import SecureParticipant

        participant = SecureParticipant(folder, join, _identity(key, Path(options.peers)), console.print)
    return _serve(options.server, authority, key, participant, console)


def _identity(key: "EllipticCurvePrivateKey", folder: Path) -> "Identity":
    """Who the site is among the sites whose keys lie in a folder."""
    from deployment.keys import enrolled_keys, public_bytes
    from deployment.masking import Identity

    peers = enrolled_keys(folder)
    own = [name for name, public in peers.items() if public == public_bytes(key.public_key())]
    if not own:
        raise ValueError(f"--peers={folder} lacks this site's own key: copy its site.pub there, as the server named it")
    return Identity(own[0], key, peers)


def _serve(
    address: str, authority: Path, key: "EllipticCurvePrivateKey", participant: "Participant", console: Console
) -> int:
    import httpx

    from deployment.payload import Payload
    from deployment.supernode import NotEnrolled, connected

    refused_since: float | None = None
    said = ""
    farewell: list[str] = []

    def answer(question: Payload) -> Payload:
        if question.kind != "end":
            return _answer(participant, question, console)
        farewell.append(str(question.facts.get("why", "")))
        return Payload("ended", {}, {})

    while True:
        try:
            with connected(address, authority, key) as connection:
                refused_since, said = None, ""
                console.print(f"Connected to {address}.")
                while not farewell:
                    if not connection.serve(answer):
                        time.sleep(POLL_SECONDS)
            return _ended(farewell[0], console)
        except NotEnrolled as refused:
            refused_since = refused_since or time.monotonic()
            if time.monotonic() - refused_since > ENROLMENT_SECONDS:
                raise ValueError(f"{refused}: its owner must enrol the site.pub of this site") from None
            problem = f"{refused} yet"
        except httpx.HTTPError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise ValueError(f"{address} is not the server of {authority}, or has another name: {error}") from None
            problem = f"{address} cannot be reached"
        if problem != said:
            console.print(f"{problem}; trying again.")
            said = problem
        time.sleep(RETRY_SECONDS)


def _ended(why: str, console: Console) -> int:
    if why:
        raise ValueError(f"the server ended the federation: {why}")
    console.print("The federation is over.")
    return 0


def _answer(participant: "Participant", question: "Payload", console: Console) -> "Payload":
    answer = participant.answer(question)
    why = f": {answer.facts['why']}" if answer.kind == "refused" else ""
    number = f" {question.facts['round']}" if "round" in question.facts else ""
    console.print(f"{question.kind.capitalize()}{number}: {answer.kind}{why}.")
    return answer


def _join(options: SiteOptions, announcement: str) -> "Site":
    from deployment.announcement import read
    from deployment.problem import site_of
    from experiments.inputs.settings import FedSettings
    from experiments.run.progress import progress

    place, number = _share(options)
    own = FedSettings(
        database=(options.database,), config=options.config, au_init=options.au_init, clients=number, repeats=1
    )
    copies = () if options.manual_dir is None else (options.manual_dir,)
    with progress() as stages:
        data_dir = None if options.data_dir is None else Path(options.data_dir)
        return site_of(read(announcement, own), place, data_dir, copies, stages)


def _share(options: SiteOptions) -> tuple[int, int]:
    """Place, from 0, and number of the parts of the database."""
    place, _, number = options.share.partition("/")
    if not (place.isdecimal() and number.isdecimal() and 1 <= int(place) <= int(number)):
        raise ValueError(f"--share={options.share}: give a part of a whole, such as 2/5")
    return int(place) - 1, int(number)


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    return run(parsed(SiteOptions, arguments, prog=PROGRAM))


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(sys.argv[1:])))
