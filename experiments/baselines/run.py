"""Scores every baseline on real test images by both protocols, side by side.

    python -m experiments.baselines.run --data FOLDER [--ct-images 13] [--us-images 48]

FOLDER holds `ct/`, `us/` (PNG) and `manifest.csv` (columns file, split,
patient_id). Prints the tables and writes `per_image.csv`, `table.csv`, `table.md`
and two figures beside this file. Total variation is iterative, so it gets a table of
its own on every fourth slice, with all others. Its weight comes from `--tune`, which
tries some on two slices of the train split and writes nothing.
"""

import argparse
import dataclasses
import pathlib

from configs import ct_srresnet, us_srresnet
from sisr_jax.config import Config, parse
from sisr_jax.data.sources import Source, Subset, open_source, spread
from sisr_jax.data.splits import Split
from sisr_jax.evaluation.baselines import PRIMARY_BASELINE, with_total_variation
from sisr_jax.evaluation.figure import comparison_figure
from sisr_jax.evaluation.layout import (
    format_details,
    format_markdown,
    format_side_by_side,
    format_table,
)
from sisr_jax.evaluation.protocol import Protocol, protocol_of
from sisr_jax.evaluation.scoring import HR, Evaluation, score_protocol
from sisr_jax.evaluation.table import Row, summarise, write_csv, write_rows
from sisr_jax.evaluation.total_variation import Settings
from sisr_jax.parallel import make_mesh

HERE = pathlib.Path(__file__).parent
FACTORS = {"us": (16, 4), "ct": (16, 8, 4)}
CONFIGS = {"ct": ct_srresnet, "us": us_srresnet}
# The weight of `--tune` at x16.
TV = Settings(weight=1e-4, num_iterations=60, num_inner=10)
TUNED = (3e-5, 1e-4, 3e-4, 1e-3)
NUM_EXAMPLES = 4
# Grey levels of the figures: CT from -500 to 500 HU.
DISPLAY = {"ct": (0.25, 0.75), "us": (0.0, 1.0)}
CREDIT = {
    "ct": "images: The Cancer Imaging Archive, CC BY 3.0 / 4.0",
    "us": "images: HC18 (CC BY 4.0) and POCUS (CC BY)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, default=HERE)
    # Evenly spread over the test split; 0 is all of it.
    parser.add_argument("--ct-images", type=int, default=0)
    parser.add_argument("--us-images", type=int, default=0)
    parser.add_argument("--tv-every", type=int, default=4)
    parser.add_argument("--tune", action="store_true")
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    if arguments.tune:
        _tune(_config(data, "ct", 16))
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    report = Report(arguments.output)
    counts = {"ct": arguments.ct_images, "us": arguments.us_images}
    for modality, factors in FACTORS.items():
        for factor in factors:
            config = _config(data, modality, factor)
            _compare(report, config, spread(_split(config, "test"), counts[modality]))
    for factor in FACTORS["ct"]:
        _iterate(report, _config(data, "ct", factor), arguments.tv_every)


class Report:
    """Everything measured so far, written again after every table."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._scores, self._rows, self._text = [], [], []

    def add(self, title: str, results: list[tuple[Protocol, Evaluation]]) -> None:
        modality = results[0][0].modality
        kind = {"ct": "sparse_view_ct", "us": "lateral_decimation"}[modality]
        groups: list[list[Row]] = []
        for _, evaluation in results:
            groups.append(summarise(evaluation.scores, PRIMARY_BASELINE[kind]))
            self._scores += evaluation.scores
            self._rows += groups[-1]
        parts = [f"## {title}", format_side_by_side(groups).rstrip()]
        for (protocol, _), rows in zip(results, groups, strict=True):
            parts.append(protocol.describe())
            parts.append(format_markdown(rows).rstrip())
            parts.append(format_details(rows).rstrip())
        self._text.append("\n\n".join(parts))
        print(self._text[-1], flush=True)
        write_csv(self._folder / "per_image.csv", self._scores)
        write_rows(self._folder / "table.csv", self._rows)
        (self._folder / "table.md").write_text("\n\n".join(self._text) + "\n")

    def draw(self, name: str, protocol: Protocol, evaluation: Evaluation) -> None:
        rows = {k: v for k, v in evaluation.examples.items() if k != HR}
        comparison_figure(
            self._folder / f"{name}.png",
            {score.method: rows[score.method] for score in evaluation.scores},
            evaluation.examples[HR],
            title=f"{protocol.describe()}; {CREDIT[protocol.modality]}",
            display=DISPLAY[protocol.modality],
        )


def _config(data: pathlib.Path, modality: str, factor: int) -> Config:
    values = CONFIGS[modality].get_config()
    values.data.source = "folder"
    values.data.path = str(data / modality)
    values.data.splits_csv = str(data / "manifest.csv")
    values.degradation.factor = factor
    values.evaluation.batch_size = 8
    return parse(values.to_dict())


def _split(config: Config, split: Split) -> Source:
    return open_source(config.data, split, seed=config.seed)


def _compare(report: Report, config: Config, source: Source) -> None:
    results = []
    for family in ("physical", "seed"):
        protocol = protocol_of(config, family)
        evaluation = score_protocol(
            config, protocol, source, make_mesh(), num_examples=NUM_EXAMPLES
        )
        results.append((protocol, evaluation))
    modality, factor = results[0][0].modality, config.degradation.factor
    report.add(f"{modality} x{factor}, {len(source)} images", results)
    if factor == 16:
        report.draw(f"figure_{modality}_x16", *results[0])


def _iterate(report: Report, config: Config, every: int) -> None:
    test = _split(config, "test")
    source = Subset(test, range(0, len(test), every))
    protocol, evaluation = _total_variation(config, source, TV)
    factor = config.degradation.factor
    title = f"ct x{factor}, every {every}th slice, with total variation"
    report.add(title, [(protocol, evaluation)])
    if factor == 16:
        report.draw("figure_ct_x16_tv", protocol, evaluation)


def _tune(config: Config) -> None:
    source = spread(_split(config, "train"), 2)
    for weight in TUNED:
        settings = TV._replace(weight=weight)
        _, evaluation = _total_variation(config, source, settings)
        print(format_table(summarise(evaluation.scores[-len(source) :])), flush=True)


def _total_variation(
    config: Config, source: Source, settings: Settings
) -> tuple[Protocol, Evaluation]:
    size = min(len(source), config.evaluation.batch_size)
    evaluation = dataclasses.replace(config.evaluation, batch_size=size)
    config = dataclasses.replace(config, evaluation=evaluation)
    protocol = protocol_of(config)
    return protocol, score_protocol(
        config,
        protocol,
        source,
        make_mesh(),
        methods=with_total_variation(settings),
        num_examples=min(NUM_EXAMPLES, len(source)),
    )


if __name__ == "__main__":
    main()
