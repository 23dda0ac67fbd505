"""binade and the libraries that others wrote give the same codes, except where differences.json says so.

Every difference found must be listed, every listed one must occur; docs/differences.md shows the list.
"""

import pathlib
import platform
import sys

import pytest

np = pytest.importorskip("numpy", reason="numpy is not installed: pip install -r requirements/test.txt ends the skip")

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import differences  # noqa: E402
import libraries  # noqa: E402

LISTED = differences.load()
MODULES = {"ml_dtypes": "ml_dtypes", "PyTorch": "torch", "gfloat": "gfloat"}
CASES = {"ml_dtypes": libraries.ml_dtypes_cases, "PyTorch": libraries.pytorch_cases, "CUDA": libraries.cuda_cases, "gfloat": libraries.gfloat_cases}


@pytest.fixture(scope="module", autouse=True)
def programs():
    if not (libraries.PROGRAMS / "cast").exists():
        pytest.fail(f"{libraries.PROGRAMS / 'cast'} is not there: build the project (./dev test), or set BINADE_BUILD_DIR to its build folder")


def cases_of(library):
    """The conversions of a library, or a skip that says what would end it."""
    if library == "CUDA":
        if not (libraries.PROGRAMS / "cuda_cast").exists():
            pytest.skip("cuda_cast was not built: the CUDA toolkit's headers (12.8 or newer; no nvcc or GPU) end the skip")
    else:
        module = MODULES[library]
        pytest.importorskip(module, reason=f"{library} is not installed: requirements/ lists it ({module})")
        listed, here = LISTED["versions"][library], libraries.version(library)
        if listed != here:
            pytest.skip(f"the differences are those of {library} {listed}, and {here} is installed: pip install {module}=={listed} ends the skip")
    if library == "PyTorch":
        import torch

        if not torch.backends.cpu.get_cpu_capability().startswith("AVX"):
            pytest.skip("the NaN codes of PyTorch are those of its AVX2 and AVX512 paths: a processor with AVX2 ends the skip")
        torch.set_num_threads(1)
    return list(CASES[library]())


def found_differences(case):
    """{(against, format, policies, source, kind of input)} of a case, and an example of each."""
    found = {}
    bits = libraries.inputs(case.format, case.source)
    theirs = case.convert(bits)
    for against, policies in (("default", case.policies), ("profile", case.profile)):
        if against == "profile" and not policies:
            continue
        ours = libraries.binade_encode(case.text(policies), bits, case.source, case.noise)
        wrong = ours != theirs
        if not wrong.any():
            continue
        kinds = libraries.classes(case.format, case.policies, case.source, bits[wrong])
        for kind in np.unique(kinds):
            first = np.flatnonzero(wrong)[kinds == kind][0]
            key = (against, libraries.family(case.format), case.policies, case.source, str(kind))
            found[key] = f"{case.text(policies)} from {case.source} {bits[first]:#x}: theirs {theirs[first]:#x}, binade {ours[first]:#x}"
    return found


@pytest.mark.parametrize("library", CASES)
def test_the_differences_are_exactly_the_listed_ones(library):
    found = {}
    for case in cases_of(library):
        for key, example in found_differences(case).items():
            found.setdefault(key, example)
    listed = differences.keys_of(LISTED, library)
    new, gone = sorted(set(found) - listed), sorted(listed - set(found))
    report = [f"not listed: {key}: {found[key]}" for key in new] + [f"listed and does not occur: {key}" for key in gone]
    assert not report, f"{len(report)} disagreements with differences.json:\n" + "\n".join(report[:400])


@pytest.mark.parametrize("library", CASES)
def test_every_listed_example_is_what_happens(library):
    cases = {(case.format, case.policies, case.source): case for case in cases_of(library)}
    for row in LISTED["differences"]:
        if row["library"] != library:
            continue
        for name, policies, source, given, theirs, ours in row["examples"]:
            case = cases[name, policies, source]
            bits = np.array([int(given, 10 if source == "int64" else 16)], libraries.BITS[libraries.type_of(source)])
            assert libraries.classes(name, policies, source, bits)[0] in row["inputs"]
            assert differences.code_text(case.convert(bits)[0], name) == theirs, f"{row['cause']}: {case} of {given}"
            text = case.text(case.policies if "default" in row["against"] else case.profile)
            made = libraries.binade_encode(text, bits, source)[0]
            assert differences.code_text(made, name) == ours, f"{row['cause']}: {text} of {given}"


def test_arithmetic_of_ml_dtypes_is_that_of_its_profile_but_for_the_listed_results():
    cases_of("ml_dtypes")  # or a skip
    found, count = set(), 0
    for name in libraries.ML_DTYPES:
        x, y = libraries.operands(name)
        no_nan = not np.isnan(libraries.binade_values(name)).any()
        for operation in libraries.OPERATIONS:
            theirs = libraries.ml_dtypes_compute(operation, name, x, y)
            ours = libraries.binade_compute(operation, f"{name}/as=ml_dtypes", x, y)
            kinds = libraries.results(operation, name, x, y)
            # The sign of a NaN differs by processor: a NaN it must be, or in formats without one a zero.
            made = libraries.ml_dtypes_numbers(name, theirs[kinds == "NaN"]).astype(np.float64)
            assert (made == 0 if no_nan else np.isnan(made)).all(), (name, operation)
            wrong = ours != theirs
            found |= {(name, operation, str(kind)) for kind in np.unique(kinds[wrong]) if kind != "NaN"}
            count += len(x)
    rows = [row for row in LISTED["arithmetic"] if row["results"] != "NaN"]
    assert found == {(name, operation, row["results"]) for row in rows for name in row["formats"] for operation in row["operations"]}
    assert count == 7_906_560


