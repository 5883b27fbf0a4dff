"""Files are whole or absent, folders are moved, on a disk and in a bucket alike."""

import errno
import os
import stat

import pytest
from etils import epath

from sisr_jax.errors import InputError, StorageError
from sisr_jax.storage import failures, files, upload_buffer
from sisr_jax.storage.files import (
    absolute,
    append,
    is_unfinished,
    move_folder,
    names_in,
    write_whole,
)
from sisr_jax.storage.folder import check_writable, open_folder
from sisr_jax.storage.upload_buffer import UploadBuffer


def test_file_is_written_replaced_and_alone(folder):
    path = folder / "deep" / "table.csv"
    write_whole(path, b"old")
    write_whole(path, "new\n")
    assert path.read_text() == "new\n"
    assert names_in(path.parent) == ["table.csv"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_never_replaced(tmp_path, make):
    make(tmp_path / "a")
    before = os.lstat(tmp_path / "a").st_ino
    with pytest.raises(InputError, match="/a: a folder, pipe, device or broken link"):
        write_whole(epath.Path(tmp_path / "a"), b"new")
    assert os.lstat(tmp_path / "a").st_ino == before
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_to_itself_is_no_folder(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match=f"{tmp_path}/a: a link to itself"):
        names_in(epath.Path(tmp_path / "a"))


def test_a_name_that_no_folder_can_have(tmp_path):
    with pytest.raises(InputError, match="nnn: File name too long"):
        names_in(epath.Path(tmp_path / ("n" * 300)))


def test_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = epath.Path(tmp_path / "table.csv")
    write_whole(path, "old")

    def write_half(self, data):
        with open(self, "wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(type(path), "write_bytes", write_half)
    message = r"table\.csv: writing failed: No space left on device"
    with pytest.raises(StorageError, match=message):
        write_whole(path, "new and longer")
    assert path.read_text() == "old"
    assert names_in(path.parent) == ["table.csv"]


def test_content_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    path, synced = epath.Path(tmp_path / "table.csv"), []
    write_whole(path, "old")

    def fsync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append((is_folder, path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(path, "new")
    assert synced == [(False, "old"), (True, "new")]


def test_what_is_appended_is_on_the_disk(tmp_path, monkeypatch):
    path, synced = epath.Path(tmp_path / "table.csv"), []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_text()))
    append(path, "a\n")
    append(path, "\N{LATIN SMALL LETTER U WITH DIAERESIS}\n")
    assert synced == ["a\n", "a\n\N{LATIN SMALL LETTER U WITH DIAERESIS}\n"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder: a folder, pipe"):
        append(epath.Path(tmp_path / "folder"), "a")


def test_what_a_kill_leaves_is_known(tmp_path, monkeypatch):
    """Of any file, by the name that it has until it is complete."""
    seen = []
    monkeypatch.setattr(files, "sync", lambda path: seen.append(path.name))
    for name in ("run.json", "a.b\n.png", ".hidden"):
        write_whole(epath.Path(tmp_path / name), "")
        assert is_unfinished(seen[-2])
        assert not is_unfinished(name)


def test_moved_folder_is_whole_and_gone_from_its_place(folder):
    for name in ("a", "b/c", "b/d/e"):
        write_whole(folder / "8" / name, name)
    write_whole(folder / "80", "another")
    target = folder / "damaged" / "8-0"
    move_folder(folder / "8", target)
    assert names_in(folder) == ["80", "damaged"]
    for name in ("a", "b/c", "b/d/e"):
        assert (target / name).read_text() == name


def test_names_in_no_folder(folder):
    assert names_in(folder) == []


def test_absolute_path_of_a_bucket_is_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(absolute(epath.Path("gs://bucket/run"))) == "gs://bucket/run"
    assert str(absolute(epath.Path("run"))) == str(tmp_path / "run")


def test_growing_file_is_published_and_goes_on(folder):
    records = UploadBuffer(folder)
    with records.fetch("metrics.jsonl").open("a") as file:
        file.write("1\n")
        file.flush()
        records.publish()
        assert (folder / "metrics.jsonl").read_text() == "1\n"
        file.write("2\n")
    records.close()
    assert (folder / "metrics.jsonl").read_text() == "1\n2\n"

    again = UploadBuffer(folder)
    path = again.fetch("metrics.jsonl")
    path.write_text("1\n9\n")  # cut off and written again, to the same length
    again.close()
    assert (folder / "metrics.jsonl").read_text() == "1\n9\n"


def test_what_is_published_on_a_disk_is_on_it(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(upload_buffer, "sync", lambda path: synced.append(str(path)))
    (tmp_path / "metrics.jsonl").write_text("1\n")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "elsewhere").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for ever
    records = UploadBuffer(epath.Path(tmp_path))
    records.publish()
    records.publish()
    assert synced == [str(tmp_path / "metrics.jsonl"), str(tmp_path)]


def test_upload_buffer_leaves_no_temporary_folder(folder):
    records = UploadBuffer(folder)
    write_whole(records.folder / "events", "1")
    temporary = records.folder
    records.close()
    assert temporary == folder or not temporary.exists()


def test_check_of_a_writable_folder_leaves_nothing(folder):
    check_writable(folder, "workdir")
    assert names_in(folder) == []


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("s3://bucket/run", r"--workdir = 's3://bucket/run': expected a local folder"),
        ("gs://", r"--workdir = 'gs://': expected gs://BUCKET/FOLDER"),
        ("gs:///run", r"expected gs://BUCKET/FOLDER"),
        ("runs/\udcff", r"--workdir = 'runs/\\udcff': not UTF-8"),
    ],
)
def test_location_of_another_kind(location, message):
    with pytest.raises(InputError, match=message):
        open_folder(location, "--workdir")


def test_bucket_without_gcsfs(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install gcsfs"):
        open_folder("gs://bucket/run", "--workdir")


class _HttpError(Exception):
    """As gcsfs reports a refusal."""

    code = 403


_HttpError.__module__ = "gcsfs.retry"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), StorageError),
        (ConnectionResetError(errno.ECONNRESET, "reset"), StorageError),
        (TimeoutError(), StorageError),
        (PermissionError(errno.EACCES, "Permission denied"), InputError),
        (OSError(errno.EROFS, "Read-only file system"), InputError),
        (FileNotFoundError("https://host/b/bucket"), InputError),
        (OSError("Forbidden: https://host/b/bucket\nno access"), InputError),
        (ValueError("Bad Request: b/b_\ninvalid bucket name"), InputError),
        (_HttpError("no access"), InputError),
    ],
)
def test_what_passes_and_what_does_not(error, kind):
    message = r"^workdir: writing failed: .+"
    with (
        pytest.raises(kind, match=message) as caught,
        failures.refusing("workdir: writing"),
    ):
        raise error
    assert "\n" not in str(caught.value)
    with pytest.raises(StorageError), failures.reporting("workdir: writing"):
        raise error


def test_the_reason_of_tensorstore_is_that_of_the_system():
    error = ValueError(
        'RESOURCE_EXHAUSTED: Error writing local file "run/checkpoints/4/x.__lock": '
        "Failed to write 6965 bytes to file 6: No space left on device "
        "[os_error_code='28'] [source locations='tensorstore/kvstore/file.cc:1']"
    )
    failed = failures.failure("run/checkpoints: saving", error)
    assert str(failed) == "run/checkpoints: saving failed: No space left on device"


@pytest.mark.parametrize("module", ["builtins", "google.protobuf.message"])
def test_other_errors_are_not_hidden(module):
    mistake = type("DecodeError", (Exception,), {"__module__": module})
    with pytest.raises(mistake), failures.reporting("workdir: writing"):
        raise mistake("a mistake in the program")


def test_errors_of_google_s_credentials_are_the_storage_s():
    refused = type(
        "RefreshError", (Exception,), {"__module__": "google.auth.exceptions"}
    )
    with pytest.raises(StorageError), failures.reporting("workdir: writing"):
        raise refused("no credentials")
