"""The directory of each job of a sweep: that of its run, whatever the jobs' numbers."""

import itertools
import json
import os
from functools import cache

from hydra import compose, initialize_config_dir
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fourier_lightning.commands import train as command
from fourier_lightning.commands.places import find_places
from fourier_lightning.config import CONF_DIR, register_resolvers
from fourier_lightning.directory import nothing_left, settings_in, settings_of, write_settings
from fourier_lightning.parts import check_directory
from tests.test_run import run_json

ARMS = ("compile=null", "model=scratch", "data.train_fraction=0.5", "optimizer=adamw")  # the first: the default


@cache
def composed(overrides):
    """What Hydra composes of a job's overrides, in whatever order they come."""
    register_resolvers()
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return compose("train", [*overrides, "logger=none", "ckpt_path=auto"], return_hydra_config=True)


@cache
def job_of(overrides):
    """The same as a job gets it, without Hydra's part."""
    return command.own(composed(overrides), "")[0]


class Sweep:
    """Invocations of a sweep whose jobs take no time; what becomes of each is drawn."""

    def __init__(self, where):
        self.where, self.fits, self.completed = where, {}, {}

    def invoke(self, jobs, fates):
        """Run jobs until a kill ends the sweep; whether none did."""
        places = find_places(self.where, list(map(composed, jobs)))
        assert not places.refused
        for number, name in places.names.items():
            fate = next(fates)
            self.job(jobs[number], self.where / name, fate)
            if fate.startswith("killed"):
                return False
        places.give_back()
        return True

    def job(self, overrides, path, fate):
        """What a job does to its directory: checks as ``prepare`` does, writes as ``run.carry_out`` does."""
        cfg, identity = job_of(overrides), frozenset(overrides)
        cfg.paths.output_dir, cfg.ckpt_path = str(path), "auto"
        if fate == "killed before it begins":
            return
        assert nothing_left(cfg) is None and identity not in self.completed, "run twice"
        settings = settings_of(cfg)
        check_directory(cfg, settings)
        write_settings(path, settings)
        assert self.fits.setdefault(path, identity) == identity, "two runs in one directory"
        if fate == "killed before its record":
            return
        (path / "record" / "metrics.jsonl").touch()
        (path / "checkpoints").mkdir(exist_ok=True)
        (path / "checkpoints" / "last.ckpt").touch()
        info = {"status": "running" if fate.startswith("killed") else fate, "metrics": {}}
        (path / "record" / "run.json").write_text(json.dumps(info))
        if fate == "finished":
            self.completed[identity] = path


FATES = ("finished", "finished", "failed", "killed before it begins", "killed before its record", "killed at work")
INVOCATION = st.tuples(
    st.lists(st.sampled_from(ARMS), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True),
    st.booleans(),
)


@settings(derandomize=True, database=None, deadline=None, max_examples=10, phases=[Phase.generate])
@given(st.lists(INVOCATION, min_size=2, max_size=4), st.lists(st.sampled_from(FATES), min_size=40, max_size=40))
def test_whatever_is_killed_extended_or_reordered_every_run_is_done_once(tmp_path_factory, invocations, fates):
    """A property of sequences of sweeps: where they run is real, the fits are not."""
    sweep, fate, asked = (
        Sweep(tmp_path_factory.mktemp("sweep")),
        itertools.chain(fates, itertools.repeat("finished")),
        {},
    )
    for arms, seeds, seeds_first in invocations:
        listed = [tuple(sorted(job)) for job in itertools.product(arms, (f"seed={seed}" for seed in seeds))]
        listed = sorted(listed, key=lambda job: job[1]) if seeds_first else listed
        asked |= dict.fromkeys(listed)
        sweep.invoke(listed, fate)
    everything = list(asked)[::-1]
    assert sweep.invoke(everything, itertools.repeat("finished"))
    assert set(sweep.completed) == set(map(frozenset, everything))
    finished = {path for path in sweep.where.iterdir() if run_json(path)["status"] == "finished"}
    assert finished == set(sweep.completed.values()) and len(finished) == len(everything)
    assert not find_places(sweep.where, list(map(composed, everything))).names  # nothing is left to do


def planned(sweep_dir, *listed):
    return find_places(sweep_dir, [composed(job) for job in listed])


def finish(sweep_dir, places, **info):
    for name in places.names.values():
        (sweep_dir / name / "record" / "run.json").write_text(json.dumps({"status": "finished", "metrics": {}, **info}))


def test_a_setting_that_may_differ_counts_where_it_is_what_a_sweep_is_over(tmp_path):
    first = planned(tmp_path, ("name=a",), ("name=b",))
    assert first.names == {0: "0", 1: "1"}
    finish(tmp_path, first)
    assert planned(tmp_path, ("name=b",), ("name=c",), ("name=a",)).names == {1: "2"}
    assert planned(tmp_path, ("name=d",)).names == {}  # of one run it is no more than its name


def test_a_later_end_goes_on_in_place_unless_the_sweep_is_over_ends(tmp_path):
    finish(tmp_path, planned(tmp_path, ("seed=0",), ("seed=1",)))
    longer = planned(tmp_path, ("seed=1", "trainer.max_epochs=90"), ("seed=0", "trainer.max_epochs=90"))
    assert longer.names == {0: "1", 1: "0"} and not longer.reserved
    ends = planned(tmp_path, ("seed=0", "trainer.max_epochs=50"), ("seed=0", "trainer.max_epochs=90"))
    assert ends.names == {1: "2"} and [path.name for path in ends.reserved] == ["2"]


def test_two_jobs_of_the_same_settings_are_one(tmp_path, capsys):
    assert planned(tmp_path, ("seed=0",), ("seed=1",), ("seed=0", "test=true")).names == {0: "0", 1: "1"}
    assert f"{tmp_path / '0'}: two jobs have the same settings, and one of them runs" in capsys.readouterr().out


def test_a_directory_that_is_taken_is_left_alone(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "notes.txt").touch()
    assert planned(tmp_path, ("seed=0",), ("seed=1",), ("seed=2",)).names == {0: "0", 1: "2", 2: "3"}


def test_reservations_at_once_never_share_a_directory(tmp_path):
    """Two sweeps that are started at once, in processes of their own."""
    children = []
    for child in range(4):
        pid = os.fork()
        if pid == 0:
            planned(tmp_path, *((f"seed={seed}",) for seed in range(child, child + 3)))
            os._exit(0)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
    assert sorted(settings_in(path)["seed"] for path in tmp_path.iterdir()) == list(range(6))


def test_directories_of_jobs_that_never_began_are_given_back(tmp_path):
    places = planned(tmp_path, ("seed=0",), ("seed=1",))
    (tmp_path / "0" / ".hydra").mkdir()
    places.give_back()
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
