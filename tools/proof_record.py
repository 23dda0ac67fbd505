#!/usr/bin/env python3
"""The record of the last exhaustive run, and the part of docs/proofs.md that shows it.

    proof_record.py LINES...   checks the lines that the sweeps appended to BINADE_PROOF_RECORD, one file for each shard, takes those sweeps
                               into docs/proof/last_full_run.json and renews the page
    proof_record.py --check    exit 1 if the page does not show the record, or a sweep of the record is not whole

A sweep is whole if it judged every format with all of its cases and 2^32 inputs for each, without a failure, from one build; the record
holds whole sweeps alone. What there is to judge is counted here from the golden tables and the definition of the P3109 family, not taken from
the sweeps.
"""

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "docs" / "proof" / "last_full_run.json"
PAGE = ROOT / "docs" / "proofs.md"
BEGIN, END = "<!-- begin: last full run, made by tools/proof_record.py -->", "<!-- end: last full run -->"

SWEEPS = {
    "vector_encode": "codes of the vector loops, all 2^32 float32",
    "vector_quantize": "values of the vector loops, all 2^32 float32",
    "core_encode": "codes of the reference, all 2^32 float32",
    "device_core_encode": "codes of the reference on a GPU, all 2^32 float32",
    "other_encode": "codes of the reference in other kinds of formats, all 2^32 float32",
    "device_other_encode": "integers, fixed point, posits and takums on a GPU, all 2^32 float32",
    "device_book_encode": "code books on a GPU, all 2^32 float32",
    "device_log_encode": "logarithmic formats on a GPU, all 2^32 float32",
    "stochastic_steps": "stochastic rounding, all noise of 1 to 8 bits at every step",
}
DETERMINISTIC_MODES, STOCHASTIC_MODES, NOISE_WIDTHS = 6, 3, 8
ONE_BUILD = ("version", "commit", "compiler")


def formats():
    """name -> (bits, signed, has infinity, has NaN) of all that is to be judged."""
    found = {}
    for path in sorted((ROOT / "tests" / "golden").glob("*.txt")):
        words = dict(line.split(maxsplit=1) for line in path.read_text().splitlines() if re.match(r"(layout|policy) ", line))
        sign, exponent, trailing = map(int, words["layout"].split("/"))
        if path.stem.startswith("binary"):  # the family follows
            continue
        policy = words["policy"].strip()
        found[path.stem] = (sign + exponent + trailing, sign == 1, policy == "ieee", policy not in ("none", "powers"))
    for bits in range(3, 9):
        for sign, widest in (("s", bits - 1), ("u", bits)):
            for precision in range(1, widest + 1):
                for domain in "ef":
                    found[f"binary{bits}p{precision}{sign}{domain}"] = (bits, sign == "s", domain == "e", True)
    return found


def other_formats():
    """name -> (overflow rules to judge, sweeps), of the formats of 8 bits or fewer that are no floating point: the lines `form` of their golden tables."""
    found = {}
    for path in sorted((ROOT / "tests" / "golden" / "other").glob("*.txt")):
        lines = [line.split() for line in path.read_text().splitlines()]
        width = next(int(words[1]) for words in lines if words[0] == "width")
        for text, border, *rest in (words[1:] for words in lines if words[0] == "form"):
            if width <= 8:
                name = path.stem if text.startswith("book") else re.sub(r"[:=.-]", "_", text)
                # Posits and takums have a NaN; of logarithmic formats only what saturates is swept (swept_cases.hpp says why).
                overflows = 1 if text.startswith("lns") else 4 if border == "string" else 3
                kind = "log" if text.startswith("lns") else "book" if border == "entries" else "other"
                found[name] = overflows, [f"device_{kind}_encode"] + ["other_encode"] * ("unswept" not in rest)
    return found


def expected_cases():
    """(sweep, format) -> (cases, conversions or None where the sweep alone knows)."""
    expected = {}
    for name, (bits, signed, infinity, nan) in formats().items():
        overflows = 3 + infinity + nan
        expected["stochastic_steps", name] = (STOCHASTIC_MODES * NOISE_WIDTHS * overflows, None)
        if bits > 8:
            continue
        cases = DETERMINISTIC_MODES * overflows
        sweeps = ["device_core_encode"] + ["vector_encode", "vector_quantize"] * signed
        if not signed or not name.startswith("binary"):  # signed P3109 formats: swept_cases.hpp says why not
            sweeps.append("core_encode")
        for sweep in sweeps:
            expected[sweep, name] = (cases, cases << 32)
    for name, (overflows, sweeps) in other_formats().items():
        cases = DETERMINISTIC_MODES * overflows
        for sweep in sweeps:
            expected[sweep, name] = (cases, cases << 32)
    return expected


