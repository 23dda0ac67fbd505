"""differences.json, the list of what other libraries do differently, and docs/differences.md, made from it.

`python tests/libraries/differences.py` writes the page.
"""

import itertools
import json
import pathlib

LIST = pathlib.Path(__file__).with_name("differences.json")
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "differences.md"


def load():
    return json.loads(LIST.read_text())


def keys_of(listed, library):
    """What test_libraries.py must find: (against, format, policies, source, kind of input)."""
    return {
        (against, *conversion, kind)
        for row in listed["differences"]
        if row["library"] == library
        for to in row["to"]
        for conversion in itertools.product(to["formats"], to["policies"], to["from"])
        for against in row["against"]
        for kind in row["inputs"]
    }


def code_text(code, name):
    """As examples have it.  Formats of fewer than 16 bits have no codes 0xffff and 0xfffe: libraries.py says what they are."""
    if name not in ("e8m7", "e5m10") and code >= 0xFFFE:
        return "refused" if code == 0xFFFF else "no code"
    return f"{code:02x}"


# ---- the page -----------------------------------------------------------------------------------------------------------

BEGIN, END = "<!-- begin: made by tests/libraries/differences.py -->", "<!-- end -->"


def cells(row):
    conversions = []
    for to in row["to"]:
        with_policies = "" if to["policies"] == [""] else " with " + ", ".join(f"`{p}`" if p else "nothing said" for p in to["policies"])
        conversions.append(f"{', '.join(f'`{f}`' for f in to['formats'])}{with_policies} from {', '.join(to['from'])}")
    if "default" not in row["against"]:
        profile = f"not `as={row['profile']}`"
    elif "profile" in row["against"] or not row["profile"]:
        profile = "none"
    else:
        profile = f"`as={row['profile']}`"
    name, policies, source, given, theirs, ours = row["examples"][0]
    how = "" if "default" in row["against"] else f" as={row['profile']}"
    example = f"`{name}{'/' + policies if policies else ''}` from {source} {given}: {theirs}, binade{how} {ours}"
    return [", ".join(row["inputs"]), "; ".join(conversions), row["theirs"], row["binade"], row["cause"], profile, example]


def tables(listed):
    titles = ["input", "conversion", "theirs", "binade", "cause", "profile that gives theirs", "example (codes)"]
    lines = []
    for library, version in listed["versions"].items():
        lines += [f"## {library} {version}", "", "| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
        lines += ["| " + " | ".join(cells(row)) + " |" for row in listed["differences"] if row["library"] == library]
        lines.append("")
    lines += ["## Arithmetic of ml_dtypes", "", ARITHMETIC, ""]
    titles = ["result", "operation", "theirs", "binade", "cause", "example (codes)"]
    lines += ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    for row in listed["arithmetic"]:
        name, operation, x, y, theirs, ours = row["example"]
        operands = x if operation == "sqrt" else f"{x}, {y}"
        where = f"{', '.join(row['operations'])} in {', '.join(f'`{f}`' for f in row['formats'])}"
        example = f"`{name}` {operation} of {operands}: {theirs}, binade {ours}"
        lines.append("| " + " | ".join([row["results"], where, row["theirs"], row["binade"], row["cause"], example]) + " |")
    lines.append("")
    return "\n".join(lines)


ARITHMETIC = (
    "`+ - * /` and `sqrt` of arrays, all pairs of codes of its formats of 8 bits or fewer and 2^20 pairs of bfloat16. ml_dtypes computes in float32 and converts the\n"
    "result: rounded twice, and yet the codes are binade's, rounded once, under `as=ml_dtypes`, but for these."
)


def page(listed):
    before, rest = PAGE.read_text().split(BEGIN)
    return before + BEGIN + "\n\n" + tables(listed) + "\n" + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(load()))
