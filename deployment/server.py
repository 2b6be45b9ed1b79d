"""Run the server of a federation: ``python -m deployment.server --local 5`` for a first look; docs/deployment.md."""

import csv
import secrets
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

import deployment
from deployment.options import ServerOptions
from experiments.run.mistakes import exit_status
from fedpsyau_jax.options import parsed

PROGRAM = "python -m deployment.server"
FAREWELL_SECONDS = 20.0


def run(options: ServerOptions) -> int:
    """Serve until all rounds are done; returns the exit status."""
    from deployment.announcement import check_federation

    deployment.quiet()
    check_federation(replace(options, mu=options.mu[:1]))  # how many there must be is known with the sites
    if options.secure:
        from deployment.secure import check_secure

        check_secure(options)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    with ExitStack() as stack:
        if options.local is not None:
            from deployment.local import with_local_sites

            options = stack.enter_context(with_local_sites(options, console.print))
        return _coordinate(options, console)


def _coordinate(options: ServerOptions, console: Console) -> int:
    from deployment.coordinator import Coordinator
    from deployment.keys import CERTIFICATE, SERVER_KEY, enrolled_keys
    from deployment.payload import Payload
    from deployment.secure_coordinator import SecureCoordinator
    from deployment.superlink import Certificate, opened

    folder, certificates = Path(options.folder), Path(options.certificates)
    keys = enrolled_keys(Path(options.enrolled))
    link = opened(options.host, options.port, Certificate(certificates / CERTIFICATE, certificates / SERVER_KEY), keys)
    console.print(f"Listening at {options.host}:{options.port} for {', '.join(keys)}.")
    kind, rows = (SecureCoordinator, ("all sites",)) if options.secure else (Coordinator, tuple(keys))
    coordinator = kind(folder, _plan(options, folder, tuple(keys)), link.ask, console.print)
    farewell = ""
    try:
        for finished in coordinator.rounds():
            console.print(f"Round {finished.number + 1} of {options.rounds}: {_scores(finished.metrics)}")
            _write_table(folder, rows, options.rounds)
    except ValueError as error:
        farewell = str(error)
        raise
    finally:
        why = {name: coordinator.refused.get(name, farewell) for name in link.connected()}
        ends = {name: Payload("end", {"why": reason}, {}) for name, reason in why.items()}
        list(link.ask(ends, FAREWELL_SECONDS))
    return 0


def _plan(options: ServerOptions, folder: Path, names: tuple[str, ...]) -> Any:
    import jax

    from deployment.announcement import announced
    from deployment.coordinator import Plan
    from deployment.payload import Payload
    from deployment.problem import facts_of_versions
    from deployment.storage import load, save
    from experiments.inputs.algorithms import algorithm
    from experiments.inputs.checks import check_num_mu
    from experiments.training.plan import training_key

    check_num_mu(options, len(names))
    facts = {"run": secrets.token_hex(8), "settings": announced(options), "sites": ", ".join(names)}
    facts["aggregation"] = "secure" if options.secure else "plain"
    path = folder / "federation.npz"
    if (stored := load(path)) is None:
        save(path, Payload("federation", facts, {}))
    else:
        for name in ("settings", "sites", "aggregation"):
            if stored.facts.get(name) != facts[name]:
                raise ValueError(f"{folder} has a federation with other {name}: give another --folder, or the same")
        facts = {name: str(value) for name, value in stored.facts.items()}
    make = algorithm(options.algorithms[0])
    return Plan(
        facts["run"],
        names,
        facts["settings"],
        facts_of_versions(),
        lambda sizes: make(sizes, options),
        jax.jit(training_key, static_argnums=(0, 1, 2))(options.seed, 0, 0),
        options.rounds,
        options.patience,
    )


def _scores(metrics: Any) -> str:
    from fedpsyau_jax import metrics as scores

    if "confusion" not in metrics:
        return "done"
    return f"UF1 {float(scores.uf1(metrics['confusion'].sum(axis=0))):.3f} on the sites' test examples together"


def _write_table(folder: Path, names: Sequence[str], rounds: int) -> None:
    """Write rounds.csv: the sums that each site sent, a row for each round and site; or the sums over all of them."""
    import numpy as np

    from deployment.storage import load

    rows: list[dict[str, Any]] = []
    for number in range(rounds):
        if (sums := load(folder / "rounds" / f"{number}.npz")) is None:
            break
        for place, name in enumerate(names):
            values = {key: np.asarray(array)[place] for key, array in sums.arrays.items()}
            rows.append({"round": number, "site": name} | {key: one for key, one in values.items() if one.ndim == 0})
    with (folder / "rounds.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit status.

    Raises:
      ValueError, OSError: the user's mistake, in one sentence.
    """
    return run(parsed(ServerOptions, arguments, prog=PROGRAM))


if __name__ == "__main__":
    sys.exit(exit_status(lambda: main(sys.argv[1:])))
