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
        ["deeplesion"],
        ["deeplesion", "--manual_dir=a", "--data_dir=b", "--encoding=jpeg"],
        ["duke_ultrasound", "--manual_dir=a", "--data_dir=b", "--target=iq"],
    ],
)
def test_wrong_arguments_show_the_usage(capsys, arguments):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: python -m sisr_jax.data prepare" in capsys.readouterr().err
