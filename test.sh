#!/usr/bin/env bash
# Sets up and runs every check of this project; see --help.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# These two name what the tests compare with. The pom of Kafka states its version too.
readonly kafka_version=4.1.1
readonly framework_version=1.7.0.17

cache=${DATAHUB_RELAY_CACHE:-${HOME:?HOME is not set: set DATAHUB_RELAY_CACHE to a directory}/.cache/datahub-relay}
readonly cache
readonly kafka_jars=$cache/kafka-$kafka_version
readonly python_home=$cache/python-actions
readonly logs=${CARGO_TARGET_DIR:-target}/test-logs

usage() {
    cat <<END
usage: ./test.sh [--install] [--quick]

Checks format, lints and documentation, and runs all tests: those that need Rust only, those on real
Apache Kafka $kafka_version, and those that compare with the Python DataHub Actions framework
$framework_version. Kafka and the framework are fetched once, into $cache
(DATAHUB_RELAY_CACHE names another directory).

  --install  install what the system lacks with apt-get, as root or with sudo; CI=true does the same
  --quick    what needs Rust and a C compiler only: no Java, no Maven, no Python
  --help     this text

DATAHUB_RELAY_KAFKA=host:port tests against a running broker instead of starting one, and
DATAHUB_RELAY_SEED=number repeats a run of the tests that print such a number. DATAHUB_RELAY_FAULTS=full
runs the faults at full scale, which takes hours; see docs/faults.md.
END
}

case ${CI:-} in
    true | 1) install=true ;;
    *) install=false ;;
esac
quick=false
for argument in "$@"; do
    case $argument in
        --install) install=true ;;
        --quick) quick=true ;;
        --help | -h) usage && exit 0 ;;
        *) usage >&2 && exit 2 ;;
    esac
done

# ---- what must be there ------------------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }

java_is_new_enough() {
    local version
    have java || return 1
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ]
}

# The oldest Java that will do differs between distributions, and so does the one they carry.
java_package() {
    local package
    for package in openjdk-21-jre-headless openjdk-17-jre-headless openjdk-25-jre-headless; do
        # It succeeds, and prints nothing, for a name that other packages merely mention.
        if [ -n "$(apt-cache show "$package" 2>/dev/null)" ]; then
            echo "$package"
            return
        fi
    done
    echo default-jre-headless
}

missing_packages() {
    if ! have cc || ! have c++ || ! have make; then echo build-essential; fi
    if ! have perl; then echo perl; fi
    if ! have pkg-config; then
        echo pkg-config libssl-dev
    elif ! pkg-config --exists openssl; then
        echo libssl-dev
    fi
    if ! $quick; then
        if ! java_is_new_enough; then java_package; fi
        if ! have mvn; then echo maven; fi
        if ! have python3 || ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
            echo python3 python3-venv
        fi
    fi
}

install_packages() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || { echo "test.sh: to install packages, run it as root or install sudo" >&2 && exit 1; }
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -q
    # The list may name another Java once the package lists are there.
    # shellcheck disable=SC2046 # one word a package
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(missing_packages)
}

require_rust() {
    if ! have cargo; then
        echo "test.sh: Rust is missing; install it with rustup (https://rustup.rs) and try again" >&2
        exit 1
    fi
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        echo "test.sh: Rust's formatter or linter is missing: rustup component add rustfmt clippy" >&2
        exit 1
    fi
}

require_packages() {
    local missing
    missing=$(missing_packages | tr '\n' ' ')
    if [ -z "$missing" ]; then return; fi
    if $install && have apt-get; then
        echo "== installing $missing"
        install_packages
        missing=$(missing_packages | tr '\n' ' ')
        if [ -z "$missing" ]; then return; fi
    fi
    cat >&2 <<END
test.sh: this machine lacks: $missing
On Debian or Ubuntu: apt-get install $missing
or let ./test.sh --install do it. ./test.sh --quick runs what needs no more than Rust and a C compiler.
END
    exit 1
}

# Tries a command that needs the network up to three times.
insist() {
    "$@" || { sleep 2 && "$@"; } || { sleep 10 && "$@"; }
}

fetch_kafka() {
    # A folder of an earlier time may lack a jar that was added to the pom since.
    if [ -e "$kafka_jars/kafka-tools-$kafka_version.jar" ] || [ -n "${DATAHUB_RELAY_KAFKA:-}" ]; then return; fi
    echo "== fetching Apache Kafka $kafka_version"
    local arriving=$kafka_jars.$$
    mkdir -p "$arriving"
    if ! insist mvn -B -q -f tests/harness/kafka-pom.xml dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$arriving"; then
        rm -rf "$arriving"
        echo "test.sh: Maven could not fetch Kafka; see above, or name a broker with DATAHUB_RELAY_KAFKA" >&2
        exit 1
    fi
    # Whole or not at all: a run that is interrupted leaves no half set of jars behind.
    rm -rf "$kafka_jars"
    mv "$arriving" "$kafka_jars"
}

