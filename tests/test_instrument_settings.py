"""What the instruments, filters and filtered tables refuse, before anything runs."""

import pytest

from fourier_lightning.config import load_config
from fourier_lightning.errors import ConfigError
from fourier_lightning.run import prepare


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("callbacks.embedding_spectrum.periods=[1]", "callbacks.embedding_spectrum.periods=1: not a period"),
        ("callbacks.embedding_spectrum.periods=[]", "callbacks.embedding_spectrum.periods=[]: empty"),
        ("callbacks.embedding_spectrum.periods=[9999]", "callbacks.embedding_spectrum.periods=9999: the number line"),
        ("callbacks.embedding_spectrum.draws=1", "callbacks.embedding_spectrum.draws=1: too few"),
        ("callbacks.layer_spectrum.draws=1", "callbacks.layer_spectrum.draws=1: too few"),
        ("callbacks.layer_spectrum.seed=-1", "callbacks.layer_spectrum.seed=-1: out of range"),
        ("callbacks.answer_phase.rotations=1", "callbacks.answer_phase.rotations=1: too few"),
        ("callbacks.answer_phase.periods=[]", "callbacks.answer_phase.periods=[]: nothing to look for"),
        ("callbacks.answer_phase.periods=[9999]", "callbacks.answer_phase.periods=9999: the number line has 521"),
        ("callbacks.input_waves.periods=[9999]", "callbacks.input_waves.periods=9999: the number line has 521"),
        ("callbacks.input_waves.draws=-1", "callbacks.input_waves.draws=-1: negative"),
        ("callbacks.input_waves.seed=-1", "callbacks.input_waves.seed=-1: out of range"),
        ("callbacks.input_waves.cutoff=9999", "filter.cutoff=9999: no component"),
        ("callbacks.final_logits.cutoff=9999", "filter.cutoff=9999: no component"),
        ("filter.keep=all filter.cutoff=9999", "filter.cutoff=9999: no component"),
        ("filter.seed=99999999999", "filter.seed=99999999999: out of range"),
        ("filter.periods=[3,9999] filter.keep=periods", "filter.periods=9999: the number line has 521 numbers"),
        ("embedding.keep=low embedding.cutoff=1", "embedding.cutoff=1: no wave is below k = 1"),
        ("~callbacks.filter_ablation.filter", "callbacks.filter_ablation: "),
        ("callbacks.layer_spectrum.every_n_epochs=-1", "callbacks.layer_spectrum.every_n_epochs=-1: too small"),
        ("callbacks.logit_lens.batch_size=0", "callbacks.logit_lens.batch_size=0: too small"),
        ("callbacks.single_component.components=[261]", "callbacks.single_component.components=[261]: no component"),
        ("callbacks.single_component.periods=[]", "callbacks.single_component.periods=[]: nothing to keep"),
        ("callbacks.knock_out.components=[0]", "callbacks.knock_out.components=[0]: no component k=0"),
        ("callbacks.knock_out.draws=0", "callbacks.knock_out.draws=0"),
        ("callbacks.direct_path.draws=1", "callbacks.direct_path.draws=1: too few"),
        ("callbacks.direct_path.knock_out_draws=19", "callbacks.direct_path.knock_out_draws=19: too few"),
        ("callbacks.direct_path.periods=[9999]", "callbacks.direct_path.periods=9999: the number line"),
        ("callbacks.final_logits.prompts=[[1,2,3]]", "callbacks.final_logits.prompts=[[1, 2, 3]]: [1, 2, 3] are no"),
        ("callbacks.final_logits.prompts=[[1,261]]", "callbacks.final_logits.prompts=[[1, 261]]: [1, 261] are no"),
        ("callbacks.final_logits.top_k=0", "callbacks.final_logits.top_k=0"),
        ("filter.cutoff=300", "filter.cutoff=300: no component k=300"),
        (
            "filter.method=projection instruments=filter_grid",
            "filter.method=projection: the null space is empty",
        ),
        ("filter.keep=lo", "filter.keep=lo"),
        ("embedding.keep=band", "embedding.upper=null: a band has two ends"),
        ("embedding.cutoff=0 embedding.keep=low", "embedding.cutoff=0: no component k=0"),
        ("model=scratch embedding.keep=low", "embedding.keep=low: a random table has no number line"),
        ("embedding=fourier embedding.periods=[]", "embedding.periods=[]: a Fourier table needs periods"),
        ("embedding=fourier model.width=4", "embedding.periods=[10, 100, 1000]: need 6 columns of 4"),
    ],
)
def test_impossible_settings_are_one_line_before_anything_runs(setting, message):
    with pytest.raises(ConfigError) as error:
        prepare(load_config(["experiment=quick", *setting.split()]))
    assert str(error.value).startswith(message) and "\n" not in str(error.value)
