//! Runs the conformance suite on the driver in memory, and on the S3 driver with every target: the
//! embedded server, or the one that the environment names. Each run prints one line for the table
//! of `scripts/server-matrix`.

use crate::folder_driver::FolderDriver;
use crate::support::fetch::fetch;
use crate::support::relay::Relay;
use crate::support::target::Target;
use s3driver::client::{ObjectSettings, SignatureVersion};
use s3driver::conformance::{
    self, HttpResponse, Quirk, Report, RunUntil, Scale, SuiteOptions, Verdict,
};
use s3driver::driver::{MemoryDriver, Method, S3Driver};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The deviations of servers from S3.
const QUIRKS: &[(&str, Quirk, &str)] = &[
    ("seaweedfs", Quirk::EmptiedDirectoriesStay, "lists folders that have become empty"),
    ("seaweedfs", Quirk::WalksByDirectory, "lists folder by folder"),
    ("seaweedfs", Quirk::NoDotComponents, "rejects . and .. in keys"),
    ("seaweedfs", Quirk::ShortNames, "a component has at most 255 bytes"),
    ("rclone", Quirk::EmptiedDirectoriesStay, "keeps some folders that have become empty"),
    ("rclone", Quirk::NoDotComponents, "rejects . and .. in keys"),
    ("rclone", Quirk::NoFileWithChildren, "keeps keys in a file system: no x next to x/y"),
    ("rclone", Quirk::NoDirectoryMarkers, "responds with 500 to keys that end with a slash"),
    ("rclone", Quirk::ShortNames, "a component has at most 255 bytes"),
    ("folder", Quirk::NoFileWithChildren, "keeps files in a file system: no x next to x/y"),
    ("folder", Quirk::ShortNames, "a component has at most 255 bytes"),
    ("rclone", Quirk::NoReplacedParts, "forwards parts in the order of their arrival"),
    ("moto", Quirk::UncheckedUrls, "does not verify signatures"),
];

/// Returns every target, or those with the signatures that `S3_SIGNATURES` names: the embedded
/// server supports both.
fn targets() -> Vec<Target> {
    let wanted = std::env::var("S3_SIGNATURES").ok().filter(|wanted| !wanted.trim().is_empty());
    let wanted = wanted.unwrap_or_else(|| "v2 v4".to_owned());
    let signature = |target: &Target| format!("{:?}", target.signature).to_lowercase();
    Target::all().into_iter().filter(|target| wanted.contains(&signature(target))).collect()
}

/// Returns whether the suite runs three times on each server instead of five times: with version 2
/// over http, with version 4 over TLS, and with version 4 on virtual hosts.
fn some_combinations() -> bool {
    std::env::var("S3_COMBINATIONS").as_deref() == Ok("some")
}

/// Returns the sizes of a real registry if `S3_SCALE=full` is set, and small ones otherwise.
fn scale() -> Scale {
    if std::env::var("S3_SCALE").as_deref() == Ok("full") { Scale::Full } else { Scale::Quick }
}

/// Ends a run at the first failure if `S3_END=first-failure` is set.
fn run_until() -> RunUntil {
    if std::env::var("S3_END").as_deref() == Ok("first-failure") {
        RunUntil::FirstFailure
    } else {
        RunUntil::LastCase
    }
}

fn options(server: &str) -> SuiteOptions<'static> {
    let quirks = QUIRKS.iter().filter(|(of, _, _)| *of == server);
    quirks.fold(
        SuiteOptions::default().scale(scale()).run_until(run_until()),
        |options, (_, quirk, reason)| options.quirk(*quirk, reason),
    )
}

/// Prints a line for the table, and a description for a reader of the test's output.
fn print(name: &str, report: &Report) {
    let (skipped, failed) = (report.skipped().count(), report.failed().count());
    println!("matrix | {name} | {} | {skipped} | {failed} |", report.passed());
    for (case, reason) in report.skipped() {
        println!("skipped | {name} | {} | {reason} |", case.name());
    }
    let took: Duration = report.results().iter().map(|result| result.took).sum();
    println!("{name}: {report}\n{name}: {took:?}");
    for result in report.results().iter().filter(|result| result.took > Duration::from_secs(1)) {
        println!("{name}: {} took {:?}", result.case.name(), result.took);
    }
}

/// Opens the S3 driver below a root directory, configured so that the suite's large files are
/// copied in parts.
fn open(target: &Target, root: &str, proxy: Option<&str>) -> s3driver::Result<S3Driver> {
    let mut pairs = target.pairs(root);
    pairs.push(("multipartcopythresholdsize", (6 << 20).to_string()));
    pairs.push(("multipartcopychunksize", (5 << 20).to_string()));
    if let Some(proxy) = proxy {
        pairs.retain(|(name, _)| *name != "forcepathstyle" && *name != "regionendpoint");
        let (scheme, rest) = target.endpoint.split_once("://").unwrap();
        let port = rest.rsplit(':').next().unwrap();
        pairs.push(("regionendpoint", format!("{scheme}://localhost:{port}")));
        pairs.push(("proxy", proxy.to_owned()));
    }
    crate::support::transport::driver(pairs)
}

