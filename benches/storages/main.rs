//! What the storages cost, beside the libraries under them doing the same work.
//! `cargo bench --bench storages`; the same in turns, as one table: `cargo bench --bench report -- storage_`

#[path = "../support/raw.rs"]
mod raw;
mod rows;
#[path = "../support/tokens.rs"]
mod tokens;

use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group};
use tempfile::TempDir;

use rows::Row;

/// On the disk that the programs are built on: a temporary directory is often in memory.
const PLACE: &str = env!("CARGO_TARGET_TMPDIR");

fn storages(criterion: &mut Criterion) {
    let directory = directory();
    for row in rows::all(directory.path()) {
        let Row { name, sides } = row;
        let mut group = criterion.benchmark_group(name);
        for (side, mut work) in sides {
            group.bench_function(side, |bencher| bencher.iter(&mut work));
        }
    }
}

fn directory() -> TempDir {
    tempfile::tempdir_in(Path::new(PLACE)).unwrap()
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = storages
}

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
