//! Measures each step of a request separately.
//!
//! ```sh
//! cargo bench --bench micro            # all
//! cargo bench --bench micro -- sign    # those whose names contain a word
//! ```

mod pieces;

use divan::Bencher;
use pieces::PIECES;

fn main() {
    divan::main();
}

#[divan::bench(args = PIECES.map(|(name, _)| name), min_time = 0.2)]
fn piece(bencher: Bencher<'_, '_>, name: &str) {
    let (_, make) = PIECES.iter().find(|(known, _)| *known == name).expect("one of the pieces");
    let mut work = make();
    bencher.bench_local(&mut work);
}