framework_is_there() {
    [ -x "$python_home/bin/python" ] && "$python_home/bin/python" - >/dev/null 2>&1 <<END
from importlib.metadata import version
import confluent_kafka, datahub_actions, fastavro
assert version("acryl-datahub-actions") == "$framework_version"
END
}

fetch_framework() {
    if framework_is_there; then return; fi
    echo "== fetching the Python framework $framework_version"
    rm -rf "$python_home"
    python3 -m venv "$python_home"
    if ! insist "$python_home/bin/pip" install --quiet --disable-pip-version-check \
        "acryl-datahub-actions[kafka]==$framework_version" fastavro || ! framework_is_there; then
        echo "test.sh: pip could not install the Python framework; see above" >&2
        exit 1
    fi
}

# ---- what is run -------------------------------------------------------------------------------

passed=0
failed=0
steps=0

# Adds up what the test runners say of themselves: `test result: … N passed; N failed; …`, and one
# `Success` for each bench that was tried.
count() {
    awk '
        /^test result: / { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i - 1); if ($i ~ /^failed/) f += $(i - 1) } }
        /^Success$/ { p++ }
        END { print p + 0, f + 0 }
    ' "$1"
}

# Runs one step, and goes on if it fails: one run shows everything that is wrong.
step() {
    local title=$1 begun=$SECONDS status=0 step_passed step_failed log
    shift
    steps=$((steps + 1))
    log=$logs/$steps.log
    echo
    echo "== $title"
    # No step takes half as long on a slow machine: one that hangs has failed.
    timeout --kill-after=30 40m "$@" 2>&1 | tee "$log" || status=$?
    read -r step_passed step_failed < <(count "$log")
    # A step that ends badly without a failed test, such as one that does not compile, has failed too.
    if [ "$status" -ne 0 ] && [ "$step_failed" -eq 0 ]; then step_failed=1; fi
    if [ "$status" -eq 0 ] && [ "$step_failed" -ne 0 ]; then status=1; fi
    passed=$((passed + step_passed))
    failed=$((failed + step_failed))
    [ "$status" -eq 0 ] && status=passed || status=FAILED
    echo "== $title: $status ($((SECONDS - begun)) s)"
}

# Few enough for a broker and several of our processes a test to have room.
test_threads() {
    local cores
    cores=$(nproc 2>/dev/null || echo 2)
    echo $((cores < 4 ? cores : 4))
}

require_rust
require_packages
if ! $quick; then
    fetch_kafka
    fetch_framework
fi
mkdir -p "$logs"

# OpenSSL comes from the system here: building it takes longer than everything else together.
export OPENSSL_NO_VENDOR=1
export DATAHUB_RELAY_CACHE=$cache
export DATAHUB_RELAY_PYTHON=$python_home/bin/python
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}

step "format" cargo fmt --check
step "lints" cargo clippy --locked --all-targets -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
step "tests that need Rust only" cargo test --locked --no-fail-fast
if compgen -G 'benches/*.rs' >/dev/null; then
    # Each bench once, in the tests' build: that it works, not how fast it is.
    step "benches, tried" cargo test --locked --no-fail-fast --bench '*'
fi
if ! $quick; then
    step "tests on real Kafka and against the Python framework" \
        env RUST_TEST_THREADS="$(test_threads)" cargo test --locked --no-fail-fast --tests -- --ignored --skip row_
    # Row 8 needs no more than Rust and has run by now; the rows left out are those that only time makes worth it.
    step "faults" \
        env RUST_TEST_THREADS="$(test_threads)" cargo test --locked --test faults -- --ignored row_ \
        --skip row_07 --skip row_10 --skip row_13 --skip row_14
    # The same program with a defect on purpose, one after the other: the suite has to catch each of them.
    step "faults, mutants" \
        env RUST_TEST_THREADS="$(test_threads)" cargo test --locked --features mutants --test faults -- --ignored mutant_
fi

echo
if $quick; then
    echo "left out by --quick: the tests on real Kafka and against the Python framework, the faults and the mutants"
fi
echo "took $((SECONDS / 60)) min $((SECONDS % 60)) s"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
