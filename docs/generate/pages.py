"""Pages that are made of the code: gallery, configuration, commands, reference."""

import ast

from docs.generate.notebooks import FOLDER, colab_address, repository
from docs.generate.scripts import NAMES, ROOT, cells, title
from sisr_jax.config import files
from sisr_jax.config.describe import keys

# The reference: page, its heading and the modules whose public names it has.
REFERENCE = {
    "physics": (
        "Physics",
        [
            "operators",
            "tomography",
            "ultrasound",
            "ultrasound.probes",
            "ultrasound.speckle",
            "ultrasound.side_information",
            "ultrasound.arrays",
            "ultrasound.sector_fit",
        ],
    ),
    "reconstruction": (
        "Reconstruction",
        [
            f"reconstruction.{name}"
            for name in (
                "conjugate_gradient",
                "data_consistency",
                "total_variation",
                "view_interpolation",
                "null_space",
                "recovered_views",
                "starts",
                "error_scale",
            )
        ],
    ),
    "inference": ("Inference", ["inference"]),
    "metrics": ("Metrics and losses", ["metrics", "losses"]),
    "learning": ("Degradation and networks", ["degradation", "models"]),
    "data": (
        "Images",
        [
            "data",
            *(
                f"image.{name}"
                for name in ("intensity", "padding", "patches", "resize", "shuffle")
            ),
            "types",
            "random",
        ],
    ),
}

# Pictures of the experiments that pages show, by their names there.
PICTURES = {
    "figures/learned_ct.png": "experiments/learned_ct/figure.png",
    "figures/error_vs_analytic.png": "experiments/ct_operators/error_vs_analytic.png",
    "figures/speed_vs_batch.png": "experiments/ct_operators/speed_vs_batch.png",
    "figures/baselines_us.png": "experiments/baselines/figure_us_x16.png",
}

# Whose docstring is its manual.
_COMMANDS = ("main", "enhance", "bundle", "export", "trust", "supervise")


def gallery() -> str:
    """All examples: text, code and picture, with links to Colab."""
    parts = [
        "# Gallery",
        "Each example is a script in `examples/` that runs on a laptop as it stands, "
        "and a notebook of the same cells. Nothing has to be downloaded.",
    ]
    place = repository()
    for name in NAMES:
        first, *rest = cells(name)
        text = first.source.split("\n", 1)[1].strip()
        parts += [f"## {title(name)}", text]
        parts += [f"![Picture that {name}.py draws](pictures/{name}.png)"]
        verb = "Open in" if place else "Upload to"
        parts += [
            f"[{verb} Colab]({colab_address(name, place)}) · `examples/{name}.py` · "
            f"`{FOLDER}/{name}.ipynb`"
        ]
        for cell in rest:
            code = f"```python\n{cell.source}\n```"
            parts.append(cell.source if cell.is_text else code)
    return "\n\n".join(parts) + "\n"


def configuration() -> str:
    """Every key of the configurations, section by section."""
    parts = [
        "# Configuration reference",
        "Values are those of `ct_srgan`; where a section has another `kind`, those of "
        "a configuration that has it. `python -m sisr_jax.config --config=NAME` prints "
        "the same for any configuration with your changes, and says what is wrong with "
        "it. Set a value with `--config.SECTION.KEY=VALUE`.",
    ]
    seen: set[str] = set()
    for name in ("ct_srgan", "ct_cascade", "us_srgan"):
        section = ""
        for key in keys(files.load(name).to_dict()):
            if (entry := f"{key.path}: {key.meaning} {key.kind}") in seen:
                continue
            seen.add(entry)
            if key.section != section:
                section = key.section
                of = "" if name == "ct_srgan" else f" of `{name}`"
                parts.append(f"## {section}{of}\n\n{key.about}\n\n{_HEAD}")
            row = f"`{key.name}`", f"`{key.value!r}`", key.kind, key.meaning
            parts[-1] += (
                f"\n| {' | '.join(each.replace('|', '&#124;') for each in row)} |"
            )
    return "\n\n".join(parts) + "\n"


_HEAD = "| key | value | what it may be | meaning |\n|---|---|---|---|"


def commands() -> str:
    """The manuals of the commands."""
    parts = [
        "# Commands",
        "`sisr-jax COMMAND` is `python -m sisr_jax.COMMAND`. Each has `--help`.",
    ]
    for name in _COMMANDS:
        module = ast.parse((ROOT / "sisr_jax" / f"{name}.py").read_text())
        parts.append(f"## {name}\n\n```text\n{ast.get_docstring(module)}\n```")
    return "\n\n".join(parts) + "\n"


def _reference(name: str) -> str:
    heading, modules = REFERENCE[name]
    parts = [f"# {heading}"]
    parts += [f"::: sisr_jax.{module}" for module in modules]
    return "\n\n".join(parts) + "\n"


PAGES = {
    "gallery.md": gallery,
    "configuration.md": configuration,
    "commands.md": commands,
} | {f"api/{name}.md": (lambda name=name: _reference(name)) for name in REFERENCE}
