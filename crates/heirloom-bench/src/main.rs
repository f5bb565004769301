//! Measures the figures of a household, in one run on one machine: real
//! processes of the release build over the loopback.
//!
//! `cargo run --release -p heirloom-bench [-- [--records N] [--peers | --peer NAME...] [WORK]...]`,
//! with the works `disk`, `edit`, `many`, `idle` and `throughput`. With
//! `--peers`, other programs that are installed do the same works beside ours.

mod figure;
mod files;
mod household;
mod peers;
mod works;

use household::{Failure, Program};
use peers::Peers;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use works::Bench;

const USAGE: &str = "usage: heirloom-bench [--records N] [--peers | --peer NAME...] [--node-modules DIR] \
     [disk | edit | many | idle | throughput]...";
const WORKS: [&str; 5] = ["disk", "edit", "many", "idle", "throughput"];
/// Where the folder of the packages for Node may stand as well.
const MODULES: &str = "HEIRLOOM_BENCH_NODE_MODULES";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    records: usize,
    peers: bool,
    /// The peers that are wanted alone; all where none is named.
    names: Vec<String>,
    modules: Option<PathBuf>,
    works: Vec<String>,
}

impl Wanted {
    fn parsed(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let (names, works) = (Vec::new(), Vec::new());
        let mut wanted = Self { records: 10_000, peers: false, names, modules: None, works };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--records" => wanted.records = arguments.next()?.parse().ok()?,
                "--peers" => wanted.peers = true,
                "--peer" => {
                    wanted.names.push(arguments.next()?);
                    wanted.peers = true;
                }
                "--node-modules" => wanted.modules = Some(arguments.next()?.into()),
                work if WORKS.contains(&work) => wanted.works.push(argument),
                _ => return None,
            }
        }
        if wanted.works.is_empty() {
            wanted.works = WORKS.map(str::to_owned).to_vec();
        }
        Some(wanted)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(mut wanted) = Wanted::parsed(std::env::args().skip(1)) else {
        say(USAGE);
        return ExitCode::from(2);
    };
    wanted.modules = wanted.modules.or_else(|| std::env::var_os(MODULES).map(PathBuf::from));
    match measure(&wanted).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("the measurement ended early: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure(wanted: &Wanted) -> Result<(), Failure> {
    let bench =
        Bench { program: program()?, folder: tempfile::tempdir()?, records: wanted.records };
    let mut peers = None;
    if wanted.peers {
        let modules = wanted.modules.as_deref();
        peers = Some(Peers::new(bench.folder.path(), wanted.records, modules, &wanted.names)?);
    }
    say(match peers {
        None => "| work | ours | to reach |\n|---|---|---|",
        Some(_) => "| work | ours | peer | its | times ours |\n|---|---|---|---|---|",
    });
    for work in &wanted.works {
        let figures = match work.as_str() {
            "disk" => bench.disk()?,
            "edit" => bench.edit().await?,
            "many" => bench.many().await?,
            "idle" => bench.idle()?,
            _ => bench.throughput().await?,
        };
        let rows = match &mut peers {
            None => figures.iter().map(figure::Figure::row).collect(),
            Some(peers) => peers.beside(work, &figures),
        };
        rows.iter().for_each(|row| say(row));
    }
    if let Some(peers) = peers {
        say("");
        peers.remarks().iter().for_each(|remark| say(remark));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Option<Wanted> {
        Wanted::parsed(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_a_work_all_are_wanted() {
        let wanted = parsed("").unwrap();
        assert_eq!((wanted.records, wanted.peers, wanted.works.len()), (10_000, false, 5));
    }

    #[test]
    fn options_and_works_come_in_any_order() {
        let wanted = parsed("edit --peers --node-modules there many --records 7").unwrap();
        assert_eq!((wanted.records, wanted.peers), (7, true));
        assert_eq!(wanted.modules, Some(PathBuf::from("there")));
        assert_eq!(wanted.works, ["edit", "many"]);
        let wanted = parsed("--peer rsync --peer syncthing").unwrap();
        assert_eq!((wanted.peers, wanted.names.len()), (true, 2));
    }

    #[test]
    fn what_is_not_known_or_not_complete_is_refused() {
        for line in ["--records", "--records many", "--node-modules", "--peer", "--pear", "sleep"] {
            assert_eq!(parsed(line), None, "{line}");
        }
    }
}