def findings(rows):
    """Why the sweeps of these rows are not whole."""
    sweeps = {row["sweep"] for row in rows}
    expected = {key: value for key, value in expected_cases().items() if key[0] in sweeps}
    seen, found = set(), []
    for row in rows:
        key = row["sweep"], row["format"]
        if key not in expected:
            found.append(f"{key}: no such sweep")
        elif not row["passed"]:
            found.append(f"{key}: failed")
        elif key in seen:
            found.append(f"{key}: judged twice; give each shard's lines once")
        else:
            cases, conversions = expected[key]
            if row["cases"] != cases or (conversions or row["conversions"]) != row["conversions"] or row["conversions"] == 0:
                found.append(f"{key}: {row['cases']} cases and {row['conversions']} conversions, expected {cases} and {conversions}")
        seen.add(key)
    found += [f"{key}: not judged" for key in expected if key not in seen]
    return found


def sweep_of(rows):
    """What the record says of a sweep."""
    builds = {tuple(row[key] for key in ONE_BUILD) for row in rows}
    if len(builds) != 1:
        sys.exit(f"proof_record: the lines of a sweep come from {len(builds)} builds: {sorted(builds)}; run one")
    if any(word.endswith(("-dirty", "unknown")) for build in builds for word in build):
        sys.exit(f"proof_record: {sorted(builds)} is no commit; build from a clean checkout")
    return {
        **dict(zip(ONE_BUILD, builds.pop())),
        "processors": sorted({row["processor"] for row in rows}),
        "threads": max(row["threads"] for row in rows),
        "vector_bits": max(row["vector_bits"] for row in rows),
        "first": min(row["date"] for row in rows),
        "last": max(row["date"] for row in rows),
        "formats": len(rows),
        "cases": sum(row["cases"] for row in rows),
        "conversions": sum(row["conversions"] for row in rows),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
    }


def record_of(rows, before=None):
    """The record of these sweeps, and of the others as they were."""
    record = {"sweeps": {}, "formats": []}
    for name in SWEEPS:
        part = sorted((row for row in rows if row["sweep"] == name), key=lambda row: row["format"])
        if part:
            record["sweeps"][name] = sweep_of(part)
            record["formats"] += [{key: row[key] for key in ("sweep", "format", "cases", "conversions", "passed", "seconds")} for row in part]
        elif before and name in before["sweeps"]:
            record["sweeps"][name] = before["sweeps"][name]
            record["formats"] += [row for row in before["formats"] if row["sweep"] == name]
    return record


def text_of(record):
    """JSON with a line for each format."""
    rows = ",\n".join("    " + json.dumps(row) for row in record["formats"])
    return json.dumps({**record, "formats": []}, indent=2).replace('"formats": []\n}', f'"formats": [\n{rows}\n  ]\n}}') + "\n"


def shown(record):
    """The part of the page."""
    if record is None:
        return "No whole sweep is recorded yet: the sweeps below have run in parts only."
    lines = ["| sweep | formats | cases | conversions compared | seconds | run |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for name, what in SWEEPS.items():
        row = record["sweeps"].get(name)
        if row is None:
            lines.append(f"| `{name}`: {what} | | | | | no whole run is recorded yet |")
            continue
        threads = f", {row['threads']} threads, {row['vector_bits']}-bit vectors" if row["threads"] else ""
        lines.append(
            f"| `{name}`: {what} | {row['formats']} | {row['cases']:,} | {row['conversions']:,} | {row['seconds']:,.0f} | {row['last'][:10]}, commit "
            f"`{row['commit']}`, {row['compiler']}, {' and '.join(row['processors'])}{threads} |"
        )
    return "\n".join(lines) + "\n\nNo result differed. Every format with its counts and time is in `docs/proof/last_full_run.json`."


def page_with(record, page):
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{shown(record)}\n{END}{tail}"


def stored_record():
    return json.loads(RECORD.read_text()) if RECORD.exists() else None


def problems(record, page):
    """Why page and record do not belong together; nothing if they do."""
    found = [] if record is None else findings(record["formats"])
    for name, sweep in record["sweeps"].items() if record else ():
        rows = [row for row in record["formats"] if row["sweep"] == name]
        if any(abs(sweep[key] - sum(row[key] for row in rows)) > 0.06 for key in ("cases", "conversions", "seconds")) or sweep["formats"] != len(rows):
            found.append("the sums of the record are not those of its formats")
    if page_with(record, page) != page:
        found.append("docs/proofs.md does not show docs/proof/last_full_run.json: run tools/proof_record.py --page")
    return found


def main():
    parser = argparse.ArgumentParser(description="Makes and checks the record of the last exhaustive run.")
    parser.add_argument("lines", nargs="*", type=Path, help="files that the sweeps appended to")
    parser.add_argument("--check", action="store_true", help="compare page and record")
    parser.add_argument("--page", action="store_true", help="renew the page from the record")
    arguments = parser.parse_args()
    if arguments.lines:
        rows = [json.loads(line) for path in arguments.lines for line in path.read_text().splitlines()]
        if found := findings(rows):
            sys.exit("\n".join([f"proof_record: no whole sweep, {len(found)} findings; nothing was written"] + found[:20]))
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(text_of(record_of(rows, stored_record())))
    elif not (arguments.check or arguments.page):
        parser.error("give the files of lines, --check or --page")
    if arguments.lines or arguments.page:
        PAGE.write_text(page_with(stored_record(), PAGE.read_text()))
    if found := problems(stored_record(), PAGE.read_text()):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
