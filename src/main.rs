//! The `datahub-relay` program: parses the command line, runs the command, maps its result to an exit
//! code.

use std::process::ExitCode;

// Decoding allocates much; mimalloc halves what that costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    datahub_relay::cli::main()
}
