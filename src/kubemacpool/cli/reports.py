"""Findings as tables, and as what CI servers read: JUnit and SARIF."""

import sys
from importlib.metadata import version
from typing import Any, Final

import typer

from kubemacpool.cli.output import BAD, FAINT, NAME, WORRY, Answer, Column, show
from kubemacpool.cli.pool.findings import ERROR, NOTE, RULES, WARNING, Finding

SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def show_findings(findings: list[Finding], output: str) -> None:
    """Write findings to the standard output."""
    if output == "junit":
        typer.echo(junit(findings))
    elif output == "sarif":
        import json

        typer.echo(json.dumps(sarif(findings), indent=2, ensure_ascii=False))
    else:
        columns = [
            Column("LEVEL", "level", styles={ERROR: BAD, WARNING: WORRY, NOTE: FAINT}),
            Column("RULE", "rule"),
            Column("OBJECT", "object"),
            *([Column("PLACE", "place")] if any(each.file for each in findings) else []),
            Column("MESSAGE", "message"),
        ]
        items = [each.data() | ({"place": f"{each.file}:{each.line}"} if each.file else {}) for each in findings]
        if output == NAME:
            items = [dict(each) for each in {item["object"]: item for item in items}.values()]
        show(Answer("FindingList", items, columns, "Nothing is wrong.", ("object",)), output)
    if sys.stdout.isatty() and findings:
        counts = {level: sum(each.level == level for each in findings) for level in (ERROR, WARNING, NOTE)}
        told = [f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items() if count]
        typer.echo(", ".join(told), err=True)


def junit(findings: list[Finding]) -> str:
    """One test case a rule, which fails where something was found; notes are no failures."""
    from xml.etree import ElementTree as ET

    failed = {each.rule for each in findings if each.level != NOTE}
    suite = ET.Element(
        "testsuite", name="kubemacpool check", tests=str(len(RULES)), failures=str(len(failed)), errors="0", skipped="0"
    )
    for rule, (level, meaning) in RULES.items():
        case = ET.SubElement(suite, "testcase", classname="kubemacpool.check", name=rule)
        told = [f"{_place(each)}{each.object}: {each.message}" for each in findings if each.rule == rule]
        if told:
            element = ET.SubElement(case, "failure" if level != NOTE else "system-out")
            element.text = _printable("\n".join(told))
            if level != NOTE:
                element.attrib.update({"type": level, "message": meaning})
    ET.indent(suite)
    text: str = ET.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'


def sarif(findings: list[Finding]) -> dict[str, Any]:
    """SARIF 2.1.0 (OASIS): what code-scanning views show."""
    names = list(RULES)
    rules = [
        {"id": rule, "shortDescription": {"text": meaning}, "defaultConfiguration": {"level": level}}
        for rule, (level, meaning) in RULES.items()
    ]
    results = []
    for each in findings:
        location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": each.object, "kind": "object"}]}
        if each.file:
            location["physicalLocation"] = {
                "artifactLocation": {"uri": each.file.replace("\\", "/")},
                "region": {"startLine": max(each.line, 1)},
            }
        results.append(
            {
                "ruleId": each.rule,
                "ruleIndex": names.index(each.rule),
                "level": each.level,
                "message": {"text": f"{each.object}: {each.message}"},
                "locations": [location],
            }
        )
    driver = {"name": "kubemacpool", "version": version("kubemacpool"), "rules": rules}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _place(finding: Finding) -> str:
    return f"{finding.file}:{finding.line}: " if finding.file else ""


def _printable(text: str) -> str:
    """Without what XML cannot have."""
    return "".join(each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in text)
