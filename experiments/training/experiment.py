"""A whole run: compile the programs, get the detectors, train every group, and keep the networks."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments.inputs.detectors import detector_like
from experiments.inputs.network_settings import NetworkSettings
from experiments.inputs.settings import RecognitionSettings
from experiments.run import networks as stored_networks
from experiments.run.folder import RunFolder
from experiments.run.processes import ALONE, Processes
from experiments.run.progress import Stages
from experiments.trackers.tracking import Tracking
from experiments.training.chunks import TrainingResult
from experiments.training.detectors import Clients
from experiments.training.loop import Job, Outcome, Report, train
from experiments.training.plan import Group
from experiments.training.points import RoundPoints
from experiments.training.prepare import Prepared
from experiments.training.program import initial_state, num_bytes
from experiments.training.programs import Programs
from experiments.training.records import MetricsFile
from experiments.training.rows import Table
from experiments.training.shapes import job_arrays_like, store_like, task_of
from experiments.training.store import Detector, Store, detect
from fedpsyau_jax.types import ClientState, Float

MAX_KEPT_BYTES = 60e6
"""Maximum size of the networks that a finished run keeps by default."""


@dataclass
class Results:
    """The results of a run.

    Attributes:
      trained: trainings with their results, in the order of the table's rows.
      au_probabilities: by name of the group, the outputs of its frozen detectors [detectors, rows, aus]; no entry if
        the trained networks detect action units themselves.
      rounds: finished rounds of the last group.
      ended: whether everything is trained.
      problem: why training stopped early, if something went wrong.
    """

    trained: list[TrainingResult] = field(default_factory=list)
    au_probabilities: dict[str, Float[np.ndarray, "detectors rows aus"]] = field(default_factory=dict)
    rounds: int = 0
    ended: bool = False
    problem: str | None = None

    def num_trained(self, table: Table) -> int:
        """How many trainings have results, counted as ``Table.num_trained``."""
        done = {id(one.training) for one in self.trained}
        return sum(id(own.rows_of(place)[0]) in done for own in table.groups for place in range(own.num_trained))

    def complete(self, prepared: Prepared) -> list[TrainingResult]:
        """The results of those rows and repeats whose splits all have results."""
        planned = Counter((one.row, one.repeat) for one in prepared.table.trainings)
        done = Counter((one.training.row, one.training.repeat) for one in self.trained)
        keys = {key for key, number in done.items() if number == planned[key]}
        return [one for one in self.trained if (one.training.row, one.training.repeat) in keys]


def run_trainings(
    prepared: Prepared, folder: RunFolder, stages: Stages, tracking: Tracking, processes: Processes = ALONE
) -> Results:
    """Train all remaining groups, until the end, a divergence, or the user's request to stop.

    The trackers get each round as it ends. Of several processes, the first one calls this and the others ``follow``.
    """
    results, metrics = Results(), MetricsFile(folder, prepared)
    points = RoundPoints(prepared)
    tracking.start()

    def report(current: Sequence[TrainingResult]) -> None:
        metrics.write(current)
        if tracking.trackers:
            tracking.log(points.new([*metrics.finished, *current]))

    for outcome in _outcomes(prepared, folder, stages, processes, results, report):
        _add(results, outcome)
        metrics.add(outcome.trained)
        if tracking.trackers:
            tracking.log(points.new(metrics.finished))
    order = {id(training): place for place, training in enumerate(prepared.table.trainings)}
    results.trained.sort(key=lambda one: order[id(one.training)])
    return results


def follow(prepared: Prepared, stages: Stages, processes: Processes) -> None:
    """Take part in the trainings that the first process runs; nothing is read, written or reported."""
    for _ in _outcomes(prepared, None, stages, processes, Results(), lambda current: None):
        pass


def _outcomes(
    prepared: Prepared,
    folder: RunFolder | None,
    stages: Stages,
    processes: Processes,
    results: Results,
    report: Report,
) -> Iterator[Outcome]:
    """Train one group after the other until one does not end; the first program compiles beside the detectors."""
    wanted = networks_to_keep(prepared)
    with ThreadPoolExecutor(1) as thread:
        programs = Programs(prepared, folder, thread, processes)
        clients = _detectors_of_all(prepared, programs.begin, processes)
        for group in prepared.table.groups:
            store, probabilities = store_with_detectors(prepared, group, clients, stages)
            if probabilities is not None:
                results.au_probabilities[group.name] = probabilities
            outcome = train(_job(prepared, group, store, folder, programs, wanted, stages), stages, report)
            yield outcome
            if not outcome.ended:
                break


def _detectors_of_all(prepared: Prepared, begin: Callable[[], None], processes: Processes) -> Clients:
    """The pretrained detectors: the first process gets or trains them, as ``begin`` compiles, and sends them to all."""
    networks, clients = detector_networks(prepared.table.groups), Clients()
    processes.agreed(lambda: clients.update(prepared.source.clients(networks, begin)))
    return {network: processes.shared(clients.get(network) or detector_like(network)) for network in networks}


def _add(results: Results, outcome: Outcome) -> None:
    results.trained += outcome.trained
    results.rounds, results.ended, results.problem = outcome.rounds, outcome.ended, outcome.problem


def _job(
    prepared: Prepared,
    group: Group,
    store: Store,
    folder: RunFolder | None,
    programs: Programs,
    wanted: dict[str, frozenset[tuple[int, int]]],
    stages: Stages,
) -> Job:
    several = len(prepared.table.groups) > 1
    number = prepared.table.groups.index(group) + 1
    return Job(
        settings=prepared.settings,
        group=programs.form(group),
        task=programs.task(group),
        store=store,
        shown=prepared.data_of(group).rows.shown,
        program=partial(programs.wait, group, stages),
        unit=prepared.unit,
        title=f"training, program {number} of {len(prepared.table.groups)}" if several else "training",
        folder=folder,
        keep=partial(keep_network, folder, group) if folder else lambda *network: None,
        wanted=wanted[group.name] if folder else frozenset(),
        size=programs.sizes[group.name],
        processes=programs.processes,
    )


def detector_networks(groups: Sequence[Group]) -> list[NetworkSettings]:
    """The networks whose pretrained detectors are needed, without duplicates."""
    return list(dict.fromkeys(view.network for group in groups for view in group.views))


def store_with_detectors(
    prepared: Prepared, group: Group, clients: Clients, stages: Stages
) -> tuple[Store, Float[np.ndarray, "detectors rows aus"] | None]:
    """A group's store with its detectors' features or weights, and the AU probabilities of frozen detectors."""
    rows = prepared.data_of(group).rows
    like = store_like(group, rows)
    if group.au == "frozen":
        outputs = detect(group.network, detectors_of(group, clients), rows.examples, _track(group, stages))
        return like._replace(features=outputs.features), np.asarray(jax.nn.sigmoid(outputs.logits))
    if group.au == "finetuned":
        detectors = [clients[view.network] for view in group.views]
        stacked: ClientState = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(x) for x in leaves]), *detectors)
        return like._replace(detectors=stacked), None
    return like, None


def detectors_of(group: Group, clients: Clients) -> list[Detector]:
    """The detectors of a group with the priors that they use."""
    return [Detector(clients[view.network], view.priors, view.network.prior_ratio) for view in group.views]


def _track(group: Group, stages: Stages) -> Callable[[Sequence[Detector]], Iterable[Detector]]:
    return partial(stages.track, total=len(group.views), description="detecting action units")


def networks_to_keep(prepared: Prepared) -> dict[str, frozenset[tuple[int, int]]]:
    """The networks to keep of each group, by its name, as (place, client).

    All if the settings ask for it; else as many as fit into ``MAX_KEPT_BYTES``, taken from the rows in turn. For a
    pretraining, the detector of each row's first repeat.
    """
    networks = [
        (place, client, group)
        for group in prepared.table.groups
        for place in range(len(group.trainings))
        for client in range(group.num_clients)
    ]
    if isinstance(prepared.settings, RecognitionSettings):
        networks = networks if prepared.settings.keep_networks else _within_limit(prepared, networks)
    else:
        networks = [network for network in networks if network[2].trainings[network[0]].repeat == 0]
    return {
        group.name: frozenset((place, client) for place, client, owner in networks if owner is group)
        for group in prepared.table.groups
    }


def _within_limit(prepared: Prepared, networks: list[tuple[int, int, Group]]) -> list[tuple[int, int, Group]]:
    rows = {row.title: place for place, row in enumerate(prepared.table.rows)}

    def turn(network: tuple[int, int, Group]) -> tuple[int, int, int, int]:
        place, client, group = network
        one = group.trainings[place]
        return one.repeat, one.number, client, rows[one.row]

    sizes = {group.name: network_bytes(prepared, group) for group in prepared.table.groups}
    chosen, room = [], MAX_KEPT_BYTES
    for network in sorted(networks, key=turn):
        room -= sizes[network[2].name]
        if room < 0:
            break
        chosen.append(network)
    return chosen


def network_bytes(prepared: Prepared, group: Group) -> int:
    """Bytes of one trained network."""
    return num_bytes(network_like(prepared, group))


def network_like(prepared: Prepared, group: Group) -> ClientState:
    """Shapes and dtypes of a trained network, unpacked."""
    data = prepared.data_of(group)
    like = store_like(group, data.rows)
    task = task_of(group, len(data.class_names), like)
    arrays = job_arrays_like(group, 1, data.rows.shown, prepared.settings.seed)
    one = jax.eval_shape(lambda given: jax.tree.map(lambda leaf: leaf[0], given), arrays)
    state = jax.eval_shape(lambda *given: initial_state(group.recipe, task, *given), like, one)
    packed = jax.eval_shape(lambda given: jax.tree.map(lambda leaf: leaf[0], given), state.federation.clients)
    unpacked: ClientState = jax.eval_shape(task.unpack_client, packed)
    return unpacked


def keep_network(folder: RunFolder, group: Group, place: int, client: int, network: ClientState) -> None:
    """Write a trained network into the run folder."""
    stored_networks.write(folder, f"{group.name}-{place}", client, network)