fn conforms(target: &Target, proxy: Option<&str>) -> bool {
    let root = target.scratch("conformance");
    let plain = open(target, &root, proxy).unwrap();
    let method = |method| match method {
        Method::Head => "HEAD",
        Method::Delete => "DELETE",
        _ => "GET",
    };
    let mut options =
        options(target.server).open_at_root(|root| Ok(Box::new(open(target, root, proxy)?)));
    options = options.foreign_keys(|key, content| {
        let key = format!("{root}/{key}");
        match content {
            Some(content) => {
                let settings = ObjectSettings::default();
                plain.client().put_object(plain.bucket(), &key, content, &settings).map(drop)
            }
            None => {
                plain.client().delete_object(plain.bucket(), &key, &Default::default()).map(drop)
            }
        }
    });
    options = options.fetch(|asked, url| {
        let reply = fetch(target, method(asked), url)?;
        let content_length = reply.header("content-length").and_then(|length| length.parse().ok());
        Ok(HttpResponse { status: reply.status, content_length, body: reply.body })
    });
    let report = conformance::run(&|| Ok(Box::new(open(target, &root, proxy)?)), &options);
    let name =
        if proxy.is_some() { format!("{} virtual-host", target.name) } else { target.name.clone() };
    print(&name, &report);
    nothing_is_left(target, &plain, &root);
    report.is_ok()
}

/// Also checks the server's state directly: no object, no upload, and no checkpoint may remain.
fn nothing_is_left(target: &Target, driver: &S3Driver, root: &str) {
    let (client, prefix) = (driver.client(), format!("{root}/"));
    let listing =
        client.objects(driver.bucket(), s3driver::client::ListObjects::prefix(&*prefix)).pages();
    let keys: Vec<String> =
        listing.flat_map(|page| page.unwrap().contents).map(|object| object.key).collect();
    assert_eq!(keys, [""; 0], "{}: objects are left", target.name);
    let uploads: Vec<String> = client
        .uploads(driver.bucket(), &prefix)
        .pages()
        .flat_map(|page| page.unwrap().uploads)
        .map(|one| one.key)
        .collect();
    assert_eq!(uploads, [""; 0], "{}: uploads are left", target.name);
}

#[test]
fn the_driver_in_memory_conforms() {
    let store = MemoryDriver::new();
    let report =
        conformance::run(&|| Ok(Box::new(store.clone())), &options("memory").chunk_size(1 << 16));
    print("memory", &report);
    assert!(report.is_ok(), "{report}");
}

#[test]
fn the_folder_example_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let options = options("folder").chunk_size(1 << 16);
    let report = conformance::run(&|| Ok(Box::new(FolderDriver::new(folder.path())?)), &options);
    print("folder", &report);
    assert!(report.is_ok(), "{report}");
    // Neither a directory nor an unfinished file may remain.
    let mut left: Vec<_> = walkdir(folder.path());
    left.sort();
    assert_eq!(left, ["files", "scratch", "uploads"].map(|name| folder.path().join(name)));
}

/// Returns everything below a folder of the file system.
fn walkdir(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() { [vec![path.clone()], walkdir(&path)].concat() } else { vec![path] }
        })
        .collect()
}

/// Tries all targets at the same time, because each mostly waits for its server. Returns the names
/// of those that failed.
fn failing(targets: &[Target], run: impl Fn(&Target) -> bool + Sync) -> Vec<&str> {
    std::thread::scope(|scope| {
        let run = &run;
        let running: Vec<_> =
            targets.iter().map(|target| (target, scope.spawn(move || run(target)))).collect();
        let ended = running.into_iter().map(|(target, thread)| (target, thread.join()));
        ended
            .filter(|(_, result)| !matches!(result, Ok(true)))
            .map(|(target, _)| target.name.as_str())
            .collect()
    })
}

#[test]
fn the_s3_driver_conforms_on_every_target() {
    let mut targets = targets();
    if some_combinations() && targets.iter().any(|target| target.ca_file.is_some()) {
        targets.retain(|target| {
            (target.signature == SignatureVersion::V4) == target.ca_file.is_some()
        });
    }
    assert_eq!(failing(&targets, |target| conforms(target, None)), [""; 0]);
}

#[test]
fn the_s3_driver_conforms_on_virtual_hosts() {
    // TLS makes no difference there.
    let (able, unable): (Vec<_>, Vec<_>) = targets()
        .into_iter()
        .filter(|target| target.ca_file.is_none())
        .filter(|target| !some_combinations() || target.signature == SignatureVersion::V4)
        .partition(|target| matches!(target.server, "embedded" | "ceph" | "seaweedfs" | "garage"));
    for target in unable {
        println!("skipped: virtual hosts on {}: the server does not support them", target.name);
    }
    let failed = failing(&able, |target| {
        let rest = target.endpoint.split_once("://").unwrap().1;
        let address: SocketAddr =
            rest.to_socket_addrs().unwrap().find(SocketAddr::is_ipv4).unwrap();
        let relay = Relay::start(address);
        conforms(target, Some(&relay.url()))
    });
    assert_eq!(failed, [""; 0]);
}

/// Runs the case with more than ten pages, which only the full scale includes, where it takes
/// seconds.
#[test]
fn ten_thousand_files_are_handled_completely() {
    let case = conformance::cases()
        .iter()
        .find(|case| case.name() == "more_than_ten_pages_are_handled_whole")
        .unwrap();
    let full = SuiteOptions::default().scale(Scale::Full);
    let store = MemoryDriver::new();
    assert_eq!(case.run(&|| Ok(Box::new(store.clone())), &full), Verdict::Passed);
    for target in targets().into_iter().filter(|target| target.embedded.is_some()).take(1) {
        assert_eq!(
            case.run(&|| Ok(Box::new(open(&target, "pages", None)?)), &full),
            Verdict::Passed
        );
    }
}

#[test]
fn every_case_has_a_unique_name_and_a_description() {
    let cases = conformance::cases();
    let names: std::collections::BTreeSet<&str> =
        cases.iter().map(conformance::Case::name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have the same name");
    assert!(cases.iter().all(|case| case.about().ends_with('.')));
}
