"""test_total.py FOLDER: adds up the JUnit files of a test run, says why tests were skipped, and closes with one honest line.

Exit 1 if a test failed, none passed, or a skip names what BINADE_FORBID_SKIPS (a regular expression) says must be there.
"""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path


def skip_reason(case, skipped):
    """GoogleTest prints the reason (through ctest: into system-out), pytest puts it into the message."""
    output = case.findtext("system-out") or ""
    match = re.search(r": Skipped\n(.*?)\n\n?\[  SKIPPED", output, re.DOTALL)
    if match:
        return " ".join(match.group(1).split()) or "no reason given"
    return " ".join((skipped.get("message") or "no reason given").split())


def outcomes(file):
    """(outcome, name, reason) of every test case in one JUnit file."""
    for case in ElementTree.parse(file).iter("testcase"):
        name = ".".join(part for part in (case.get("classname"), case.get("name")) if part)
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            yield "failed", name, ""
        elif skipped is not None or case.get("status") in ("notrun", "disabled"):
            yield "skipped", name, skip_reason(case, skipped) if skipped is not None else "disabled"
        else:
            yield "passed", name, ""


def main(folder):
    count, reasons, forbidden = Counter(), Counter(), []
    must_run = os.environ.get("BINADE_FORBID_SKIPS")
    for file in sorted(Path(folder).glob("*.xml")):
        for outcome, name, reason in outcomes(file):
            count[outcome] += 1
            if outcome == "skipped":
                reasons[reason] += 1
                if must_run and re.search(must_run, f"{name} {reason}", re.IGNORECASE):
                    forbidden.append(f"{name}: {reason}")
    for reason, times in reasons.most_common():
        print(f"Skipped {times}: {reason}")
    for line in forbidden:
        print(f"This may not be skipped here: {line}")
    # In the form that a reader and a script both understand.
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or forbidden or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
