#!/usr/bin/env bash
# The CLI for Microsoft 365 against the simulator, signed in with a device's code.
# Needs: M365 (the program), PROXY, GRAPH_BASE, CA_FILE, NODE_EXTRA_CA_CERTS, CLIENT_ID, TENANT, ADMIN.
set -euo pipefail
: "${M365:?}" "${PROXY:?}" "${GRAPH_BASE:?}" "${CA_FILE:?}" "${CLIENT_ID:?}" "${TENANT:?}" "${ADMIN:?}"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
export HOME="$work" HTTPS_PROXY="$PROXY" https_proxy="$PROXY" CI=1
fail() { echo "FAILED $*" >&2; exit 1; }
# Its own settings: nothing is told to its makers, errors as text.
mkdir -p "$work/.config/configstore"
echo '{"disableTelemetry": true, "errorOutput": "stderr"}' > "$work/.config/configstore/cli-m365-config.json"

"$M365" login --authType deviceCode --appId "$CLIENT_ID" --tenant "$TENANT" --output json > "$work/login" 2>&1 & login=$!
for _ in $(seq 300); do grep -q 'enter the code' "$work/login" && break; sleep 0.2; done
code=$(grep -o 'code [A-Z0-9]* to' "$work/login" | cut -d' ' -f2) || { cat "$work/login"; fail "no code"; }
curl -s --cacert "$CA_FILE" "$GRAPH_BASE/common/oauth2/deviceauth" -d "otc=$code" --data-urlencode "login=$ADMIN" > /dev/null
wait "$login" || { cat "$work/login"; fail login; }
grep -q "$ADMIN" "$work/login" || { cat "$work/login"; fail "signed in as somebody else"; }
echo "ok login as $ADMIN"

# ask NAME 'python that holds the answer `v` true' COMMAND...
ask() {
  local name=$1 holds=$2; shift 2
  echo "\$ m365 $*"
  timeout 120 "$M365" "$@" --output json > "$work/$name.json" 2> "$work/err" || { cat "$work/err"; fail "$name"; }
  ADMIN=$ADMIN DIR=$work python3 -c '
import json, os, sys
load = lambda n: json.load(open(os.environ["DIR"] + "/" + n + ".json"))
v, admin = load(sys.argv[1]), os.environ["ADMIN"]
assert eval(sys.argv[2]), (sys.argv[2], str(v)[:2000])
print("ok", sys.argv[1], len(v) if isinstance(v, list) else "")' "$name" "$holds" || fail "$name"
}
# Two at a time: most of what a command takes is its own start.
ask users 'len(v) > 3 and admin in [u["userPrincipalName"] for u in v]' entra user list --properties displayName,userPrincipalName & a=$!
ask groups 'len(v) > 1 and all(g["id"] and g["displayName"] for g in v)' entra group list & b=$!
wait $a || exit 1; wait $b || exit 1
ask user 'v["userPrincipalName"] == admin' entra user get --userName "$ADMIN" & a=$!
ask apps 'len(v) > 0 and all(a["appId"] for a in v)' entra app list & b=$!
wait $a || exit 1; wait $b || exit 1
ask messages 'len(v) > 0 and all(m["id"] and m["parentFolderId"] for m in v)' outlook message list --folderName Inbox & a=$!
ask tenant "v == '$TENANT'" tenant id get & b=$!
wait $a || exit 1; wait $b || exit 1
message=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[0]["id"])' "$work/messages.json")
ask message 'v["id"] == load("messages")[0]["id"] and v["subject"] == load("messages")[0]["subject"]' outlook message get --id "$message" & a=$!
ask policies 'isinstance(v, list)' entra policy list --type tokenLifetime & b=$!
wait $a || exit 1; wait $b || exit 1
echo '$ m365 outlook message move'
timeout 120 "$M365" outlook message move --id "$message" --sourceFolderName Inbox --targetFolderName Archive --output json > "$work/moved" 2>&1 || { cat "$work/moved"; fail move; }
ask after 'len(v) == len(load("messages")) - 1 and load("messages")[0]["subject"]' outlook message list --folderName Inbox & a=$!
ask archived 'load("messages")[0]["subject"] in [m["subject"] for m in v]' outlook message list --folderName Archive & b=$!
wait $a || exit 1; wait $b || exit 1
echo "ok ALL"
