"""Databases of noise instead of rendered faces."""

from dataclasses import replace

import numpy as np

from data.dataset import Dataset, fingerprint
from data.labels import CLASS_NAMES, EMOTIONS
from fedpsyau_jax.priors.action_units import ACTION_UNITS
from fedpsyau_jax.synthesis.labs import labs_named
from fedpsyau_jax.types import Examples

NUM_SUBJECTS, CLIPS_EACH, CLASSES = 8, 4, CLASS_NAMES[7]


def random_dataset(name: str, part: str | None, *_: object, **__: object) -> Dataset:
    """Two parts, as the synthetic database has them, of different people; or noise in the place of a real database."""
    if part is None:
        return random_copy(name)
    if part.startswith("labs-"):
        return random_labs(part)
    generator = np.random.default_rng(len(part))
    count = NUM_SUBJECTS * CLIPS_EACH
    subject = np.array([f"{part}{person:02d}" for person in range(NUM_SUBJECTS) for _ in range(CLIPS_EACH)])
    examples = Examples(
        flow=generator.random((count, 28, 28, 3), np.float32),
        patches=generator.random((count, 65, 5, 5, 3), np.float32),
        au=generator.integers(0, 2, (count, len(ACTION_UNITS))).astype(np.float32),
        au_mask=np.ones((count, len(ACTION_UNITS)), np.float32),
        emotion=np.arange(count) % len(CLASSES),
    )
    dataset = Dataset(
        name=f"{name}/{part}/0.0.0",
        examples=examples,
        subject=subject,
        clip=np.array([f"{who}_{index:02d}" for index, who in enumerate(subject)]),
        class_names=CLASSES,
        au_names=tuple(f"AU{number}" for number in ACTION_UNITS),
        synthetic=True,
        fingerprint="",
        metadata={"dropped": []},
        row=np.arange(count),
    )
    return replace(dataset, fingerprint=fingerprint(dataset))


def random_labs(part: str) -> Dataset:
    """Noise of the same people for every shift, which only moves the noise's level."""
    labs = labs_named(part)
    plain = random_dataset("synthetic", "federated")
    lab = np.arange(NUM_SUBJECTS) * labs.num_labs // NUM_SUBJECTS
    level = 0.3 * labs.shift.light * np.repeat(lab, CLIPS_EACH)[:, None, None, None] / labs.num_labs
    examples = plain.examples._replace(flow=(0.7 * plain.examples.flow + level).astype(np.float32))
    site = np.array([f"lab{number + 1}" for number in np.repeat(lab, CLIPS_EACH)])
    changed = replace(plain, name=f"synthetic/{part}/0.0.0", examples=examples, site=site)
    return replace(changed, fingerprint=fingerprint(changed))


def random_copy(name: str) -> Dataset:
    """Noise in the place of a real database: its own emotions, an AU that it does not label, subsets of dfme."""
    plain = random_dataset(name, f"{name}-all")
    generator = np.random.default_rng(list(name.encode()))
    mask = np.ones_like(plain.examples.au_mask)
    mask[:, len(name)] = 0
    changed = plain.examples._replace(flow=generator.random(plain.examples.flow.shape, np.float32), au_mask=mask)
    site = np.repeat(list("ABC"), (12, 12, 8)) if name == "dfme" else np.zeros(0, str)
    return replace(plain, examples=changed, class_names=EMOTIONS, synthetic=False, site=site)


def own_dataset() -> Dataset:
    """What a user might give as ``--database fed_on_random_data:own_dataset``: other people, three classes."""
    random = random_dataset("own", "mine")
    three = random.examples._replace(emotion=random.examples.emotion % 3)
    return replace(random, examples=three, class_names=CLASS_NAMES[3], synthetic=False, fingerprint="", metadata={})
