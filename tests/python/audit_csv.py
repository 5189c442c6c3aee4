"""Python's csv reads an export of the audit log: every field is that of the event as the API tells it."""

import csv
import json
import sys

NESTED = {
    "actor_kind": ("actor", "kind"),
    "actor_id": ("actor", "id"),
    "actor_name": ("actor", "name"),
    "actor_ip": ("actor", "ip"),
    "actor_on_behalf_of": ("actor", "on_behalf_of"),
    "target_id": ("target", "id"),
    "target_name": ("target", "name"),
}

with open(sys.argv[2], encoding="utf-8") as file:
    events = {event["seq"]: event for event in json.load(file)}
csv.field_size_limit(sys.maxsize)
count = 0
with open(sys.argv[1], encoding="utf-8", newline="") as file:
    for row in csv.DictReader(file, strict=True):
        assert None not in row and None not in row.values(), row
        for column, cell in row.items():
            assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r"), (column, cell)
        undone = {column: cell[1:] if cell.startswith("'") else cell for column, cell in row.items()}
        event = events[int(undone["seq"])]
        for column, cell in undone.items():
            if column == "proof":
                continue
            value = event
            for member in NESTED.get(column, (column,)):
                value = value[member]
            if value is None:
                assert cell == "", (column, cell)
            elif isinstance(value, str):
                assert cell == value, (column, cell, value)
            else:
                assert json.loads(cell) == value, (column, cell, value)
        count += 1
print(count)
