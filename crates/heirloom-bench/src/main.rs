//! Measures the figures of a household, in one run on one machine: real
//! processes of the release build over the loopback.
//!
//! `cargo run --release -p heirloom-bench [-- [--records N] [WORK]...]`, with
//! the works `disk`, `edit`, `many`, `idle` and `throughput`.

mod files;
mod household;
mod works;

use household::{Failure, Program};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use works::Bench;

const USAGE: &str =
    "usage: heirloom-bench [--records N] [disk | edit | many | idle | throughput]...";
const WORKS: [&str; 5] = ["disk", "edit", "many", "idle", "throughput"];

#[tokio::main]
async fn main() -> ExitCode {
    let (mut records, mut wanted) = (10_000, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number = (argument == "--records").then(|| arguments.next());
        match number.map(|number| number.and_then(|number| number.parse().ok())) {
            Some(Some(number)) => records = number,
            None if WORKS.contains(&argument.as_str()) => wanted.push(argument),
            Some(None) | None => {
                say(USAGE);
                return ExitCode::from(2);
            }
        }
    }
    if wanted.is_empty() {
        wanted = WORKS.map(str::to_owned).to_vec();
    }
    match measure(records, &wanted).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("the measurement ended early: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure(records: usize, wanted: &[String]) -> Result<(), Failure> {
    let bench = Bench { program: program()?, folder: tempfile::tempdir()?, records };
    say("| work | ours | to reach |\n|---|---|---|");
    for work in wanted {
        let figures = match work.as_str() {
            "disk" => bench.disk()?,
            "edit" => bench.edit().await?,
            "many" => bench.many()?,
            "idle" => bench.idle()?,
            _ => bench.throughput().await?,
        };
        for figure in figures {
            say(&format!("| {} | {} | {} |", figure.work, figure.ours, figure.goal));
        }
    }
    Ok(())
}

/// Returns the program beside this one; cargo, where it runs this one, builds it first.
fn program() -> Result<Program, Failure> {
    if let Some(cargo) = std::env::var_os("CARGO") {
        let arguments = ["build", "--release", "--quiet", "-p", "heirloom-cli"];
        if !Command::new(cargo).args(arguments).status()?.success() {
            return Err("the program could not be built".into());
        }
    }
    let own = std::env::current_exe()?;
    let path: PathBuf = own.with_file_name("heirloom");
    if !path.exists() {
        return Err(format!("build {} first", path.display()).into());
    }
    Ok(Program(path))
}

fn say(text: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stdout(), "{text}"));
}
