import pytest

from sisr_jax.data.formats.readers import check_file, find_reader


@pytest.mark.parametrize(
    "name",
    ["a.png", "a.jpg", "a.tif", "a.npy", "a.npz", "a.dcm", "a.nii", "a.nii.gz"],
)
@pytest.mark.parametrize(
    ("content", "message"), [(b"", "empty file"), (b"GIF89a" + bytes(90), "")]
)
def test_empty_file_and_wrong_extension(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: .*{message}") as error:
        check_file(path)
    assert "\n" not in str(error.value)


def test_absent_file_and_foreign_format(tmp_path):
    with pytest.raises(ValueError, match=r"a\.png: cannot be opened \(No such file"):
        check_file(tmp_path / "a.png")
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match=r"a\.gif: expected a \.png, .* file"):
        check_file(tmp_path / "a.gif")


@pytest.mark.parametrize("name", ["notes.txt", "manifest.csv", "DICOMDIR", "image.gif"])
def test_other_files_have_no_reader(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(bytes(128) + (b"DICM" if name == "DICOMDIR" else b"text"))
    assert find_reader(path) is None
