"""Which of Colab's packages an environment like it is made of."""

from colab_packages import PACKAGES, current, pins

FREEZE = """\
absl-py==1.4.0
numpy==2.3.1
scikit-learn==1.8.0
torch @ https://download.pytorch.org/whl/cu128/torch-2.12.0%2Bcu128-cp313-none.whl
torchvision==0.27.0+cu128
Jupyter_Client==7.4.9
"""


def test_todays_versions_of_the_packages_that_matter():
    lines = current(FREEZE, PACKAGES.read_text("utf-8"))
    assert "numpy==2.3.1" in lines and "torch==2.12.0" in lines
    assert "torchvision==0.27.0" in lines and "jupyter-client==7.4.9" in lines
    assert not any("absl" in line for line in lines)


def test_the_list_names_what_must_not_move():
    assert {"torch", "numpy", "ipywidgets", "traitlets"} <= set(
        pins(PACKAGES.read_text("utf-8"))
    )
