//! Helps the scripts beside this folder: names of targets, what they aim at, their corpora, and a run without a fuzzer.

use std::path::Path;

use ramson_fuzzing::Target;
use ramson_fuzzing::mutate::short_run;

/// Every target.
fn targets() -> impl Iterator<Item = &'static Target> {
    ramson_fuzzing::TARGETS.iter().chain(ramson_fuzzing_shell::TARGETS)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["list"] => targets().for_each(|target| println!("{}", target.name)),
        ["aims", name] => find(name).aims.iter().for_each(|source| println!("crates/{source}")),
        ["run", name] => {
            let target = find(name);
            short_run(&target.inputs(), 1, target.runs, target.run);
        }
        ["run", name, number, count] => {
            let parsed = (number.parse(), count.parse());
            let (Ok(number), Ok(count)) = parsed else { usage() };
            let target = find(name);
            short_run(&target.inputs(), number, count, target.run);
        }
        ["try", name, file] => (find(name).run)(&std::fs::read(file).expect("a file to be tried")),
        ["write", folder] => targets().for_each(|target| write(target, &Path::new(folder).join(target.name))),
        _ => usage(),
    }
}

fn usage() -> ! {
    eprintln!("usage: list | aims TARGET | run TARGET [SEED COUNT] | try TARGET FILE | write FOLDER");
    std::process::exit(2);
}

fn find(name: &str) -> &'static Target {
    targets().find(|target| target.name == name).unwrap_or_else(|| {
        eprintln!("no target {name}");
        std::process::exit(2);
    })
}

/// Replaces the corpus of a target.
fn write(target: &Target, folder: &Path) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).expect("the old corpus goes");
    }
    std::fs::create_dir_all(folder).expect("a folder for the corpus");
    for (name, bytes) in (target.seeds)() {
        std::fs::write(folder.join(name), bytes).expect("a file of the corpus");
    }
}
