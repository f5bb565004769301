//! Measurements, for a release build and a disk that does nothing else:
//! `cargo test --release -p heirloom-store measure -- --ignored --nocapture --test-threads 1`.

use super::*;
use crate::disk::FileSystem;
use heirloom_base::limits;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const MIB: usize = 1024 * 1024;
/// Chunks of each file of the source.
const FILE_CHUNKS: usize = 8;
const FILES: usize = 256;

/// Seconds of CPU time of this process, and of those that it waited for.
fn cpu_seconds() -> (f64, f64) {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<f64> = text
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    // The state is the first field here; the kernel counts hundredths.
    ((fields[11] + fields[12]) / 100.0, (fields[13] + fields[14]) / 100.0)
}

/// A line of `/proc/self/status`, in MiB.
fn memory(name: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Bytes that no disk can make smaller.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn told(what: &str, began: Instant, cpu: f64) {
    let (seconds, bytes) = (began.elapsed().as_secs_f64(), (FILES * FILE_CHUNKS * MIB) as f64);
    let (speed, cost) = (bytes / 1e6 / seconds, cpu / (bytes / 1e9));
    println!("{what}: {speed:.0} MB/s, {cost:.2} CPU-s/GB, {seconds:.1} s");
}

fn copied(from: &Path, to: &Path) {
    let (began, (_, cpu)) = (Instant::now(), cpu_seconds());
    for arguments in [
        vec!["cp".as_ref(), "-r".as_ref(), from.as_os_str(), to.as_os_str()],
        vec!["sync".as_ref(), "-f".as_ref(), to.as_os_str()],
    ] {
        assert!(Command::new(arguments[0]).args(&arguments[1..]).status().unwrap().success());
    }
    told("cp -r and sync", began, cpu_seconds().1 - cpu);
}

/// Writes the files by some threads, so many of them in one batch.
fn packed(from: &Path, names: &[Vec<ChunkId>], threads: usize, files: usize) {
    let home = Home::new();
    let chunks = home.open_with(Arc::new(FileSystem), limits::PACK_FILE_BYTES);
    let (began, (cpu, _)) = (Instant::now(), cpu_seconds());
    let turns: Vec<Vec<usize>> =
        (0..FILES).collect::<Vec<_>>().chunks(files).map(<[usize]>::to_vec).collect();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (chunks, turns) = (&chunks, &turns);
            scope.spawn(move || {
                for turn in turns.iter().skip(thread).step_by(threads) {
                    let read = |file: &usize| std::fs::read(from.join(file.to_string())).unwrap();
                    let bytes: Vec<Vec<u8>> = turn.iter().map(read).collect();
                    let pieces = bytes.iter().flat_map(|bytes| bytes.chunks(MIB));
                    let ids = turn.iter().flat_map(|file| names[*file].iter().copied());
                    let batch: Vec<(ChunkId, &[u8])> = ids.zip(pieces).collect();
                    chunks.write_batch(&batch).unwrap();
                }
            });
        }
    });
    let what = format!("write_batch, {threads} threads, batches of {} MiB", files * FILE_CHUNKS);
    told(&what, began, cpu_seconds().0 - cpu);
    assert_eq!(chunks.list().len(), FILES * FILE_CHUNKS);
}

#[test]
#[ignore = "it writes 20 GB and measures the disk"]
fn measure_bulk_beside_cp() {
    let source = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for number in 0..FILES {
        let bytes = noise(number as u64 + 1, FILE_CHUNKS * MIB);
        let ids = bytes.chunks(MIB).map(|chunk| ChunkId(hash::plain(chunk))).collect();
        std::fs::write(source.path().join(number.to_string()), bytes).unwrap();
        names.push(ids);
    }
    assert!(Command::new("sync").status().unwrap().success());
    for _ in 0..2 {
        let target = tempfile::tempdir().unwrap();
        copied(source.path(), &target.path().join("copy"));
        drop(target);
        for (threads, files) in [(1, 1), (2, 1), (1, 8), (2, 8)] {
            packed(source.path(), &names, threads, files);
        }
    }
}

#[test]
#[ignore = "it measures the machine"]
fn measure_opening_many_small_chunks() {
    let home = Home::new();
    let open = || home.open_with(Arc::new(FileSystem), limits::PACK_FILE_BYTES);
    let chunks = open();
    for batch in 0..30_u64 {
        let bytes: Vec<Vec<u8>> =
            (0..10_000).map(|number| noise(batch * 10_000 + number + 1, 100)).collect();
        let named: Vec<(ChunkId, &[u8])> =
            bytes.iter().map(|bytes| (ChunkId(hash::plain(bytes)), bytes.as_slice())).collect();
        chunks.write_batch(&named).unwrap();
    }
    drop(chunks);
    let measured = || {
        let before = memory("VmRSS");
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let began = Instant::now();
        let chunks = open();
        let elapsed = began.elapsed();
        assert_eq!(chunks.list().len(), 300_000);
        let (now, most) = (memory("VmRSS") - before, memory("VmHWM") - before);
        println!(
            "{:?} opened in {elapsed:?}, {now:.1} MiB more, {most:.1} at most",
            home.pack_names()
        );
        chunks
    };
    drop(measured());
    let chunks = measured();
    let big: Vec<Vec<u8>> = (0..10).map(|number| noise(1_000_000 + number, MIB)).collect();
    let named: Vec<(ChunkId, &[u8])> =
        big.iter().map(|bytes| (ChunkId(hash::plain(bytes)), bytes.as_slice())).collect();
    chunks.write_batch(&named).unwrap();
    chunks.remove(&named.iter().map(|(id, _)| *id).collect()).unwrap();
    drop(chunks);
    drop(measured());
}
