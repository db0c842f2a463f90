//! The program `ramson`. All of it is in the library of the same name, which can be tested and fuzzed.

fn main() -> std::process::ExitCode {
    ramson::main()
}
