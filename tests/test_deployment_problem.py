"""The network at sites is trained as experiments.fed trains its clients, without a network between."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from detector_folders import NETWORK
from fed_on_random_data import own_dataset

from deployment.announcement import announced, check_federation, read
from deployment.coordinator import Coordinator, Plan
from deployment.participant import Participant
from deployment.payload import Payload, Refused
from deployment.problem import facts_of_versions, site_of
from experiments.inputs.algorithms import algorithm
from experiments.inputs.detectors import read_au_init
from experiments.inputs.priors import annotations_of, cooccurrence, cooccurrence_of_counts
from experiments.inputs.settings import FedSettings
from experiments.run.progress import progress
from experiments.training.detectors import nothing
from experiments.training.experiment import detector_networks, store_with_detectors
from experiments.training.plan import arrays, training_key
from experiments.training.prepare import prepare_on
from experiments.training.program import compile_program
from experiments.training.shapes import task_of
from fedpsyau_jax.priors import pair_counts

ROUNDS, CLIENTS = 2, 3


def settings_of(folder: Path, **more: object) -> FedSettings:
    own = FedSettings(
        database=("fed_on_random_data:own_dataset",), au_init=str(folder), clients=CLIENTS, repeats=1,
        algorithms=("p-fedprox",), rounds=ROUNDS, local_epochs=1, batch=4, network=NETWORK, learning_rate=3e-3,
    )  # fmt: skip
    return replace(own, **more)


def deployed(settings: FedSettings, folder: Path) -> tuple[list[list[np.ndarray]], bytes]:
    """The weights of the sites after all rounds, each a Participant of its own, and all that they sent."""
    sent: list[bytes] = []

    def join(place: int, announcement: str):
        with progress() as stages:
            return site_of(read(announcement, settings), place, None, (), stages)

    names = [f"site-{number}" for number in range(CLIENTS)]
    sites = {
        name: Participant(folder / name, lambda text, place=place: join(place, text))
        for place, name in enumerate(names)
    }

    def ask(questions: Mapping[str, Payload], seconds: float) -> Iterator[tuple[str, Payload]]:
        for name in sorted(questions, reverse=True):
            answer = sites[name].answer(questions[name])
            sent.append(repr((answer.kind, answer.facts, list(answer.arrays))).encode())
            sent.extend(array.tobytes() for array in answer.arrays.values())
            yield name, answer

    key, make = training_key(settings.seed, 0, 0), algorithm(settings.algorithms[0])
    plan = Plan(
        "abc", names, announced(settings), facts_of_versions(), lambda sizes: make(sizes, settings), key, ROUNDS, 9.0
    )
    said: list[str] = []
    assert len(list(Coordinator(folder / "server", plan, ask, said.append).rounds())) == ROUNDS
    assert said == []
    models = []
    for name in names:
        with np.load(folder / name / "abc" / "memory.npz") as file:
            count = sum(one.startswith("reply/weights/") for one in file.files)
            models.append([file[f"reply/weights/{place}"] for place in range(count)])
    return models, b"\n".join(sent)


def simulated(settings: FedSettings) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The initial and the trained weights of the clients of one program, leaves [clients, ...]."""
    with progress() as stages:
        prepared = prepare_on([[own_dataset()]], settings, read_au_init(settings), None, stages)
        (group,) = prepared.table.groups
        clients = prepared.source.clients(detector_networks([group]), nothing)
        store, _ = store_with_detectors(prepared, group, clients, stages)
    task = task_of(group, len(prepared.class_names), store)
    own = arrays(group, [0], 1, prepared.data[0].rows.shown, settings.seed)
    program = compile_program(group.recipe, task, store, own)
    states = [program.init(store, own)]
    for _ in range(ROUNDS):
        states.append(program.round(states[-1], store, own)[0])
    first, last = (
        [np.asarray(leaf[0]) for leaf in jax.tree.leaves(state.federation.clients.params)]
        for state in (states[0], states[-1])
    )
    return first, last


@pytest.mark.slow
def test_sites_train_as_clients_of_fed_and_send_nothing_else(folder: Path, tmp_path: Path) -> None:
    settings = settings_of(folder)
    (initial, desired), (models, sent) = simulated(settings), deployed(settings, tmp_path / "run")
    for place, model in enumerate(models):
        for ours, theirs, before in zip(model, desired, initial, strict=True):
            # Two programs round otherwise, and Adam makes a whole step of the sign of a gradient that is nearly zero.
            change, difference = theirs[place] - before[place], ours - theirs[place]
            assert np.linalg.norm(difference) < 0.1 * np.linalg.norm(change)
    assert models[0][0].tobytes() in sent  # what is sent is looked at
    data = own_dataset()
    for text in (*data.subject, *data.clip, data.name, str(tmp_path), str(folder)):
        assert str(text).encode() not in sent
    for place in range(len(data.clip)):
        example = jax.tree.map(lambda leaf, place=place: leaf[place], data.examples)
        for part in (example.flow[0], example.patches[0]):
            assert np.asarray(part).tobytes() not in sent
    labels = np.asarray(data.examples.emotion)
    for kind in (np.int32, np.int64, np.float32):
        assert labels[:4].astype(kind).tobytes() not in sent


@pytest.mark.slow
def test_a_prior_of_counts_is_that_of_the_annotations() -> None:
    table = annotations_of(own_dataset())
    halves = [table.rows(np.arange(start, len(table.subject), 2)) for start in (0, 1)]
    counts = [pair_counts(half.aus, half.mask) for half in halves]
    summed = cooccurrence_of_counts(*(one + other for one, other in zip(*counts, strict=True)))
    jax.tree.map(np.testing.assert_allclose, summed, cooccurrence(table))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"algorithms": ("fedavg", "local")}, "a federation runs one"),
        ({"algorithms": ("centralised",)}, "one client would hold everything"),
        ({"algorithms": ("mine:clustered",)}, "sites run no code that the server names"),
        ({"network": replace(NETWORK, prior=("os:system",))}, "sites run no code that the server names"),
        ({"sweep": ("mu=1,2",)}, "a federation trains one row"),
    ],
)
def test_what_a_federation_cannot_have_is_refused(change: dict, why: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=why):
        check_federation(settings_of(tmp_path, **change))


@pytest.mark.parametrize("text", ["", "[]", '{"rounds": 3}', '{"database": ["casme2"]}'])
def test_a_damaged_announcement_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="the settings that the server announces cannot be used"):
        read(text, FedSettings())


def test_a_site_refuses_code_named_by_the_server(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, algorithms=("os:system",))
    with pytest.raises(Refused, match="sites run no code that the server names"):
        read(announced(settings), FedSettings())


def test_announced_settings_leave_a_site_its_own() -> None:
    mine = FedSettings(database=("samm",), au_init="mine", clients=1, repeats=1)
    theirs = FedSettings(database=("casme2",), rounds=7, algorithms=("fedavg",))
    heard = read(announced(theirs), mine)
    assert (heard.rounds, heard.algorithms) == (7, ("fedavg",))
    assert (heard.database, heard.au_init, heard.clients) == (("samm",), "mine", 1)
