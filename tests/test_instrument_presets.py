"""Every file of conf/instruments can be chosen as it stands, on the default task."""

import pytest

from fourier_lightning.config import CONF_DIR, load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.parts import prepare

NAMES = sorted(path.stem for path in (CONF_DIR / "instruments").glob("*.yaml"))
PROMPTED = ["fit=false", "data.shots=4"]


def settings(tmp_path, name, *words):
    return load_config([f"instruments={name}", "logger=none", *words], tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_chosen(tmp_path, name):
    prepare(settings(tmp_path, name, *(PROMPTED if name == "answers" else [])))


def test_a_cut_off_of_the_grid_that_there_is_not_is_told_from_the_filters(tmp_path):
    """The default number line, 0..200, has components up to 100."""
    said = "no component k=101 with p=201; use 1 to 100"
    with pytest.raises(ConfigError) as error:
        prepare(settings(tmp_path, "filter_grid", "callbacks.filter_grid.cutoffs=[5,101]"))
    assert str(error.value) == f"callbacks.filter_grid.cutoffs=[5, 101]: {said}"
    with pytest.raises(ConfigError) as error:
        prepare(settings(tmp_path, "filter_grid", "callbacks.filter_grid.cutoffs=null", "filter.cutoff=101"))
    assert str(error.value) == f"filter.cutoff=101: {said}"
