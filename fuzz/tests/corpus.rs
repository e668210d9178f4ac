//! Every corpus through its target, on a stable compiler and without libFuzzer.
use s3driver_fuzz::TARGETS;
use std::path::Path;

#[test]
fn every_corpus_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let mut files: Vec<_> = std::fs::read_dir(folder.join(name))
            .unwrap_or_else(|error| panic!("{name} has a corpus: {error}"))
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has seeds");
        for file in files {
            println!("{}", file.display());
            target(&std::fs::read(&file).expect("a file"));
        }
    }
}

/// A target without a binary would never be fuzzed, and one without an entry never replayed.
#[test]
fn targets_and_binaries_are_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let mut binaries: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    binaries.sort();
    assert_eq!(binaries, TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
}
