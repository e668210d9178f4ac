//! Runs every corpus through its target, unchanged and mutated, on a stable compiler and without
//! libFuzzer.
use s3driver_fuzz::{TARGETS, converse};
use std::panic::{catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{name} has a corpus: {error}"))
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), std::fs::read(path).expect("a file")))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has seeds");
    files
}

#[test]
fn every_corpus_passes_its_target() {
    for (name, target) in TARGETS {
        for (path, data) in corpus(name) {
            println!("{}", path.display());
            target(&data);
        }
    }
}

/// Runs each target on mutated inputs for two seconds, or for `S3DRIVER_FUZZ_SECONDS`. Each input
/// is derived from its own number, and the first number from the time, so that every run tries new
/// inputs. `S3DRIVER_FUZZ_SEED` starts at the number that a failure reported, and
/// `S3DRIVER_FUZZ_TARGET` names the only target to run.
#[test]
fn mutated_inputs_pass_every_target() {
    let number =
        |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let time = Duration::from_secs(number("S3DRIVER_FUZZ_SECONDS").unwrap_or(2));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() << 20;
    let first = number("S3DRIVER_FUZZ_SEED").unwrap_or(now);
    let only = std::env::var("S3DRIVER_FUZZ_TARGET").ok();
    assert!(
        only.iter().all(|only| TARGETS.iter().any(|(name, _)| name == only)),
        "{only:?} is not a target"
    );
    for (name, target) in
        TARGETS.iter().filter(|(name, _)| only.as_ref().is_none_or(|only| name == only))
    {
        let seeds: Vec<_> = corpus(name).into_iter().map(|(_, data)| data).collect();
        let end = Instant::now() + time;
        let mut seed = first;
        while Instant::now() < end {
            let data = mutated(&seeds, seed);
            if let Err(panic) = catch_unwind(|| target(&data)) {
                eprintln!(
                    "{name} failed, S3DRIVER_FUZZ_SEED={seed}, on \"{}\"",
                    data.escape_ascii()
                );
                resume_unwind(panic);
            }
            seed += 1;
        }
        println!("{name}: {} inputs", seed - first);
    }
}

/// Returns one of the seeds with one to four changes.
fn mutated(seeds: &[Vec<u8>], mut state: u64) -> Vec<u8> {
    /// Bytes that tend to break parsers: ends of texts, lines, elements, references and escapes;
    /// control characters; invalid UTF-8.
    const SPECIAL: &[u8] = b"\0\t\n\r \"#%&'+-/:;<=>?![]@Aaz09\x7f\x80\xc3\xff";
    let mut below = |bound: usize| {
        // SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("below a usize")
    };
    let mut data = seeds[below(seeds.len())].clone();
    for _ in 0..=below(4) {
        let from = below(data.len() + 1);
        let to = from + below(data.len() - from + 1).min(1 << below(8));
        let other = &seeds[below(seeds.len())];
        let start = below(other.len() + 1);
        let new = match below(6) {
            0 => Vec::new(),
            1 => data[from..to].repeat(2),
            2 => other[start..start + below(other.len() - start + 1)].to_vec(),
            3 => data[from..to].iter().map(|byte| byte ^ (1 << below(8))).collect(),
            4 => (0..=below(4)).map(|_| SPECIAL[below(SPECIAL.len())]).collect(),
            _ => {
                data.truncate(to);
                Vec::new()
            }
        };
        data.splice(from..to, new);
    }
    data
}

/// The name of each conversation begins with its outcome, so that the target cannot pass merely
/// because no operation ever succeeds.
#[test]
fn conversations_have_the_outcome_in_their_names() {
    let seeds = corpus("conversation");
    assert!(seeds.len() >= 40, "{} conversations", seeds.len());
    let wrong: Vec<_> = seeds
        .into_iter()
        .filter_map(|(path, data)| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let expected = match name.split_once('-') {
                Some(("ok", _)) => true,
                Some(("fails", _)) => false,
                _ => panic!("{name} does not begin with its outcome"),
            };
            let result = converse(&data);
            (result.is_ok() != expected).then(|| format!("{name}: {result:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each target needs a binary in order to be fuzzed and an entry in `TARGETS` in order to be
/// replayed.
#[test]
fn every_target_has_a_binary() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let mut binaries: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .path()
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    binaries.sort();
    assert_eq!(binaries, TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
}

/// The documents name every target and every reader: a new one is described as soon as it exists.
#[test]
fn every_target_and_reader_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);

    let readme = text("README.md");
    let missing: Vec<_> = TARGETS
        .iter()
        .filter(|(name, _)| !readme.lines().any(|line| line.starts_with(&format!("| `{name}` | "))))
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(missing, [""; 0], "in fuzz/README.md");

    let (fuzzed, guide) = (text("src/xml.rs"), text("../docs/fuzzing.md"));
    let count = format!("{} targets", TARGETS.len());
    assert!(guide.contains(&count), "{count} in docs/fuzzing.md");
    let begin = fuzzed.find("pub fn xml_readers").expect("the target");
    let body = fuzzed[begin..].split("\n}\n").next().expect("its body");
    let readers: Vec<_> = body
        .split("xml::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().expect("a name"))
        .collect();
    assert!(readers.len() > 20, "{readers:?}");
    let missing: Vec<_> =
        readers.iter().filter(|name| !guide.contains(&format!("xml::{name}(data)"))).collect();
    assert!(missing.is_empty(), "{missing:?} in docs/fuzzing.md");
}
