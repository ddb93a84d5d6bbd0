"""A kubectl that answers from files: what the command line asks of the real one, in the real one's words.

`FAKE_KUBECTL` names a folder: `objects/*.json` are the cluster's, `may_not.json` the rights that are missing
(`["list pods"]`), `raw.json` what paths of the API give, `events/*.json` what a watch tells after the objects that are
there. `test_contract.py` holds it against the real one.
"""

import json
import os
import sys
import time
from pathlib import Path

FOLDER = Path(os.environ["FAKE_KUBECTL"])
GROUPS = {
    "modeldeployments": "verdigris.dev",
    "rolloutdecisions": "verdigris.dev",
    "deployments": "apps",
    "prometheusrules": "monitoring.coreos.com",
}
KINDS = {
    "modeldeployments": "ModelDeployment",
    "rolloutdecisions": "RolloutDecision",
    "pods": "Pod",
    "deployments": "Deployment",
    "services": "Service",
    "leases": "Lease",
    "prometheusrules": "PrometheusRule",
    "customresourcedefinitions": "CustomResourceDefinition",
}


def fail(words, code=1):
    print(words, file=sys.stderr)
    sys.exit(code)


def stored(name, default):
    path = FOLDER / name
    return json.loads(path.read_text()) if path.exists() else default


def objects():
    return [json.loads(path.read_text()) for path in sorted((FOLDER / "objects").glob("*.json"))]


def keep(thing):
    meta = thing["metadata"]
    (FOLDER / "objects" / f"{thing['kind']}-{meta['name']}.json").write_text(json.dumps(thing))


def flag(arguments, *names, default=""):
    for at, word in enumerate(arguments):
        for name in names:
            if word == name and at + 1 < len(arguments):
                return arguments[at + 1]
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
    return default


def check(verb, plural, namespace, everywhere):
    """403 in the API server's words."""
    if f"{verb} {plural}" not in stored("may_not.json", []):
        return
    group = GROUPS.get(plural, "")
    named = f"{plural}.{group}" if group else plural
    where = "at the cluster scope" if everywhere else f'in the namespace "{namespace}"'
    fail(
        f'Error from server (Forbidden): {named} is forbidden: User "bob" cannot {verb} resource "{plural}" in API '
        f'group "{group}" {where}'
    )


def selected(thing, selector):
    labels = thing["metadata"].get("labels") or {}
    for term in filter(None, selector.split(",")):
        name, wants, value = term.partition("=")
        if name not in labels or (wants and labels[name] != value):
            return False
    return True


def shown(thing):
    print(json.dumps(thing, indent=4), flush=True)


def get(arguments):
    raw = flag(arguments, "--raw")
    if raw:
        answers = stored("raw.json", {})
        found = next((answer for path, answer in answers.items() if raw.startswith(path)), None)
        if found is None:
            fail("Error from server (NotFound): the server could not find the requested resource")
        print(json.dumps(found))
        return
    words, namespace = positional(arguments), flag(arguments, "--namespace", "-n", default="clinic")
    plurals = [word.partition(".")[0] for word in words[0].split(",")]
    if words[0].startswith("servicemonitors") and not stored("raw.json", {}):
        fail('error: the server doesn\'t have a resource type "servicemonitors"')
    everywhere, selector = "--all-namespaces" in arguments, flag(arguments, "--selector")
    watch = "--watch" in arguments
    for plural in plurals:
        # kubectl lists before it watches.
        for verb in ("list" if len(words) < 2 else "get", *(["watch"] if watch else [])):
            check(verb, plural, namespace, everywhere)
    wanted = {KINDS.get(plural) for plural in plurals}
    found = [one for one in objects() if one["kind"] in wanted and selected(one, selector)]
    if len(words) > 1:
        found = [one for one in found if one["metadata"]["name"] in words[1:]]
        if not found:
            group = GROUPS.get(plurals[0], "")
            named = f"{plurals[0]}.{group}" if group else plurals[0]
            fail(f'Error from server (NotFound): {named} "{words[1]}" not found')
    if watch:
        watched(found, wanted, words[1:])
    elif len(words) > 1:
        shown(found[0])
    else:
        shown({"apiVersion": "v1", "kind": "List", "items": found})


