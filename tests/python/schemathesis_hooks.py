"""What the OpenAPI document cannot say of a valid request: times that are ahead, things that exist,
sizes in bytes, members that must fit one another. Parts that are meant to be invalid stay as they are."""

import datetime
import ipaddress
import json
import os
import random
import uuid

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

NOW = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
DAY = datetime.timedelta(days=1)
# Ahead enough for an expiry, and not too far for the grace period of a rotation.
times = st.datetimes(NOW + DAY, NOW + 29 * DAY).map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"))
schemathesis.openapi.format("date-time", times)

ranges = st.builds(
    lambda bits, length: str(ipaddress.ip_network((bits, length), strict=False)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
schemathesis.openapi.format("cidr", ranges)


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


# The policy of a key, its restrictions among it, has to fit into a record's share of a leaf.
POLICY_BYTES = 600
DICE = random.Random(1)
SAFE_INTEGER = 2**53 - 1


@schemathesis.hook
def before_call(context, case, kwargs):
    meta = case.meta
    # What a test is about to make invalid, where it says so.
    negated = getattr(meta.phase.data, "parameter_location", None) if meta else None

    def is_meant_well(location):
        if meta is None or meta.generation.mode.is_positive:
            return True
        return negated != location if negated else not meta.is_negative_at(location)

    if is_meant_well(ParameterLocation.PATH) and (meta is None or meta.phase.name != TestPhase.STATEFUL):
        case.path_parameters.update(existing(case.operation, case.path_parameters))
    if is_meant_well(ParameterLocation.HEADER):
        # The same key with another request would be refused.
        if "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = str(uuid.uuid4())
        if "If-Match" in case.headers:
            case.headers["If-Match"] = "*"
        # What is brought is not there yet: a tag of it is nobody's.
        if case.operation.path == "/v1/keys/import":
            case.headers.pop("If-Match", None)
        case.headers.pop("Keyward-On-Behalf-Of", None)
    if is_meant_well(ParameterLocation.QUERY):
        for name in ["member", "team", "api", "cursor"]:
            case.query.pop(name, None)
        filtered(case.query)
        if case.operation.path == "/v1/audit/proof":
            # One of the two is asked for, of events that there are.
            asked = "from_size" if "from_size" in case.query and "seq" not in case.query else "seq"
            case.query.clear()
            case.query[asked] = 1
    if is_meant_well(ParameterLocation.BODY) and isinstance(case.body, dict):
        made_possible(case.body, case.path_parameters)
    if case.media_type == "application/x-ndjson" and isinstance(case.body, (dict, list, int, float, type(None))):
        # On the wire it is a text, and any text is a body there.
        case.body = json.dumps(case.body)
    if is_meant_well(ParameterLocation.BODY) and case.media_type == "application/x-ndjson" and DICE.random() < 0.5:
        # This one brings a key.
        line = {"external_id": str(uuid.uuid4()), "workspace": made("/v1/workspaces", {"name": "schemathesis"})["slug"]}
        line |= {"name": "one", "access": "read-only", "apis": ["*"], "secret": str(uuid.uuid4())}
        case.body = json.dumps(line)
    if is_meant_well(ParameterLocation.BODY) and case.media_type == "application/octet-stream":
        case.body = report()


def report():
    """The first report of an edge that has nothing to say: its form is told in shared/src/report.rs."""
    envelope = b"KWRP\x01" + DICE.randbytes(10) + b"\x00\x00\x00\x01" + bytes(3)
    times, lanes_state_software_peppers, held = bytes(16), b"\x02\x00\x00\x00", bytes(24)
    return envelope + times + lanes_state_software_peppers + held + bytes(1 + 1 + 2 + 36 + 1 + 1)


def made(path, body, method="POST"):
    answer = requests.request(
        method,
        os.environ["KEYWARD_URL"] + path,
        json=body,
        headers={"Authorization": "Bearer " + os.environ["KEYWARD_TOKEN"]},
        timeout=20,
    )
    answer.raise_for_status()
    return answer.json()


def existing(operation, drawn):
    """Identifiers of things that were made for this call alone, in three of four calls."""
    if not isinstance(drawn, dict) or "ws" not in drawn or DICE.random() < 0.25:
        return {}
    workspace = made("/v1/workspaces", {"name": "schemathesis"})["id"]
    ids = {"ws": workspace}
    if "key" in drawn:
        path = f"/v1/workspaces/{workspace}/keys"
        ids["key"] = made(path, {"name": "one", "access": "read-only", "apis": ["*"]})["key"]["id"]
        if "/rotation/" in operation.path:
            made(f"{path}/{ids['key']}/rotate", {"grace_seconds": 3600})
    elif "member" in drawn:
        path = f"/v1/workspaces/{workspace}/members"
        ids["member"] = made(path, {"name": "one", "role": "staff"})["id"]
        if "token" in drawn:
            ids["token"] = made(f"{path}/{ids['member']}/tokens", {"name": "one"})["token"]["id"]
    elif "team" in drawn:
        ids["team"] = made(f"/v1/workspaces/{workspace}/teams", {"name": "one"})["id"]
    elif operation.method.upper() == "DELETE":
        made(f"/v1/workspaces/{workspace}", {"status": "suspended"}, "PATCH")
    return ids


def made_possible(body, path):
    # To a schema 1.0 is a whole number, too.
    body.update({name: int(value) for name, value in body.items() if isinstance(value, float) and value.is_integer()})
    # Times of earlier answers are drawn, too.
    for name in ["expires_at", "previous_valid_until"]:
        if isinstance(body.get(name), str):
            body[name] = (NOW + DICE.randint(1, 28) * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name in ["member_id", "team_id", "team_ids", "reassign"]:
        body.pop(name, None)
    body.pop("cursor", None)
    if isinstance(body.get("ids"), list):
        # Of those that begin with an L, some stand for more than 64 bits.
        body["ids"] = list(dict.fromkeys(name.replace("_L", "_K", 1) for name in body["ids"]))
    if isinstance(body.get("filter"), dict) and "email" in body:
        filtered(body["filter"])
    elif isinstance(body.get("filter"), dict):
        # Without a preview nothing is changed by last use.
        asked = ["member", "team", "api"] + ([] if body.get("dry_run") else ["last_used_before"])
        known = {name: value for name, value in body["filter"].items() if name not in asked}
        body["filter"] = {name: value for name, value in known.items() if value is not None} or {"status": "active"}
    if isinstance(body.get("apis"), list):
        body["apis"] = ["*"]
    if "metadata" in body and not fits(body["metadata"]):
        body["metadata"] = {}
    if isinstance(body.get("restrictions"), dict):
        restricted(body["restrictions"])
    if isinstance(body.get("accept"), list):
        body["accept"] = accepted(body["accept"])
    if "routes" in body:
        body["routes"] = list({route["path_prefix"]: route for route in body["routes"]}.values())
    if "api" in path and body.get("name") is not None:
        body["name"] = path["api"]


def filtered(asked):
    # Words, and not signs alone; a time that does not end before it begins.
    if asked.get("q"):
        asked["q"] = "one"
    if asked.get("from"):
        asked.pop("to", None)


def fits(metadata, depth=1):
    if depth == 1 and len(json.dumps(metadata, ensure_ascii=False).encode()) > 3000:
        return False
    if isinstance(metadata, bool) or metadata is None or isinstance(metadata, str):
        return True
    if isinstance(metadata, (int, float)):
        return abs(metadata) <= SAFE_INTEGER
    inner = metadata.values() if isinstance(metadata, dict) else metadata
    return depth <= 16 and all(fits(value, depth + 1) for value in inner)


def restricted(restrictions):
    room = POLICY_BYTES
    for name in ["ips", "referrers", "apps"]:
        kept = []
        for entry in restrictions.get(name) or []:
            room -= len(json.dumps(entry))
            # Not every text in brackets is an IPv6 address, in its one way to be written.
            if room > 0 and not (isinstance(entry, str) and entry.startswith("[")):
                kept.append(entry)
        if name in restrictions:
            restrictions[name] = kept


def accepted(forms):
    plain = [form for form in forms if not form.startswith("header:")]
    return plain + (["header:x-api-key"] if len(plain) < len(forms) else [])
