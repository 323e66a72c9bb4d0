//! The one binary: the name it was called by chooses the applet.

fn main() -> std::process::ExitCode {
    zones_cli::main()
}
