"""Presets: named settings of the commands. The first of each command is its default."""

from collections.abc import Mapping

from experiments.inputs.settings import AblateSettings, FedSettings, MerSettings, PretrainSettings

FED_PRESETS: Mapping[str, FedSettings] = {
    "quick": FedSettings(),
    "paper": FedSettings(
        rounds=40, local_epochs=50, batch=32, repeats=10, learning_rate=1e-5, warmup_epochs=10, head_scale=1.0
    ),
    "released": FedSettings(
        database=("casme2", "samm", "casme3"),
        client_by="database",
        classes=3,
        mu=(0.01, 0.001, 0.01),
        proximal="released",
        split="examples",
        rounds=40,
        local_epochs=50,
        batch=32,
        repeats=10,
        learning_rate=1e-5,
        warmup_epochs=10,
        head_scale=1.0,
    ),
}
MER_PRESETS: Mapping[str, MerSettings] = {
    "quick": MerSettings(),
    "paper": MerSettings(
        folds=10,
        au="finetuned",
        epochs=30,
        batch=256,
        learning_rate=5e-5,
        slow_modules=False,
        head_scale=1.0,
        augment=True,
        prior_schedule="decay",
    ),
}
ABLATE_PRESETS: Mapping[str, AblateSettings] = {"quick": AblateSettings()}
PRETRAIN_PRESETS: Mapping[str, PretrainSettings] = {"quick": PretrainSettings()}
