"""What `python -m mkdocs` calls: generated pages, and tables and pictures in others."""

from typing import Any

from mkdocs.structure.files import File, Files

from docs.generate.pages import PAGES, PICTURES
from docs.generate.scripts import ROOT
from docs.generate.tables import filled


def on_files(files: Files, config: Any) -> Files:
    """Adds what is generated, and what is shown of the experiments."""
    for uri, make in PAGES.items():
        files.append(File.generated(config, uri, content=make()))
    for uri, source in PICTURES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fills in the tables."""
    return filled(markdown)
