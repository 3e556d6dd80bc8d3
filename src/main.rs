//! argv in, exit code out; everything else is the library.

fn main() -> std::process::ExitCode {
    hab::cli::run(std::env::args_os())
}
