//! The `keyward` program. Everything it does is in the library; see [`keyward_control_plane::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    keyward_control_plane::cli::main()
}
