import pytest

from sisr_jax.data.prepare import main
from sisr_jax.errors import InputError


@pytest.mark.parametrize("dataset", ["deeplesion", "duke_ultrasound"])
def test_wrong_folder(tmp_path, dataset):
    missing = tmp_path / "nothing"
    arguments = [dataset, f"--manual_dir={missing}", f"--data_dir={tmp_path}"]
    with pytest.raises(InputError, match=r"--manual_dir = .*nothing': no such folder"):
        main(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["imagenet"],
        ["deeplesion", "--manual_dir=", "--data_dir=b"],
        ["deeplesion"],
        ["deeplesion", "--manual_dir=a", "--data_dir=b", "--encoding=jpeg"],
        ["duke_ultrasound", "--manual_dir=a", "--data_dir=b", "--target=iq"],
    ],
)
def test_wrong_arguments_are_one_line(arguments):
    with pytest.raises(InputError, match=r"^.*(required|choose|empty).*$"):
        main(arguments)
