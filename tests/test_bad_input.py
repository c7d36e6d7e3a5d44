"""Bad settings, in bulk: each ends as one line with exit code 2 and nothing written.

``pytest tests/test_bad_input.py tests/test_bad_files.py`` prints at its end how many were refused.
"""

import shlex

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.bad_input import (
    SMALL,
    absurd,
    allows,
    command,
    composed,
    elsewhere,
    refusal,
    run_with,
    schema,
    told,
    typed,
    typos,
    wrong_types,
)
from tests.bad_settings import COMMAND_LINES, IDLE, READ, SETTINGS

__all__ = ["elsewhere"]  # a fixture
BULK = settings(
    derandomize=True, database=None, deadline=None, phases=[Phase.generate],  # to shrink is to send a thousand more
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much,
                           HealthCheck.data_too_large],
)  # fmt: skip


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_a_command_line_that_can_not_work(elsewhere, record_property, line):
    said = refusal(command(*shlex.split(line, posix=False)))
    assert said is not None and said.startswith(COMMAND_LINES[line]), said
    told(record_property, 1)


@pytest.mark.parametrize("base", SETTINGS)
def test_settings_that_can_not_work(elsewhere, record_property, base):
    wrong, usual = {}, "filter_grid" if "filter_grid" in base else "filter_ablation"
    for line, begins in SETTINGS[base].items():
        given = typed(line)
        named = [key.split(".")[1] for key in given if key.startswith("callbacks.")]
        said = refusal(run_with((*base.split(), f"only={(named or [usual])[0]}"), given))  # the others take time alone
        if said is None or not said.startswith(begins):
            wrong[line] = said
    assert not wrong
    told(record_property, len(SETTINGS[base]))


@pytest.mark.parametrize(("base", "line", "reason"), IDLE)
def test_a_setting_that_nothing_reads_is_refused(elsewhere, record_property, base, line, reason):
    (given,) = typed(line).items()
    said = refusal(run_with(tuple(base.split()), dict([given])))
    assert said == f"{given[0]}={given[1]}: nothing reads it: {reason}; leave it out"
    told(record_property, 1)


@pytest.mark.parametrize(("base", "line"), READ)
def test_and_where_something_reads_it_it_is_taken(elsewhere, base, line):
    assert refusal(run_with(tuple(base.split()), typed(line))) is None


def test_a_value_of_another_type_is_refused_for_every_setting(elsewhere, record_property):
    hints, seen = schema(composed(*SMALL[:2])), set()

    @settings(BULK, max_examples=3)
    @given(wrong_types(hints))
    def each(drawn):
        for key, value in drawn.items():
            said = refusal(run_with(SMALL, {key: value}))
            assert said is not None and said.startswith(key), (key, value, said)
            seen.add((key, repr(value)))

    each()
    assert len(seen) >= 250 and len({key for key, _ in seen}) >= 0.9 * len(hints)
    told(record_property, len(seen))


def test_a_misspelled_setting_is_refused_with_the_right_one_beside_it(elsewhere, record_property):
    hints, seen = schema(composed(*SMALL[:2])), set()

    @settings(BULK, max_examples=100)
    @given(typos(list(hints)))
    def each(drawn):
        right, wrong = drawn
        if wrong in hints:
            return
        said = refusal(run_with(SMALL, {wrong: 1}))
        assert said is not None and said.startswith(f"{wrong}=1: no such setting; did you mean ") and right in said
        seen.add(wrong)

    each()
    assert len(seen) >= 80
    told(record_property, len(seen))


def test_an_absurd_value_is_refused_or_taken_but_never_stumbled_over(elsewhere, record_property):
    hints = schema(composed(*SMALL[:2]))
    refused = [refusal(run_with(SMALL, {key: value})) for key, value in list(absurd(hints))[::7]]
    assert all(allows(hints[key], value) for key, value in absurd(hints))
    told(record_property, sum(said is not None for said in refused))
