"""docs/explorer.html is what tools/docs/explorer/make.py makes, and its numbers are those of the golden tables and of a sample."""

import json
import pathlib
import re
import subprocess
import sys

import numpy
import pytest

import binade as package

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explorer.html"
DATA = json.loads(re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', PAGE.read_text(), re.DOTALL)[1])
FORMATS = DATA["formats"]
WHOLE = [name for name, record in FORMATS.items() if "values" in record]
TABLES = {path.stem: path for folder in ("golden", "golden/other") for path in (ROOT / "tests" / folder).glob("*.txt")}
SIGMA = 2.0 ** numpy.linspace(*DATA["sigma"])


@pytest.fixture(scope="module")
def normal():
    return numpy.random.default_rng(1).standard_normal((512, 256))


def test_the_page_is_what_the_generator_makes_now(program, tmp_path):
    made = tmp_path / "explorer.html"
    subprocess.run([sys.executable, ROOT / "tools/docs/explorer/make.py", "--program", program, "--out", made], check=True)
    # No diff of pages: a line of one is some thousands of characters.
    assert made.read_text() == PAGE.read_text(), "docs/explorer.html is not up to date: ./dev docs makes it"


def test_the_page_is_one_file_of_moderate_size():
    page = PAGE.read_text()
    assert len(page) < 1_500_000
    assert not re.search(r"\bsrc=|<link|@import|\burl\((?!#)", page)
    assert "default-src 'none'" in page


def test_every_format_and_quantizer_of_the_catalogues_is_in_the_page(binade):
    document = json.loads(binade("formats", "--json").stdout)
    offered = {name for _, names in DATA["groups"] for name in names}
    assert offered == set(FORMATS)
    assert {row["name"] for rows in document.values() for row in rows} <= offered
    assert all(FORMATS[record["element"]] for record in FORMATS.values() if "element" in record)


@pytest.mark.parametrize("name", [name for name in WHOLE if name in TABLES])
def test_values_are_those_of_the_golden_table(name):
    words, kinds = FORMATS[name]["values"].split(), FORMATS[name]["kinds"]
    lines = [line.split() for line in TABLES[name].read_text().splitlines()]
    listed = [word for line in lines if line[0] == "codes" for word in line[2:]]
    assert words == listed and len(kinds) == len(words)
    names = {"nan": "n", "inf": "i", "-inf": "i", "0": "z", "-0": "z"}
    assert all(kind == names.get(word, kind) for word, kind in zip(words, kinds))


def test_most_formats_of_the_page_have_a_golden_table():
    assert len([name for name in WHOLE if name in TABLES]) > 60


def sample_of(normal, name, sigma):
    """A sample as the page describes it, and what becomes of it, in float64."""
    scaled = "quantizer" in FORMATS[name]
    x = normal if scaled or FORMATS[name]["signed"] else numpy.abs(normal)
    x = (x * sigma).astype(numpy.float32 if scaled else numpy.float64)
    q = package.quantize(x, name if scaled else f"{name}/saturate")
    return x.astype(numpy.float64), q.astype(numpy.float64)


@pytest.mark.parametrize("name", [name for name, record in FORMATS.items() if "sqnr" in record])
def test_sqnr_is_that_of_a_sample(normal, name):
    record = FORMATS[name]
    for k in (record["best"] - 12, record["best"], record["best"] + 6):
        if not 0 <= k < SIGMA.size:
            continue
        x, q = sample_of(normal, name, SIGMA[k])
        signal, noise = x * x, (x - q) ** 2
        # Where few elements saturate they make most of the noise: four standard errors of the sample.
        spread = 4 * 10 / numpy.log(10) * (numpy.std(noise) / numpy.mean(noise) + 2**0.5) / x.size**0.5
        found = 10 * numpy.log10(numpy.mean(signal) / numpy.mean(noise))
        # The page has exact integrals, or its own sample of 65536, for a quantizer of 16384.
        assert found == pytest.approx(record["sqnr"][k], abs=spread + (0.2 if "quantizer" in record else 0.04)), f"sigma = {SIGMA[k]}"


@pytest.mark.parametrize("name", [name for name, record in FORMATS.items() if "at" in record])
def test_densities_are_those_of_a_sample(normal, name):
    record = FORMATS[name]
    for at, sigma in zip(record["at"], (SIGMA[record["best"]], 1.0)):
        x, q = sample_of(normal, name, sigma)
        absolute, relative = (q - x) / sigma, ((q - x) / x)[q != 0]
        assert numpy.mean(q == 0) == pytest.approx(at["zero"], rel=0.1, abs=2e-3)
        for errors, limit, density in ((absolute, at["al"], at["a"]), (relative, at["rl"], at["r"])):
            # The distribution at the ends of the bins: smoother than the bins, and it adds up to the right share in all.
            bins = numpy.histogram(errors, numpy.linspace(-limit, limit, len(density) + 1))[0] / x.size
            shares = numpy.array(density) * 2 * limit / len(density)
            assert numpy.abs(numpy.cumsum(bins) - numpy.cumsum(shares)).max() < (0.02 if "quantizer" in record else 0.008)
