# Every habit of this project by name. `just` lists them.

# The system's OpenSSL instead of one built from source: minutes less for a cold build.
export OPENSSL_NO_VENDOR := "1"

_list:
    @just --list

# Build the program as users run it.
build:
    cargo build --release --locked

# Everything: format, lints, documentation, all tests, real Kafka included.
test *arguments:
    ./test.sh {{ arguments }}

# What needs Rust only.
quick:
    ./test.sh --quick

# Format and lints.
lint:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings

# The suite on real Kafka, or the part of it whose names contain `pattern`; needs one run of `just test` before.
kafka pattern="":
    cargo test --locked --test kafka -- --ignored {{ pattern }}

# The faults at full scale, or the rows whose names contain `rows`, such as row_03: see docs/faults.md.
faults *rows="row_":
    DATAHUB_RELAY_FAULTS=full cargo test --release --locked --test faults -- --include-ignored --test-threads=1 {{ rows }}

# Fuzz one target, a name in fuzz/targets, for so many seconds; needs cargo-fuzz. See CONTRIBUTING.md.
fuzz target seconds="600":
    mkdir -p fuzz/target/found/{{ target }}
    cp Cargo.lock fuzz/Cargo.lock
    cargo fuzz run --sanitizer none {{ target }} fuzz/target/found/{{ target }} fuzz/corpus/{{ target }} -- -max_total_time={{ seconds }} -max_len=2048 -timeout=10

# Measure, as users run it.
bench *arguments:
    cargo bench --locked {{ arguments }}

# Watch the program at work, with a broker of its own.
quickstart:
    cargo run --release --locked -- quickstart

# The library's documentation, in a browser.
docs:
    cargo doc --locked --no-deps --open

# The container image.
image:
    docker build --tag datahub-relay .

# Licences, advisories, doubled dependencies; needs cargo-deny.
deny:
    cargo deny check
