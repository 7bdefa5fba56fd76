"""How a command ends."""

import pytest

from ravfeat.cli.errors import reporting


@pytest.mark.parametrize("package", ["PIL", "mediapipe", "onnxruntime"])
def test_a_missing_package_of_the_face_encoders_names_their_extra(package, capsys) -> None:
    with pytest.raises(SystemExit) as end, reporting():
        raise ModuleNotFoundError(f"No module named '{package}.x'", name=f"{package}.x")
    assert end.value.code == 1
    assert f"ravfeat: this needs the package '{package}': pip install 'ravfeat[face]'" in capsys.readouterr().err


def test_a_missing_package_that_no_extra_brings_is_our_mistake() -> None:
    with pytest.raises(ModuleNotFoundError), reporting():
        raise ModuleNotFoundError("No module named 'other'", name="other")
