"""The CSV of an experiment."""

import csv


def write_table(path, fields, rows):
    """Writes one line for each row, in the order of the fields."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
