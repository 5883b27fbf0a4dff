import inspect
import os
import sys
from pathlib import Path

import pytest

from sisr_jax.data.files import identity, list_files
from sisr_jax.errors import InputError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def names_of(listing, root):
    return [path.relative_to(root).as_posix() for path in listing.files]


def test_visible_files_are_sorted(tmp_path):
    touch(tmp_path, "b/2", "b/10", "a", ".hidden", ".git/objects", "b/.hidden/1")
    listing = list_files(tmp_path)
    assert names_of(listing, tmp_path) == ["a", "b/10", "b/2"]
    assert listing[1:] == ({}, [], {})


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_file_with_two_names_counts_once(tmp_path, link):
    touch(tmp_path, "b/image")
    link(tmp_path / "b/image", tmp_path / "c")
    link(tmp_path / "b/image", tmp_path / "a")
    listing = list_files(tmp_path)
    assert names_of(listing, tmp_path) == ["a"]
    names = {"b/image": "a", "c": "a"}
    assert listing.aliases == {tmp_path / k: tmp_path / v for k, v in names.items()}


def test_linked_folders_are_not_entered(tmp_path):
    touch(tmp_path, "a/1")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "a/back").symlink_to(tmp_path)
    assert names_of(list_files(tmp_path), tmp_path) == ["a/1"]


def test_links_that_cannot_be_followed_are_named(tmp_path):
    touch(tmp_path, "a.png")
    for name, target in (("gone", "none"), ("loop", "loop"), ("long", "x" * 300)):
        (tmp_path / f"{name}.png").symlink_to(target)
    listing = list_files(tmp_path)
    assert names_of(listing, tmp_path) == ["a.png"]
    lines = {path.stem: line for path, line in listing.problems.items()}
    assert sorted(lines) == ["gone", "long", "loop"]
    assert lines["gone"].endswith("gone.png: a link that leads nowhere")
    assert "long.png: cannot be opened (File name too long)" in lines["long"]


def test_names_that_cannot_be_printed(tmp_path):
    touch(tmp_path, "good\u00a0\u00e9.png", "two\nlines.png", "d\x1b[2J/a.png")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_bytes(b"x")
    listing = list_files(tmp_path)
    assert names_of(listing, tmp_path) == ["good\u00a0\u00e9.png"]
    assert len(listing.problems) == 3
    for line in listing.problems.values():
        assert "rename it" in line
        assert line.isprintable()
        line.encode()


def test_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "a/1", "b/2")
    scandir = os.scandir

    def refuse(folder):  # permissions do not bind the administrator
        if str(folder).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    listing = list_files(tmp_path)
    assert names_of(listing, tmp_path) == ["a/1"]
    line = f"{tmp_path}/b: folder cannot be read (Permission denied)"
    assert listing.unreadable == [line]


def test_folders_nest_deeper_than_python_recurses(tmp_path):
    deepest = tmp_path.joinpath(*["d"] * 200)
    deepest.mkdir(parents=True)
    (deepest / "image").write_bytes(b"x")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        listing = list_files(tmp_path)
    finally:
        sys.setrecursionlimit(limit)
    assert [path.name for path in listing.files] == ["image"]
    assert listing.unreadable == []


def test_identity_of_a_file_that_is_gone(tmp_path):
    with pytest.raises(InputError, match="gone: cannot be opened"):
        identity(tmp_path / "gone")


def test_drive_that_does_not_number_its_files(tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / name).write_text(name)
    (tmp_path / "c").symlink_to(tmp_path / "a")
    stat = Path.stat

    def unnumbered(self, **options):
        fields = list(stat(self, **options))
        fields[1] = 0  # st_ino
        return os.stat_result(fields)

    monkeypatch.setattr(Path, "stat", unnumbered)
    listing = list_files(tmp_path)
    assert [path.name for path in listing.files] == ["a", "b"]
    assert listing.aliases == {tmp_path / "c": tmp_path / "a"}
