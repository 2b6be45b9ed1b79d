"""Who trains and tests on what: the subjects of a database dealt to clients, repeat by repeat."""

import numpy as np

from data.dataset import Dataset
from experiments.inputs.configs import FedSettings
from experiments.training.federation import Federation
from fedpsyau_jax.splits.clients import ClientSplit, by_example, by_subject, pooled_split, split_clients
from fedpsyau_jax.types import Int

SPLITS = {"subjects": by_subject, "examples": by_example}


def repeated_splits(settings: FedSettings, dataset: Dataset) -> list[list[ClientSplit]]:
    """[repeats][clients] over the labelled examples, each repeat with its own randomness, however many there are."""
    labelled = np.flatnonzero(dataset.examples.emotion >= 0)
    splits = []
    for repeat in range(settings.repeats):
        generator = np.random.default_rng([settings.seed, repeat])
        subjects = dataset.subject[labelled]
        clients = split_clients(subjects, settings.clients, settings.train_share, generator, SPLITS[settings.split])
        splits.append([c._replace(train=labelled[c.train], test=labelled[c.test]) for c in clients])
    return splits


def federations(
    settings: FedSettings, splits: list[list[ClientSplit]], begins: Int[np.ndarray, "priors repeats"]
) -> list[Federation]:
    """The algorithms on the clients; centralised training, if asked for, on one client of its own."""
    exchanging = tuple(name for name in settings.algorithms if name != "centralised")
    priors = settings.network.prior, begins.tolist()
    found = [Federation(exchanging, splits, tuple(map(str, range(settings.clients))), *priors)] if exchanging else []
    if "centralised" in settings.algorithms:
        pooled = [[pooled_split(clients)] for clients in splits]
        found.append(Federation(("centralised",), pooled, ("all",), *priors))
    return found


def warnings(splits: list[list[ClientSplit]], dataset: Dataset) -> list[str]:
    """Sentences about clients that lack a class or have few examples to train on."""
    emotion = dataset.examples.emotion
    lacking, small = [], []
    for repeat, clients in enumerate(splits):
        for number, client in enumerate(clients):
            counts = np.bincount(emotion[client.train], minlength=len(dataset.class_names))
            if missing := [name for name, count in zip(dataset.class_names, counts, strict=True) if not count]:
                lacking.append(f"{' and '.join(missing)} (repeat {repeat}, client {number})")
            if len(client.train) < 2 * len(dataset.class_names):
                small.append(f"{len(client.train)} (repeat {repeat}, client {number})")
    sentences = []
    if lacking:
        sentences.append(f"clients without a class in their training examples: {'; '.join(lacking)}.")
    if small:
        sentences.append(f"clients with few training examples: {'; '.join(small)}.")
    return sentences
