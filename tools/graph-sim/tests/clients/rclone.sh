#!/usr/bin/env bash
# rclone (Debian 1.60) against the simulator, as a new user would do it: no browser.
# Needs: CA_FILE, PROXY (e.g. http://127.0.0.1:8080, the simulator's CONNECT port), DRIVE_ID.
# Optional: CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, ACCESS_TOKEN, TOKEN_EXPIRY, DRIVE_TYPE (business).
set -euo pipefail
: "${CA_FILE:?path of the simulator CA (PEM)}" "${PROXY:?http://127.0.0.1:PROXYPORT}" "${DRIVE_ID:?a drive id}"
CLIENT_ID=${CLIENT_ID:-00000000-0000-0000-0000-000000000001}; CLIENT_SECRET=${CLIENT_SECRET:-secret}
DRIVE_TYPE=${DRIVE_TYPE:-business}
# An expiry in the past makes rclone use the refresh token first.
TOKEN_EXPIRY=${TOKEN_EXPIRY:-2020-01-01T00:00:00Z}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED $*" >&2; exit 1; }

export RCLONE_CONFIG="$work/rclone.conf"
cat > "$RCLONE_CONFIG" <<C
[od]
type = onedrive
region = global
client_id = $CLIENT_ID
client_secret = $CLIENT_SECRET
token = {"access_token":"${ACCESS_TOKEN:-expired}","token_type":"Bearer","refresh_token":"${REFRESH_TOKEN:-refresh}","expiry":"$TOKEN_EXPIRY"}
drive_id = $DRIVE_ID
drive_type = $DRIVE_TYPE
C
chmod 600 "$RCLONE_CONFIG"

export HTTPS_PROXY="$PROXY" https_proxy="$PROXY"
unset NO_PROXY no_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy || true
# --ca-cert (not SSL_CERT_FILE) makes rclone trust ONLY this CA.
# --retries 1 --low-level-retries 2: an error shows at once instead of after minutes of back-off.
rc() { timeout 120 rclone --ca-cert "$CA_FILE" --retries 1 --low-level-retries 2 ${RCLONE_EXTRA:-} "$@"; }
step() { local n=$1; shift; "$@" || fail "$n"; echo "ok $n"; }

mkdir -p "$work/up/sub dir/deep" "$work/down"
: > "$work/up/empty.txt"                                          # 0 bytes: single PUT + PATCH
printf 'hello\n' > "$work/up/small.txt"                           # >0 bytes: always an upload session in 1.60
printf 'odd\n' > "$work/up/sub dir/a#b%c+d&e 'q' åß.txt"          # URL-encoding
printf 'odd2\n' > "$work/up/sub dir/colon: quest? .txt"            # rclone maps : ? to full-width characters
head -c 12582912 /dev/urandom > "$work/up/sub dir/deep/big.bin"   # 12 MiB: two fragments (10 MiB + 2 MiB)
touch -d '2021-05-06T07:08:09Z' "$work/up/small.txt" "$work/up/empty.txt"
D="od:rclone-test-$$"

step about   rc about od:
step mkdir   rc mkdir "$D/made/by mkdir"
step copy-up rc copy "$work/up" "$D"
step list    rc lsf -R --format pst --separator '|' "$D"
want=$(cd "$work/up" && find . -type f | sed 's#^\./##' | LC_ALL=C sort)
got=$(rc lsf -R --files-only "$D" | LC_ALL=C sort)
[ "$want" = "$got" ] || { diff <(echo "$want") <(echo "$got") || true; fail list-names; }
echo "ok list-names"
got=$(TZ=UTC rc lsf --format t --files-only --include small.txt "$D")
[ "$got" = "2021-05-06 07:08:09" ] || fail "mtime small.txt is '$got'"
got=$(TZ=UTC rc lsf --format t --files-only --include empty.txt "$D")
[ "$got" = "2021-05-06 07:08:09" ] || fail "mtime empty.txt is '$got'"
echo "ok mtime"
step copy-back rc copy "$D" "$work/down"
(cd "$work/up" && find . -type f -print0) | while IFS= read -r -d '' f; do cmp "$work/up/$f" "$work/down/$f" || exit 1; done || fail bytes
echo "ok bytes"
# By hash. rclone check exits 0 when NO hash is in common, so ask for the log line too.
rc check -v "$work/up" "$D" 2> "$work/check.log" || { cat "$work/check.log" >&2; fail check-hash; }
cat "$work/check.log"
grep -q "hashes could not be checked" "$work/check.log" && fail "check-hash: the server gave no usable hash"
echo "ok check-hash"
step check-download rc check --download "$work/up" "$D"
# Second copy must move nothing (sizes and mtimes agree).
rc copy -v --stats-one-line "$work/up" "$D" 2>&1 | tee "$work/again.log"; ! grep -q ': Copied' "$work/again.log" || fail "second copy moved files"
echo "ok copy-again-is-empty"
printf 'changed\n' > "$work/up/small.txt"
step overwrite rc copy "$work/up" "$D"
[ "$(rc cat "$D/small.txt")" = changed ] || fail overwrite-content
echo "ok overwrite-content"
[ "$(rc cat --offset 2 --count 3 "$D/small.txt")" = ang ] || fail range-read
echo "ok range-read"
step purge rc purge "$D"
[ -z "$(rc lsf od: | grep "rclone-test-$$" || true)" ] || fail purge-left
echo "ok ALL"
