"""The judgement of a soak (scripts/soak) on series that are known to be good and bad."""

import random
import xml.etree.ElementTree

import pytest

import soak_samples
from soak_samples import MIB, Sample, what_grows

pytestmark = pytest.mark.breaking

FLAT = {
    "resident": 200 * MIB, "files": 40, "threads": 12, "wal": 16 * MIB, "database": 300 * MIB, "live": 100 * MIB,
    "p99": 10.0,
}
# What a soak of five minutes has to see: how much more each has at its end than at its beginning.
GROWTH = {
    "resident": 200 * MIB, "files": 30, "threads": 15, "wal": 160 * MIB, "database": 600 * MIB, "p99": 4000.0,
}


def series(number=150, noise=0.0, randomness=None, **growth):
    """Samples that stay as they are but for what grows, evenly, and for noise of that share."""
    def value(name, share):
        even = FLAT[name] + growth.get(name, 0) * share
        return even * (1 + noise * (randomness.random() - 0.5) if randomness else 1)

    return [
        Sample(seconds=2.0 * place, **{name: value(name, place / (number - 1)) for name in FLAT}) for place in range(number)
    ]


def test_a_flat_series_passes():
    assert what_grows(series()) == []


def test_a_noisy_series_passes(seed):
    randomness = random.Random(seed)
    for _ in range(200):
        assert what_grows(series(noise=0.2, randomness=randomness)) == []


def test_a_warm_up_passes():
    """What is taken at the beginning and kept is no leak."""
    cold = [Sample(float(place), 1, 1, 1, 0, 0, 0, 0.0) for place in range(49)]
    assert what_grows(cold + series(101)) == []


def test_peaks_pass():
    """A backup, a large value: what goes up and comes down again."""
    samples = series()
    for place in range(0, 150, 10):
        samples[place] = Sample(2.0 * place, 900 * MIB, 90, 40, 200 * MIB, 300 * MIB, 100 * MIB, 900.0)
    assert what_grows(samples) == []


def test_live_data_may_grow():
    assert what_grows(series(database=300 * MIB, live=300 * MIB)) == []


@pytest.mark.parametrize("name", GROWTH)
def test_what_grows_is_named(name, seed):
    """Evenly, with noise on top, or all at once near the end."""
    randomness = random.Random(seed)
    shown = soak_samples.TOLERANCES[name].name
    for samples in (series(**{name: GROWTH[name]}), series(noise=0.02, randomness=randomness, **{name: GROWTH[name]})):
        [line] = what_grows(samples)
        assert line.startswith(shown)
    grown = series(**{name: GROWTH[name]})[-1]
    [line] = what_grows(series()[:110] + [grown] * 40)
    assert line.startswith(shown)


def test_too_few_samples_are_no_proof():
    with pytest.raises(AssertionError, match="say nothing"):
        what_grows(series(8))


def test_the_table_and_the_picture(tmp_path):
    samples = series(resident=MIB)
    soak_samples.write_table(samples, tmp_path / "samples.csv")
    lines = (tmp_path / "samples.csv").read_text().splitlines()
    assert len(lines) == 151 and lines[0] == "seconds,resident,files,threads,wal,database,live,p99"
    drawn = xml.etree.ElementTree.fromstring(soak_samples.picture(samples, "a <soak>"))
    assert len(drawn.findall("{*}polyline")) == 3 * len(soak_samples.TOLERANCES)
