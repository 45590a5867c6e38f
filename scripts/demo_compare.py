"""Put the demo's two audits side by side, and say whether everything came out right.

Usage: demo_compare.py LOGS, the folder that holds before.json, after.json and second.log. Exit status 0: all as it
must be.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ARCHON = ("archon-server", "archon-mcp", "archon-agent-work-orders")


def service(report: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what a report says of a service."""
    found: dict[str, Any] = next(row for row in report["services"] if row["service"] == name)
    return found


def database(report: dict[str, Any], cluster: str, name: str) -> dict[str, Any]:
    """Return what a report says of a database."""
    found: dict[str, Any] = next(
        row for row in report["databases"] if (row["cluster"], row["database"]) == (cluster, name)
    )
    return found


def facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is compared, as rows of a label and a text."""
    described = [row for row in report["databases"] if row["described"]]
    rows = [(f"{name}", f"{service(report, name)['health']}") for name in ARCHON]
    rows.append(("the eleven tables are served from", str(service(report, "archon-server")["served_from"])))
    rows.append(("blast radius of postgres", database(report, "main", "postgres")["verdict"]))
    rows.append(("  services that it concerns", str(len(database(report, "main", "postgres")["services"]))))
    rows.append(("blast radius of archon_db", database(report, "main", "archon_db")["verdict"]))
    copies = [row for row in described if row["newest_verified"]]
    rows.append(("databases with a verified copy", f"{len(copies)} of {len(described)}"))
    for row in described:
        path = row["newest_verified"]
        rows.append((f"  newest of {row['database']}", Path(path).name if path else "none"))
    rows.append(("findings", str(len(report["findings"]))))
    return rows


def wrong(before: dict[str, Any], after: dict[str, Any], second_run: str) -> list[str]:
    """Return what did not come out as it must."""
    problems = []
    changed = re.findall(r"changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", second_run)
    if changed != [("0", "0", "0")]:
        problems.append(f"the second run of site: {changed} instead of changed=0, unreachable=0, failed=0")
    expected = [
        ("archon-server was unhealthy before", service(before, "archon-server")["health"], "unhealthy"),
        ("the tables were served from postgres before", service(before, "archon-server")["served_from"], "postgres"),
        ("postgres was a catastrophe before", database(before, "main", "postgres")["verdict"], "catastrophic"),
        ("the tables are served from archon_db", service(after, "archon-server")["served_from"], "archon_db"),
        ("five services concern it", len(database(before, "main", "postgres")["services"]), 5),
        ("none does any more", database(after, "main", "postgres")["services"], []),
        ("postgres holds Supabase only", database(after, "main", "postgres")["tenants"].keys() - {"supabase"}, set()),
        ("postgres is contained", database(after, "main", "postgres")["verdict"], "contained"),
        ("archon_db is contained", database(after, "main", "archon_db")["verdict"], "contained"),
    ]
    expected += [(f"{name} is healthy", service(after, name)["health"], "healthy") for name in ARCHON]
    expected += [
        (f"{row['database']} has a verified copy", bool(row["newest_verified"]), True)
        for row in after["databases"]
        if row["described"]
    ]
    problems += [f"{what}: {found!r} instead of {must!r}" for what, found, must in expected if found != must]
    return problems


def main() -> int:
    """Print the comparison; return the exit status."""
    logs = Path(sys.argv[1])
    before = json.loads((logs / "before.json").read_text(encoding="utf-8"))
    after = json.loads((logs / "after.json").read_text(encoding="utf-8"))
    table = [("", "BEFORE", "AFTER")]
    table += [(left[0], left[1], right[1]) for left, right in zip(facts(before), facts(after))]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    problems = wrong(before, after, (logs / "second.log").read_text(encoding="utf-8"))
    print()
    for problem in problems:
        print(f"WRONG: {problem}")
    if not problems:
        print("All of it came out right.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
