"""The end of a run: table, per-image CSV and figure on the images of a split."""

import dataclasses
import sys

import jax
from etils import epath

from sisr_jax.checkpoints.restore import CheckpointError, CheckpointReader
from sisr_jax.config import Config
from sisr_jax.config.kept import read_config
from sisr_jax.data.sources import fingerprint, open_source
from sisr_jax.data.splits import Split
from sisr_jax.degradation import modality_of
from sisr_jax.evaluation.display import display_of
from sisr_jax.evaluation.figure import comparison_figure
from sisr_jax.evaluation.layout import format_details, format_markdown, format_table
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.scoring import (
    DEGRADED,
    HR,
    Evaluation,
    score_split,
)
from sisr_jax.evaluation.table import summarise, write_csv, write_rows
from sisr_jax.hosts import agreement
from sisr_jax.hosts.mesh import make_mesh
from sisr_jax.inference import Weights, averaged_weights
from sisr_jax.run.restored_images import RestoredImages
from sisr_jax.run.workdir import evaluation_folder, note_run
from sisr_jax.storage.files import names_in, write_whole
from sisr_jax.train import phases
from sisr_jax.train.state import TrainState
from sisr_jax.train.task import abstract_state, build_task, state_sharding


def report(
    config: Config,
    workdir: epath.Path,
    split: Split = "test",
    *,
    output: epath.Path | None = None,
    save_images: bool = False,
) -> str | None:
    """Evaluates the newest checkpoint of a working folder on a split.

    Beside the baselines stand the generator as trained on pixels alone (the checkpoint
    before the adversarial phase) and, once that phase has begun, the adversarially
    trained one, under the `names` of `config.generator`: `SRResNet` and `SRGAN`.

    Args:
        config: Configuration of the run, or one with other images.
        workdir: Its working folder; files go to `evaluation/step_N/`, and of other
            images or another split to a folder beside it.
        split: Images to score.
        output: Folder instead of `evaluation`; then nothing is written to `workdir`.
        save_images: Also write every restored image, see `restored_images`.

    Returns:
        The text to print: protocol, table and paths; None on all processes of a run
        but the first, which alone writes the files.

    Raises:
        CheckpointError: If there is no checkpoint.
    """
    mesh, task = make_mesh(model=config.mesh.model), build_task(config)
    own = build_task(dataclasses.replace(read_config(workdir), mesh=config.mesh))
    target = abstract_state(own, state_sharding(own, mesh))
    source = open_source(config.data, split, seed=config.seed)
    step, generators = _generators(config, workdir, target)

    def claim() -> epath.Path:
        images = fingerprint(source)
        place = evaluation_folder(workdir, step, config, split, images, output=output)
        if output is not None:
            note_run(place, workdir)
        return place

    folder = agreement.first_alone(claim)
    save = None
    if save_images:
        save = RestoredImages(folder, list(generators), config.data.window).save
    if agreement.is_first():
        print(f"scoring {len(source)} images of the {split} split", file=sys.stderr)
    evaluation = score_split(
        task,
        generators,
        source,
        mesh,
        key=jax.random.key(config.seed),
        num_examples=config.evaluation.num_figure,
        save=save,
    )

    def write() -> str:
        assert folder is not None, "the first process has one"
        text = _write(config, folder, split, list(generators), evaluation)
        return f"{text}\n{_places(workdir)}"

    return agreement.first_alone(write)


def _write(
    config: Config,
    folder: epath.Path,
    split: Split,
    methods: list[str],
    evaluation: Evaluation,
) -> str:
    baseline = modality_of(config).baselines(config).primary
    rows = summarise(evaluation.scores, reference=baseline)
    write_csv(folder / "per_image.csv", evaluation.scores)
    write_rows(folder / "table.csv", rows)
    protocol = _protocol(config, split)
    write_whole(
        folder / "table.md",
        f"{protocol}\n\n{format_markdown(rows)}\n{format_details(rows)}",
    )
    path = folder / "figure.png"
    _draw(config, evaluation, [baseline, *methods], path, title=protocol)
    return "\n".join(
        [
            "",
            protocol,
            "",
            format_table(rows),
            "",
            f"figure       {path}",
            f"per image    {folder / 'per_image.csv'}",
        ]
    )


def _places(workdir: epath.Path) -> str:
    return (
        f"checkpoints  {workdir / 'checkpoints'}\n"
        f"logs         {workdir / 'metrics.jsonl'}, {workdir / 'tensorboard'}"
    )


def _generators(
    config: Config, workdir: epath.Path, target: TrainState
) -> tuple[int, dict[str, Weights]]:
    if not names_in(workdir / "checkpoints"):
        raise CheckpointError(f"workdir {workdir}: there is no checkpoint to evaluate")
    reader = CheckpointReader(workdir)
    try:
        state = reader.restore_newest(target)
        if state is None:
            raise CheckpointError(f"workdir {workdir}: no complete checkpoint yet")
        step = int(state.step)
        start = phases.adversarial_start(config.phases)
        plain, adversarial = config.generator.names
        if start is None or step <= start:
            return step, {plain: averaged_weights(state)}
        before = reader.restore(start, target)
        return step, {
            plain: averaged_weights(before),
            adversarial: averaged_weights(state),
        }
    finally:
        reader.close()


def _draw(
    config: Config,
    evaluation: Evaluation,
    methods: list[str],
    path: epath.Path,
    *,
    title: str,
) -> None:
    examples = evaluation.examples
    comparison_figure(
        path,
        {name: examples[name] for name in (DEGRADED, *methods)},
        examples[HR],
        title=title,
        display=display_of(protocol_of(config)),
        equalise=config.evaluation.equalise_figure,
    )


def _protocol(config: Config, split: Split) -> str:
    """What the numbers were measured on and how, in one line."""
    return f"{config.data.source} {split} split, {protocol_of(config).describe()}"
