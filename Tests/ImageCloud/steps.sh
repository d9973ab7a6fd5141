# What the scenarios of the image cloud share: three nodes from manifests/images, with a network of their own, so that
# their ports are free whatever else runs here. Source it first.

root=$(cd "$(dirname "$0")/../.." && pwd)
products=${PRODUCTS:-$root/.build/release}
title=$(basename "$0")

# in_own_network: starts the script again, alone with its network. Not 0 if that is not allowed.
in_own_network() {
  [ -z "${OWN_NETWORK:-}" ] || return 0
  unshare -rn true 2>/dev/null || return 1
  # Who may do it all needs no other user's name for it.
  as=-rn
  [ "$(id -u)" -ne 0 ] || as=-n
  OWN_NETWORK=1 exec unshare $as "$0"
}

say() { printf '%s\n' "$*"; }

fail() {
  say "  $*"
  for log in "$folder"/node-*.log; do
    [ -f "$log" ] && say "  the end of $(basename "$log"):" && tail -5 "$log"
  done
  say "$title: failed"
  exit 1
}

passed() {
  say "$title: passed"
  exit 0
}

skip() {
  say "$title: skipped, $*"
  exit 0
}

# end_all: ends what was started here, and nothing else.
end_all() {
  for process in $started; do kill -9 "$process" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}

begin() {
  say "== $title: $*"
  [ -x "$products/nodehost" ] || { say "$title: failed, $products has no nodehost; run Host/start once"; exit 1; }
  folder=$(mktemp -d)
  started=""
  trap end_all EXIT
  trap 'exit 1' INT TERM
  export SHARED_DIR="$folder/shared" NODEHOST_RUNTIME_DIR="$folder/run"
  ENCRYPTION_KEY=$(od -An -vtx1 -N32 /dev/urandom | tr -d ' \n')
  export ENCRYPTION_KEY
  unset CONFIG_FILE NODE_ID
  ip link set lo up 2>/dev/null || true
}

# start_node ID [WORD...]: a node by its own manifest; the words come before `nodehost`.
start_node() {
  id=$1
  shift
  "$@" "$products/nodehost" "$root/manifests/images/node-$id.yaml" --set "plugins.folders=[$products]" \
    --set blobs.free_floor_mb=0 $settings >>"$folder/node-$id.log" 2>&1 &
  eval "process_$id=$!"
  started="$started $!"
}

kill_node() {
  eval "process=\$process_$1"
  kill -9 "$process"
  wait "$process" 2>/dev/null || true
}

hostctl() { "$products/hostctl" "$@"; }

# until_true SECONDS WHAT COMMAND...: tries it again and again.
until_true() {
  tries=$(($1 * 20))
  what=$2
  shift 2
  while ! "$@" >"$folder/said" 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "$what, it was expected, and is not so: $(tail -2 "$folder/said")"
    sleep 0.05
  done
}

# A node leads, and says so itself.
leads() { hostctl images discover | grep -q "^node $1 at .* leads"; }

# picture WIDTH HEIGHT FILE: a PNG like none before it.
picture() {
  python3 - "$root/Tests/Interop" "$@" <<'TEXT'
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from image_clients import picture
open(sys.argv[4], "wb").write(picture(int(sys.argv[2]), int(sys.argv[3])))
TEXT
}

# send FILE: prints what is said of it.
send() { hostctl images send "$1" || fail "$1 is not taken"; }

id_of() { sha256sum "$1" | cut -d' ' -f1; }

# given_as_sent FILE: whoever leads gives the very bytes.
given_as_sent() {
  hostctl images get "$(id_of "$1")" -o "$folder/again" || fail "$(basename "$1") is not given"
  cmp -s "$1" "$folder/again" || fail "$(basename "$1") is given with other bytes"
}

# copies FILE: how many nodes have it on their disks.
copies() { find "$SHARED_DIR" -path "*/objects/*" -name "$(id_of "$1")" | wc -l; }

settings=""