def watched(found, wanted, names):
    """What is there, then what the files tell; then it goes on until it is ended."""
    for one in found:
        shown({"type": "ADDED", "object": one})
    for path in sorted((FOLDER / "events").glob("*.json")):
        event = json.loads(path.read_text())
        if event["object"]["kind"] in wanted and (not names or event["object"]["metadata"]["name"] in names):
            shown(event)
    if (FOLDER / "answer.json").exists() and "RolloutDecision" in wanted:
        # The operator's answer to a decision.
        for one in found:
            shown({"type": "MODIFIED", "object": {**one, "status": stored("answer.json", {})}})
    time.sleep(60)


def positional(arguments):
    """Words that are neither flags nor their values."""
    takes, words, skip = ("-o", "-p", "-f", "-n", "--raw"), [], False
    for word in arguments[1:]:
        if skip:
            skip = False
        elif word in takes:
            skip = True
        elif not word.startswith("-"):
            words.append(word)
    return words


def create(arguments):
    made = json.loads(sys.stdin.read())
    if made["kind"] == "List":
        # Reviews of the caller's own rights, which are no objects: each is answered, one after the other.
        for one in made["items"]:
            asked = one["spec"]["resourceAttributes"]
            may = f"{asked['verb']} {asked['resource']}" not in stored("may_not.json", [])
            shown({**one, "status": {"allowed": may}})
        return
    check("create", "rolloutdecisions", made["metadata"].get("namespace"), False)
    refused = stored("policy.json", None)
    if refused:
        fail(
            'Error from server (Forbidden): error when creating "STDIN": rolloutdecisions.verdigris.dev "x" is '
            "forbidden: ValidatingAdmissionPolicy 'verdigris-decisions' with binding 'verdigris-decisions' "
            "denied request: " + refused
        )
    made["metadata"]["name"] = made["metadata"].pop("generateName") + "abcde"
    made["metadata"]["creationTimestamp"] = "2026-11-28T10:00:00Z"
    if "--dry-run=server" not in arguments:
        keep(made)
    shown(made)


def patch(arguments):
    words = positional(arguments)
    check("patch", "modeldeployments", flag(arguments, "--namespace"), False)
    thing = next(one for one in objects() if one["metadata"]["name"] == words[1])
    change = json.loads(flag(arguments, "-p"))
    thing["spec"].update(change.get("spec", {}))
    thing["metadata"].setdefault("annotations", {}).update(change.get("metadata", {}).get("annotations", {}))
    if "--dry-run=server" not in arguments:
        keep(thing)
    shown(thing)


def auth(arguments):
    words = positional(arguments)
    if words[0] == "whoami":
        shown({"kind": "SelfSubjectReview", "status": {"userInfo": {"username": "bob"}}})
        return
    as_other = any(word.startswith("--as=") for word in arguments)
    verb, resource = words[1], words[2].partition(".")[0]
    if as_other and "impersonate users" in stored("may_not.json", []):
        fail(
            'Error from server (Forbidden): users "x" is forbidden: User "bob" cannot impersonate resource "users" in '
            'API group "" at the cluster scope'
        )
    may = f"{verb} {resource}" not in stored("may_not.json", [])
    print("yes" if may else "no")
    sys.exit(0 if may else 1)


def apply(_):
    text = sys.stdin.read()
    if "strategy: Green" in text:
        fail('The ModelDeployment "x" is invalid: spec.rollout.strategy: Unsupported value: "Green"')
    print("modeldeployment.verdigris.dev/x")


def main():
    arguments = sys.argv[1:]
    with (FOLDER / "calls").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    if (FOLDER / "away").exists():
        fail("The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?")
    # Flags of the connection come first, as they do with the real one.
    while arguments and arguments[0].startswith("-"):
        arguments.pop(0)
    verb = arguments[0]
    if verb == "version":
        shown(
            {
                "clientVersion": {"gitVersion": "v1.35.0"},
                "serverVersion": {"gitVersion": stored("version.json", "v1.35.0")},
            }
        )
    elif verb == "logs":
        print("a line of a log, password=hunter2")
    else:
        {"get": get, "create": create, "patch": patch, "auth": auth, "apply": apply}[verb](arguments)


main()
