# Shell functions that Host/start and Tests/run share. Each says what it does, and does nothing if
# there is nothing to do.

# The libraries and tools from Debian that building the host takes, beside the Swift toolchain.
build_packages="libyaml-dev libffi-dev libssl-dev libsqlite3-dev libnghttp2-dev zlib1g-dev libzstd-dev libvips-dev libmosquitto-dev gcc libc6-dev python3"

say() { printf '==> %s\n' "$*"; }

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# install_missing PACKAGE...: asks Debian only for what is not there.
install_missing() {
  missing=""
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -z "$missing" ] && return 0
  say "Installing$missing"
  as_root=""
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "needs$missing; install them as root, then try again"
    as_root=sudo
  fi
  $as_root apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

require_swift() {
  command -v swift >/dev/null || fail "needs the Swift toolchain, 6.2 or newer, on the PATH; see swift.org/install"
}

# A rustc of any origin will do.
install_build_tools() {
  require_swift
  install_missing $build_packages
  command -v rustc >/dev/null || install_missing rustc
}

# build_rust_template CONFIGURATION [SCRATCH_FOLDER]: the package manager does not know Rust.
build_rust_template() {
  rust_folder=SDK/Templates/rust
  library="${2:-.build}/$1/libhello-rust.so"
  [ "$library" -nt "$rust_folder/role.rs" ] && [ "$library" -nt "$rust_folder/nodehost.rs" ] && return 0
  rustc --edition 2021 --crate-type cdylib --crate-name hello_rust -O -C panic=unwind -C strip=debuginfo \
    -o "$library" "$rust_folder/role.rs"
}

# build_all CONFIGURATION [ARGUMENT...]
build_all() {
  configuration=$1
  shift
  say "Building ($configuration)"
  swift build -c "$configuration" --explicit-target-dependency-import-check error "$@"
  build_rust_template "$configuration"
}
