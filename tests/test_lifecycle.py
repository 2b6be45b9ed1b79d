"""The life of a command: a new run, an interrupted one, a mistake; its folder and its exit status."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from experiments.ablate import ABLATE
from experiments.inputs.checks import check_fed, check_pretrain
from experiments.inputs.presets import FED_PRESETS, PRETRAIN_PRESETS
from experiments.inputs.settings import FedSettings
from experiments.run import lifecycle
from experiments.run.lifecycle import INTERRUPTED, MISTAKE, Command, Run, exit_status

FED = Command("fed", FED_PRESETS, check_fed, "Compare federated algorithms.", "Defaults: quick or paper.")
PRETRAIN = Command("pretrain", PRETRAIN_PRESETS, check_pretrain)
CONTENT = ["config.json"]


class Recorder:
    """What a command trains: remembers how it was called."""

    def __init__(self, error: BaseException | None = None, begins: bool = False) -> None:
        self.calls: list[tuple[Any, Run]] = []
        self.error = error
        self.begins = begins

    def __call__(self, settings: Any, run: Run) -> int:
        self.calls.append((settings, run))
        if self.begins:
            run.folder.write_json("data.json", {})
        if self.error:
            raise self.error
        return 0


def status(arguments: Sequence[str], recorder: Recorder, command: Command[Any] = FED) -> int:
    return exit_status(lambda: lifecycle.main(command, arguments, recorder))


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "cache_compilations", lambda: None)


def test_a_new_run_and_its_continuation_have_the_same_settings(tmp_path: Path) -> None:
    recorder, place = Recorder(), tmp_path / "run"
    options = ["--preset=paper", "--mu", "0.1", f"--output={place}", "--data-dir=data", "--manual-dir", "mine"]
    assert status(options, recorder) == 0
    assert status([f"--resume={place}", "--data-dir=elsewhere"], recorder) == 0
    (settings, first), (again, second) = recorder.calls
    assert settings == again
    assert (settings.rounds, settings.mu) == (40, (0.1,))
    assert (first.new, second.new) == (True, False)
    assert (first.data_dir, first.manual_dir) == (Path("data"), ("mine",))
    assert (second.data_dir, second.manual_dir) == (Path("elsewhere"), ())
    assert first.folder == second.folder
    assert first.folder.read_json("config.json")["command"].startswith("python -m experiments.fed --preset=paper --mu")
    assert lifecycle.settings_of(first.folder, FED) == settings


def test_a_command_with_one_preset_and_several_databases(tmp_path: Path) -> None:
    recorder = Recorder()
    copies = ["--manual-dir", "disfa=a", "samm=b"]
    assert status(["--databases", "disfa", "samm", *copies, f"--output={tmp_path / 'run'}"], recorder, PRETRAIN) == 0
    ((settings, run),) = recorder.calls
    assert settings.databases == ("disfa", "samm")
    assert run.manual_dir == ("disfa=a", "samm=b")
    with pytest.raises(ValueError, match=r"^unknown option --preset"):
        lifecycle.main(PRETRAIN, ["--preset=quick"], recorder)


def test_by_default_a_run_is_named_by_its_command_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert status([], Recorder()) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("fed-20")


@pytest.mark.parametrize(("begins", "left"), [(False, None), (True, ["config.json", "data.json"])])
@pytest.mark.parametrize("error", [ValueError("no data"), OSError("no data")])
def test_a_folder_is_deleted_if_nothing_started(
    tmp_path: Path, begins: bool, left: list[str] | None, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "run"
    assert status([f"--output={place}"], Recorder(error, begins)) == MISTAKE
    assert capsys.readouterr().err == "Error: no data\n"
    assert (sorted(path.name for path in place.iterdir()) if place.exists() else None) == left


def test_an_interrupted_run_keeps_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "run"
    assert status([f"--output={place}"], Recorder(KeyboardInterrupt())) == INTERRUPTED
    assert capsys.readouterr().err == "Interrupted.\n"
    assert [path.name for path in place.iterdir()] == CONTENT
    assert status([f"--resume={place}"], Recorder(ValueError("no data"))) == MISTAKE
    assert [path.name for path in place.iterdir()] == CONTENT


def test_a_mistake_of_the_package_is_no_sentence(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        status([f"--output={tmp_path / 'run'}"], Recorder(RuntimeError()))


MISTAKES = {
    "unknown preset": (["--preset=fast"], "--preset=fast: choose one of quick, paper, released"),
    "a preset without name": (["--preset"], "--preset=: choose one of quick, paper, released"),
    "settings that cannot be run": (["--rounds=0"], "--rounds=0: it must be at least 1"),
    "resume with settings": (["--resume=x", "--rounds=9"], "leave out all others, except the data's folders"),
    "resume with a preset": (["--resume=x", "--preset", "paper"], "leave out all others"),
    "resume into a folder": (["--resume=x", "--output=y"], "leave out all others"),
    "resume of nothing": (["--resume=x"], "There is no run folder x; give the folder that an earlier run wrote."),
    "unknown option": (["--cleints=5"], "unknown option --cleints: did you mean --clients?"),
}


@pytest.mark.parametrize(("options", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    recorder = Recorder()
    assert status(options, recorder) == MISTAKE
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("Error: ")
    assert said in sentence
    assert not recorder.calls
    assert not list(tmp_path.iterdir())


def test_an_existing_output_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").write_text("mine")
    assert status([f"--output={tmp_path}"], Recorder()) == MISTAKE
    assert f"{tmp_path} exists already; choose another with --output, or --resume" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_an_unwritable_output_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert status([f"--output={tmp_path / 'file' / 'run'}"], Recorder()) == MISTAKE
    assert "file/run cannot be written" in capsys.readouterr().err


def test_devices_are_asked_for_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    monkeypatch.setattr(lifecycle, "use_devices", counts.append)
    assert status(["--devices=5", f"--output={tmp_path / 'run'}"], Recorder()) == 0
    assert counts == [5]


def test_help_lists_settings_and_folders(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        lifecycle.main(FED, ["--help"], Recorder())
    shown = capsys.readouterr().out
    presets = "--preset {quick,paper,released}"
    for text in ("Compare federated algorithms.", presets, "--network.variant", "--resume", "--sweep"):
        assert text in shown


def test_the_help_of_an_ablation_offers_its_variants_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        lifecycle.main(ABLATE, ["--help"], Recorder())
    shown = capsys.readouterr().out
    assert "--variants" in shown
    assert "--network.variant" not in shown


def test_the_options_of_a_command_are_a_class() -> None:
    kind = lifecycle.options_of(FED)
    assert kind().settings == FedSettings()
    assert kind().preset == "quick"
