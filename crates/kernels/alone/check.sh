#!/usr/bin/env bash
# Tests the kernels where the usual run of the tests does not: check.sh neon|address
#   neon     on an ARM processor that qemu imitates; needs `rustup target add aarch64-unknown-linux-gnu` and Debian's
#            packages qemu-user and gcc-aarch64-linux-gnu
#   address  every instruction set of this processor, the portable one included, under the address sanitizer, whose
#            runtime comes with the stable toolchain; RUSTC_BOOTSTRAP lets it be asked for there
set -euo pipefail
cd "$(dirname "$0")"
case "${1:-}" in
neon)
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
    PROPTEST_CASES="${PROPTEST_CASES:-8}" cargo test --target aarch64-unknown-linux-gnu
    ;;
address)
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" PROPTEST_CASES="${PROPTEST_CASES:-16}" cargo test --target x86_64-unknown-linux-gnu
    ;;
*)
    echo "usage: check.sh neon|address" >&2
    exit 2
    ;;
esac
