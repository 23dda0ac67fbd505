"""The page of proofs shows the record of the last exhaustive run, and a record that is not of a whole run is refused."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import proof_record  # noqa: E402


def whole_run():
    return [
        {
            "sweep": sweep,
            "format": name,
            "cases": cases,
            "conversions": conversions or 7,
            "passed": True,
            "seconds": 1.5,
            "threads": 16,
            "vector_bits": 512,
            "processor": "a processor",
            "compiler": "a compiler",
            "version": "0.0.0",
            "commit": "abc",
            "date": "2026-01-01T00:00:00Z",
        }
        for (sweep, name), (cases, conversions) in proof_record.expected_cases().items()
    ]


def test_the_page_shows_the_record():
    assert proof_record.problems(proof_record.stored_record(), proof_record.PAGE.read_text()) == []


def test_there_are_as_many_cases_as_counted_by_hand():
    # 54 signed and 66 unsigned P3109 formats, half of them with 5 overflow rules and half with 4; of the catalogue three formats with 5
    # (IEEE), eight with 4 (one or more NaNs) and six with 3.
    cases = {}
    for (sweep, _), (count, _) in proof_record.expected_cases().items():
        cases[sweep] = cases.get(sweep, 0) + count
    catalogue = 6 * (3 * 5 + 5 * 4 + 5 * 3)  # the signed ones
    assert cases["vector_encode"] == cases["vector_quantize"] == catalogue + 6 * (27 * 5 + 27 * 4)
    assert cases["core_encode"] == catalogue + 6 * (33 * 5 + 33 * 4 + 3 * 4 + 3)
    # Integers of 2 to 8 bits in three ranges, 13 fixed-point ranges, NF4 and six other code books with 3 overflow rules; posits of 3 to 8 bits
    # with three es and takums with 4; four logarithmic formats with two kinds of borders under one.
    assert cases["other_encode"] == 6 * (3 * (7 * 3 + 13 + 7) + 4 * (6 * 3 + 6) + 4 * 2)
    # A GPU takes all: the signed P3109 formats too, and eleven logarithmic formats.
    assert cases["device_core_encode"] == cases["core_encode"] + 6 * (27 * 5 + 27 * 4)
    assert cases["device_log_encode"] == 6 * 11 * 2
    assert cases["device_other_encode"] == 6 * (3 * (7 * 3 + 13) + 4 * (6 * 3 + 6))
    assert cases["device_book_encode"] == 6 * 3 * 7


def test_a_whole_run_is_accepted_and_its_record_reads_back():
    rows = whole_run()
    assert proof_record.findings(rows) == []
    record = json.loads(proof_record.text_of(proof_record.record_of(rows)))
    page = proof_record.page_with(record, f"before\n{proof_record.BEGIN}\n{proof_record.END}\nafter\n")
    assert proof_record.problems(record, page) == []
    assert proof_record.problems(record, page.replace("16 threads", "17 threads")) != []
    for row in rows:
        row["threads"] = 0 if row["sweep"].startswith("device") else row["threads"]
    shown = proof_record.shown(proof_record.record_of(rows))
    assert all(("threads" in line) != ("`device" in line) for line in shown.splitlines() if line.startswith("| `"))
    record["sweeps"]["core_encode"]["cases"] += 1
    assert "the sums of the record are not those of its formats" in proof_record.problems(record, page)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda rows: rows.pop(), "not judged"),
        (lambda rows: rows.append(dict(rows[0])), "judged twice"),
        (lambda rows: rows[0].update(passed=False), "failed"),
        (lambda rows: rows[1].update(cases=rows[1]["cases"] - 1), "expected"),
        (lambda rows: rows[-1].update(conversions=rows[-1]["conversions"] - 1), "expected"),
        (lambda rows: rows[0].update(format="e4m4"), "no such sweep"),
    ],
)
def test_a_run_that_is_not_whole_is_refused(change, finding):
    rows = whole_run()
    change(rows)
    assert any(finding in text for text in proof_record.findings(rows))


def test_a_record_may_hold_some_sweeps_and_keeps_the_others_as_they_were():
    rows = whole_run()
    part = [row for row in rows if row["sweep"] == "vector_encode"]
    assert proof_record.findings(part) == []
    record = proof_record.record_of(part)
    assert "no whole run is recorded yet" in proof_record.shown(record)
    later = [{**row, "commit": "def"} for row in rows if row["sweep"] == "core_encode"]
    both = proof_record.record_of(later, record)
    assert list(both["sweeps"]) == ["vector_encode", "core_encode"]
    assert (both["sweeps"]["vector_encode"]["commit"], both["sweeps"]["core_encode"]["commit"]) == ("abc", "def")
    assert len(both["formats"]) == len(part) + len(later)


@pytest.mark.parametrize("changed", [slice(0, 1), slice(None)])
def test_lines_of_two_builds_or_of_no_commit_are_refused(changed):
    rows = whole_run()
    for row in rows[changed]:
        row["commit"] = "def-dirty"
    with pytest.raises(SystemExit):
        proof_record.record_of(rows)
