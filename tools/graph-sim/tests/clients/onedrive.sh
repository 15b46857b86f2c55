#!/usr/bin/env bash
# Debian's onedrive (abraunegg, 2.4) against the simulator, as a person would use it.
# Needs: CA_FILE, PROXY, GRAPH_BASE, CLIENT_ID, USER_ID; root, for a mount namespace of its own: libcurl
# reads the machine's list of CAs, and this client has no setting for another.
set -euo pipefail
: "${CA_FILE:?}" "${PROXY:?}" "${GRAPH_BASE:?}" "${CLIENT_ID:?}" "${USER_ID:?}"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/conf" "$work/home" "$work/first" "$work/second"
fail() { echo "FAILED $*" >&2; exit 1; }
ok() { echo "ok $*"; }

redirect=https://login.microsoftonline.com/common/oauth2/nativeclient
# The person at the sign-in page; the address to which it leads is what the client asks for.
sign_in() {
  curl -s --cacert "$CA_FILE" -o /dev/null -w '%{redirect_url}' --data-urlencode "login=$USER_ID" \
    "$GRAPH_BASE/common/oauth2/v2.0/authorize?client_id=$CLIENT_ID&response_type=code&redirect_uri=$redirect&scope=$1"
}
token=$(curl -s --cacert "$CA_FILE" "$GRAPH_BASE/common/oauth2/v2.0/token" -d "grant_type=authorization_code&client_id=$CLIENT_ID&redirect_uri=$redirect&code=$(sign_in Files.ReadWrite | sed 's/.*code=//; s/&.*//')" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
# What Graph itself says, beside the client.
graph() { curl -s --cacert "$CA_FILE" -H "Authorization: Bearer $token" "$GRAPH_BASE/v1.0$1" "${@:2}"; }

# od NAME OPTIONS...: one run with the folder NAME and a state of its own.
od() {
  local name=$1; shift
  mkdir -p "$work/conf-$name"
  printf 'application_id = "%s"\nsync_dir = "%s"\n' "$CLIENT_ID" "$work/$name" > "$work/conf-$name/config"
  echo "\$ onedrive --confdir conf-$name $*" | cut -c1-100
  env -u SSL_CERT_FILE HOME="$work/home" HTTPS_PROXY="$PROXY" https_proxy="$PROXY" unshare -m \
    bash -c 'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec timeout 60 onedrive "$@"' \
    "$CA_FILE" --confdir "$work/conf-$name" --verbose --disable-notifications "$@" > "$work/log" 2>&1 \
    || { cat "$work/log"; fail "onedrive $*"; }
}
sums() { (cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum); }
same() { diff <(sums "$work/first") <(sums "$work/second") || fail "$1: the folders differ"; ok "$1"; }
# The same, as the service has it: path and hash of each file, walked by children.
walk() {
  graph "/me/drive/$1/children?\$top=200" | python3 -c '
import json, sys
for i in json.load(sys.stdin)["value"]: print("d" if "folder" in i else "f", i["id"], i.get("size"), i["name"], sep="\t")' |
  while IFS=$'\t' read -r kind id size name; do
    if [ "$kind" = d ]; then walk "items/$id" "$2$name/"
    else printf '%s  ./%s\n' "$(graph "/me/drive/items/$id/content" -L | sha256sum | cut -d' ' -f1)" "$2$name"; fi
  done
}
# Whether the last run did anything, in the client's words.
moved() { grep -qE '^(Uploading (new|modified) file|Downloading file|Deleting item|Moving |Creating (local|remote) )' "$work/log"; }
served() {
  walk root "" | LC_ALL=C sort -k2 > "$work/served"
  sums "$work/first" | LC_ALL=C sort -k2 > "$work/have"
  diff "$work/served" "$work/have" || { cat "$work/log"; fail "$1: the drive and the folder differ"; }
  ok "$1: $(wc -l < "$work/have") files"
}

od first --auth-response "$(sign_in 'Files.ReadWrite%20Files.ReadWrite.All%20Sites.ReadWrite.All%20offline_access')" --synchronize
served down
moved || { cat "$work/log"; fail "its words are others"; }
[ "$(find "$work/first" -type f | wc -l)" -gt 3 ] || fail "hardly anything came down"

od first --synchronize
! moved || { cat "$work/log"; fail "a second run finds something"; }
ok "a second run finds nothing"

mkdir -p "$work/first/New term/Week 1"
printf 'plan\n' > "$work/first/New term/plan.txt"
printf 'ä\n' > "$work/first/New term/Week 1/Übung #1 & 100%.txt"
: > "$work/first/New term/empty.txt"
head -c 12582912 /dev/urandom > "$work/first/New term/Week 1/film.bin"  # an upload session of two fragments
od first --synchronize
served up

# Somebody else's machine: another state, another sign-in.
od second --auth-response "$(sign_in 'Files.ReadWrite%20Files.ReadWrite.All%20Sites.ReadWrite.All%20offline_access')" --synchronize
same "second machine"

mv "$work/first/New term/plan.txt" "$work/first/New term/Week 1/plan renamed.txt"
rm "$work/first/New term/empty.txt"
printf 'plan, changed\n' >> "$work/first/New term/Week 1/Übung #1 & 100%.txt"
od first --synchronize
served "renamed, deleted, changed"
od second --synchronize
same "second machine follows"

# What is done at the service reaches the folder.
id=$(graph "/me/drive/root:/New%20term/Week%201/film.bin" | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])')
graph "/me/drive/items/$id" -X PATCH -H 'content-type: application/json' -d '{"name": "film 2.bin"}' > /dev/null
od first --synchronize
[ -f "$work/first/New term/Week 1/film 2.bin" ] || { cat "$work/log"; fail "a rename at the service"; }
served "renamed at the service"
rm -r "$work/first/New term/Week 1"
od first --synchronize
served "a folder deleted"
od first --resync --resync-auth --synchronize
served resync
echo "ok ALL"
