"""Scores every baseline on real test images by both protocols, side by side.

    python -m experiments.baselines.run --data FOLDER

FOLDER holds `ct/`, `us/` (PNG) and `manifest.csv` (columns file, split,
patient_id). Prints the tables and writes `per_image.csv`, `table.csv`, `table.md`
and two figures beside this file. Numbers found in `per_image.csv` are not measured
again, so that a run that was stopped goes on; `--fresh` measures everything, and
`--only ct 16` one task, for a run in parts.
"""

import argparse
import pathlib
from collections.abc import Sequence

from experiments.baselines.cases import config_of, measure, split_of
from sisr_jax.config import Config
from sisr_jax.data.sources import Source
from sisr_jax.degradation import modality_of
from sisr_jax.evaluation.display import display_of
from sisr_jax.evaluation.figure import comparison_figure
from sisr_jax.evaluation.layout import (
    format_details,
    format_markdown,
    format_side_by_side,
)
from sisr_jax.evaluation.measures import ORDER
from sisr_jax.evaluation.protocol import Family, Protocol, protocol_of
from sisr_jax.evaluation.protocol import config_of as as_measured
from sisr_jax.evaluation.scoring import HR, Evaluation
from sisr_jax.evaluation.table import (
    Row,
    Score,
    read_csv,
    summarise,
    write_csv,
    write_rows,
)

HERE = pathlib.Path(__file__).parent
FACTORS = {"us": (16, 4), "ct": (16, 8, 4)}
FAMILIES: tuple[Family, ...] = ("physical", "original")
CREDIT = {
    "ct": "images: The Cancer Imaging Archive, CC BY 3.0 / 4.0",
    "us": "images: HC18 (CC BY 4.0) and POCUS (CC BY)",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, default=HERE)
    parser.add_argument("--only", nargs=2, metavar=("MODALITY", "FACTOR"))
    parser.add_argument("--fresh", action="store_true")
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    arguments.output.mkdir(parents=True, exist_ok=True)
    report = Report(arguments.output, fresh=arguments.fresh)
    cases = [(modality, x) for modality, each in FACTORS.items() for x in each]
    if arguments.only:
        cases = [(arguments.only[0], int(arguments.only[1]))]
    for modality, factor in cases:
        config = config_of(data, modality, factor)
        tables = [_table(report, config, family) for family in FAMILIES]
        side_by_side = format_side_by_side(tables).rstrip()
        report.say(f"## {modality} x{factor}, both protocols\n\n{side_by_side}")


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
        rows = summarise(scores, scores[-1].method)
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
            display=display_of(protocol),
        )


def _read(path: pathlib.Path) -> list[Score]:
    """Known scores, their numbers in the order of tables."""
    return [
        score._replace(more={k: score.more[k] for k in ORDER if k in score.more})
        for score in read_csv(path)
    ]


def _table(report: Report, config: Config, family: Family) -> list[Row]:
    protocol, source = protocol_of(config, family), split_of(config, "test")
    scores = _score(report, config, family, source)
    title = f"{protocol.modality} x{protocol.factor}, {len(source)} images"
    return report.add(f"{title}, {family}", protocol, scores)


def _score(
    report: Report, config: Config, family: Family, source: Source
) -> list[Score]:
    """Scores of the report, measured unless they are there, and the figure of x16."""
    protocol, adapted = protocol_of(config, family), as_measured(config, family)
    names = modality_of(adapted).baselines(adapted).names
    if len(report.scores(protocol, source, names)) < len(names) * len(source):
        evaluation = measure(config, family, source)
        report.keep(evaluation.scores)
        if protocol.factor == 16 and family == "physical":
            report.draw(f"figure_{protocol.modality}_x16", protocol, evaluation)
    return report.scores(protocol, source, names)


if __name__ == "__main__":
    main()
