"""Scores every baseline on real test images by both protocols, side by side.

    python -m experiments.baselines.run --data FOLDER [--ct-every 4]

FOLDER holds `ct/`, `us/` (PNG) and `manifest.csv` (columns file, split,
patient_id). Prints the tables and writes `per_image.csv`, `table.csv`, `table.md`
and three figures beside this file, in under an hour on two cores. `--ct-every 4` gives
what is slow on CT, the original's protocol and total variation, every fourth slice of
the test split only. Numbers found in `per_image.csv` are not measured again, so that a
run that was stopped goes on; `--fresh` measures everything.
"""

import argparse
import pathlib
from collections.abc import Sequence

from experiments.baselines.cases import config_of, measure, split_of
from sisr_jax.config import Config
from sisr_jax.data.sources import Source, Subset
from sisr_jax.evaluation.acquisition import acquisition
from sisr_jax.evaluation.baselines import (
    PRIMARY_BASELINE,
    Methods,
    methods_of,
    with_total_variation,
)
from sisr_jax.evaluation.figure import comparison_figure
from sisr_jax.evaluation.layout import (
    format_details,
    format_markdown,
    format_side_by_side,
)
from sisr_jax.evaluation.measures import ORDER
from sisr_jax.evaluation.protocol import Protocol, protocol_of
from sisr_jax.evaluation.scoring import HR, Evaluation
from sisr_jax.evaluation.table import (
    Row,
    Score,
    read_csv,
    summarise,
    write_csv,
    write_rows,
)
from sisr_jax.reconstruction.total_variation import Settings