def test_every_listed_example_of_arithmetic_is_what_happens():
    cases_of("ml_dtypes")
    for row in LISTED["arithmetic"]:
        name, operation, *codes = row["example"]
        x, y = (np.array([int(code, 16)], np.uint16) for code in codes[:2])
        assert name in row["formats"] and operation in row["operations"]
        assert libraries.results(operation, name, x, y)[0] == row["results"]
        ours = libraries.binade_compute(operation, name, x, y)[0]
        assert differences.code_text(ours, name) == codes[3], row["cause"]
        if row["results"] != "NaN" or platform.machine() == "x86_64":  # whose own NaN is negative
            theirs = libraries.ml_dtypes_compute(operation, name, x, y)[0]
            assert differences.code_text(theirs, name) == codes[2], row["cause"]


@pytest.mark.parametrize("library", ["ml_dtypes", "PyTorch"])
def test_from_float64_and_int64_they_round_twice(library):
    """What they make of a float64 is what their profile makes of the float32 next to it."""
    count = 0
    for case in cases_of(library):
        if case.source not in ("float64", "int64"):
            continue
        bits = libraries.inputs(case.format, case.source)
        numbers = bits.view(np.float64) if case.source == "float64" else bits
        is_number = ~np.isnan(numbers.astype(np.float64))
        with np.errstate(all="ignore"):
            near = numbers.astype(np.float32)
        ours = libraries.binade_encode(case.text(case.profile), near.view(np.uint32), "float32")
        wrong = (ours != case.convert(bits)) & is_number
        assert not wrong.any(), f"{case}: {bits[wrong][:5]}"
        count += len(bits)
    assert count > 100_000


def test_constructors_of_ml_dtypes_round_a_python_float_once_but_for_bfloat16():
    for case in cases_of("ml_dtypes"):
        if case.source != "float64":
            continue
        import ml_dtypes

        kind = getattr(ml_dtypes, libraries.ML_DTYPES[case.format])
        bits = libraries.inputs(case.format, "float64")
        bits = bits[libraries.classes(case.format, "", "float64", bits) == "between float32 numbers"]
        bits = bits[:: len(bits) // 1000 + 1]
        made = np.array([kind(x) for x in bits.view(np.float64).tolist()], kind).view(np.uint16 if case.format == "e8m7" else np.uint8)
        once = libraries.binade_encode(case.text(case.profile), bits, "float64")
        with np.errstate(over="ignore", under="ignore"):
            near = bits.view(np.float64).astype(np.float32)
        twice = libraries.binade_encode(case.text(case.profile), near.view(np.uint32), "float32")
        assert (once != twice).sum() > 5, case.format  # or the inputs decide nothing
        assert (made == (twice if case.format == "e8m7" else once)).all(), case.format


@pytest.mark.parametrize("library", CASES)
def test_every_code_has_the_same_value(library):
    names = {case.format for case in cases_of(library)}
    for name in sorted(names):
        codes = np.arange(1 << libraries.width_of(name), dtype=np.uint16)
        ours, theirs = libraries.binade_values(name), decoded_by(library, name, codes)
        same = (ours == theirs) & (np.signbit(ours) == np.signbit(theirs)) | np.isnan(ours) & np.isnan(theirs)
        assert same.all(), f"{name} code {codes[~same][0]:#x}: {ours[~same][0]}, {library} has {theirs[~same][0]}"


def decoded_by(library, name, codes):
    narrow = codes if libraries.width_of(name) == 16 else codes.astype(np.uint8)
    with np.errstate(invalid="ignore"):
        if library == "ml_dtypes":
            import ml_dtypes

            return narrow.view(getattr(ml_dtypes, libraries.ML_DTYPES[name])).astype(np.float64)
        if library == "PyTorch":
            import torch

            plain = torch.from_numpy(narrow.view(np.int16) if narrow.itemsize == 2 else narrow)
            return plain.view(getattr(torch, libraries.PYTORCH[name])).to(torch.float64).numpy()
        if library == "CUDA":
            text = next(case.text(case.profile) for case in libraries.cuda_cases() if case.format == name)
            return libraries.run_on_files(libraries.PROGRAMS / "cuda_cast", ["decode", text, "float32"], codes, np.float32).astype(np.float64)
        import gfloat

        return gfloat.decode_ndarray(libraries.gfloat_format(name), codes.astype(np.uint64))


def test_the_manual_shows_the_list():
    assert differences.PAGE.read_text() == differences.page(LISTED), f"{differences.PAGE} is not what differences.json says: run python {differences.__file__}"