HERE = pathlib.Path(__file__).parent
FACTORS = {"us": (16, 4), "ct": (16, 8, 4)}
# The best of `tuning.csv` for each factor, see tune.py.
TV = {
    factor: Settings(weight=weight, num_iterations=180, num_inner=10)
    for factor, weight in ((16, 1e-4), (8, 1e-5), (4, 3e-6))
}
# Grey levels of the figures: CT from -500 to 500 HU.
PRIMARY = {
    "ct": PRIMARY_BASELINE["sparse_view_ct"],
    "us": PRIMARY_BASELINE["lateral_decimation"],
}
DISPLAY = {"ct": (0.25, 0.75), "us": (0.0, 1.0)}
CREDIT = {
    "ct": "images: The Cancer Imaging Archive, CC BY 3.0 / 4.0",
    "us": "images: HC18 (CC BY 4.0) and POCUS (CC BY)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, default=HERE)
    parser.add_argument("--ct-every", type=int, default=1)
    parser.add_argument("--fresh", action="store_true")
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    arguments.output.mkdir(parents=True, exist_ok=True)
    report = Report(arguments.output, fresh=arguments.fresh)
    cases = [(modality, x) for modality, each in FACTORS.items() for x in each]
    for modality, factor in cases:
        _whole_split(report, config_of(data, modality, factor))
    for modality, factor in cases:
        config = config_of(data, modality, factor)
        if modality == "ct":
            iterative = with_total_variation(TV[factor])
            source = _thinned(config, arguments.ct_every)
            _iterate(report, config, source, iterative)
            _side_by_side(report, config, source, iterative)
        else:
            _side_by_side(report, config, split_of(config, "test"), methods_of)


class Report:
    """Everything measured so far, written again after every table."""

    def __init__(self, folder: pathlib.Path, *, fresh: bool) -> None:
        self._folder = folder
        self._text: list[str] = []
        self._rows: list[Row] = []
        known = folder / "per_image.csv"
        self._scores = [] if fresh or not known.exists() else _read(known)

    def scores(
        self, protocol: Protocol, source: Source, methods: Sequence[str]
    ) -> list[Score]:
        """What is known of some images by some methods, in the order of the images."""
        position = {source.name(i): i for i in range(len(source))}
        known = [
            score
            for score in self._scores
            if score.protocol == protocol.id
            and score.image in position
            and score.method in methods
        ]
        return sorted(known, key=lambda score: position[score.image])

    def keep(self, scores: Sequence[Score]) -> None:
        """Keeps scores that are not known yet; a patient has one number in a file."""
        known = {(*score[:2], score.protocol) for score in self._scores}
        patients = {score.image: score.patient for score in self._scores}
        self._scores += [
            score._replace(patient=patients.get(score.image, score.patient))
            for score in scores
            if (*score[:2], score.protocol) not in known
        ]
        write_csv(self._folder / "per_image.csv", self._scores)

    def add(self, title: str, protocol: Protocol, scores: Sequence[Score]) -> list[Row]:
        """A table by one protocol."""
        rows = summarise(scores, PRIMARY[protocol.modality])
        self._rows += rows
        tables = (protocol.describe(), format_markdown(rows), format_details(rows))
        self.say(f"## {title}\n\n" + "\n\n".join(map(str.rstrip, tables)))
        return rows

    def say(self, text: str) -> None:
        self._text.append(text)
        print(text, flush=True)
        write_rows(self._folder / "table.csv", self._rows)
        (self._folder / "table.md").write_text("\n\n".join(self._text) + "\n")

    def draw(self, name: str, protocol: Protocol, evaluation: Evaluation) -> None:
        rows, scores = evaluation.examples, evaluation.scores
        comparison_figure(
            self._folder / f"{name}.png",
            {name: rows[name] for name in dict.fromkeys(s.method for s in scores)},
            evaluation.examples[HR],
            title=f"{protocol.describe()}; {CREDIT[protocol.modality]}",
            display=DISPLAY[protocol.modality],
        )


def _read(path: pathlib.Path) -> list[Score]:
    """Known scores, their numbers in the order of tables."""
    return [
        score._replace(more={k: score.more[k] for k in ORDER if k in score.more})
        for score in read_csv(path)
    ]


def _whole_split(report: Report, config: Config) -> None:
    protocol, source = protocol_of(config), split_of(config, "test")
    scores = _score(report, config, protocol, source)
    title = f"{protocol.modality} x{protocol.factor}, all {len(source)} images"
    report.add(title, protocol, scores)


def _side_by_side(
    report: Report, config: Config, source: Source, methods: Methods
) -> None:
    physical, seed = protocol_of(config), protocol_of(config, "seed")
    scores = _score(report, config, seed, source, methods)
    title = f"{seed.modality} x{seed.factor}, {len(source)} images"
    rows = report.add(f"{title}, the original's protocol", seed, scores)
    others = report.scores(physical, source, [row.method for row in rows])
    table = format_side_by_side([summarise(others), rows]).rstrip()
    report.say(f"## {title}, both protocols\n\n{table}")


def _thinned(config: Config, every: int) -> Source:
    test = split_of(config, "test")
    return Subset(test, range(0, len(test), every))


def _iterate(report: Report, config: Config, source: Source, methods: Methods) -> None:
    protocol = protocol_of(config)
    scores = _score(report, config, protocol, source, methods)
    title = f"ct x{protocol.factor}, {len(source)} images, with total variation"
    report.add(title, protocol, scores)


def _score(
    report: Report,
    config: Config,
    protocol: Protocol,
    source: Source,
    methods: Methods = methods_of,
) -> list[Score]:
    """Scores of the report, measured unless they are there, and the figure of x16."""
    names = list(methods(acquisition(config, protocol)))
    if len(report.scores(protocol, source, names)) < len(names) * len(source):
        evaluation = measure(config, protocol, source, methods)
        report.keep(evaluation.scores)
        if protocol.factor == 16 and protocol.family == "physical":
            tv = "_tv" * (methods is not methods_of)
            report.draw(f"figure_{protocol.modality}_x16{tv}", protocol, evaluation)
    return report.scores(protocol, source, names)


if __name__ == "__main__":
    main()
