//! A container registry that implements the OCI distribution specification 1.1 on top of the S3
//! storage driver.
//!
//! ```sh
//! cargo run --release --example registry                       # on an embedded server, in memory
//! cargo run --release --example registry -- serve config.yml   # on the storage that a registry's configuration names
//! cargo run --release --example registry -- garbage-collect [--dry-run] [--delete-untagged] [--grace 1h] config.yml
//! cargo run --release --example registry -- purge-uploads [--dry-run] [--age 168h] config.yml
//! ```
//!
//! `examples/registry/README.md` describes its features and where each requirement is tested.

mod embedded;
mod service;

use s3driver::StorageDriver;
use s3driver::driver::S3Driver;
use s3driver::duration::parse_with_days;
use service::Registry;
use service::collect::{Collection, Mode, Untagged};
use service::config::{Config, Purging};
use service::http::{Request, Server};
use service::variables;
use std::error::Error;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "usage: registry [serve CONFIG
              | garbage-collect [--dry-run] [--delete-untagged] [--grace DURATION] CONFIG
              | purge-uploads [--dry-run] [--age DURATION] CONFIG]";

/// The minimum age of blobs that are collected, because the manifest of a newer blob may not have
/// been pushed yet.
const GRACE: &str = "1h";
/// The directory in which S3 may contain uploads that the registry does not know about: blobs that
/// were being written, and uploads that earlier purges missed.
const UPLOADS: &str = "/docker/registry/v2";
/// The age from which uploads are purged.
const AGE: &str = "168h";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("registry: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Outcome {
    let Some((command, arguments)) = arguments.split_first() else {
        return embedded::serve_embedded();
    };
    let arguments = Arguments::parse(arguments)?;
    let config = arguments.config()?;
    match command.as_str() {
        "serve" => {
            arguments.allow(&[])?;
            serve(config, |address| println!("registry: listening on {address}"))
        }
        "garbage-collect" => {
            arguments.allow(&["--dry-run", "--delete-untagged", "--grace"])?;
            collect(&arguments, config)
        }
        "purge-uploads" => {
            arguments.allow(&["--dry-run", "--age"])?;
            let age = arguments.duration("--age", AGE)?;
            let uploads = purge(
                &Registry::new(Arc::clone(&config.driver), config.options),
                config.s3.as_ref(),
                age,
                arguments.mode(),
            )?;
            println!("{uploads} uploads {}", arguments.done("removed"));
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

/// Listens on an address. As in Go, one without a host means all addresses of this machine, whose
/// IPv6 may be disabled.
fn listen(address: &str) -> std::io::Result<TcpListener> {
    if address.starts_with(':') {
        return TcpListener::bind(format!("[::]{address}"))
            .or_else(|_| TcpListener::bind(format!("0.0.0.0{address}")));
    }
    TcpListener::bind(address)
}

/// Serves until the process ends. `ready` is called with the address once connections are accepted.
pub(crate) fn serve(config: Config, ready: impl FnOnce(&str)) -> Outcome {
    let Config { driver, s3, options, address, tls, purging } = config;
    let listener = listen(&address).map_err(|error| format!("{address}: {error}"))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let registry = Arc::new(Registry::new(driver, options));
    if let Some(Purging { age, interval }) = purging {
        let registry = Arc::clone(&registry);
        let purge = move || {
            loop {
                thread::sleep(interval);
                if let Err(error) = purge(&registry, s3.as_ref(), age, Mode::Remove) {
                    eprintln!("registry: purging uploads: {error}");
                }
            }
        };
        thread::Builder::new().name("registry-purge".to_owned()).spawn(purge)?;
    }
    let server = Server::start(
        listener,
        tls,
        Arc::new(move |request: &mut Request<'_>| registry.handle(request)),
    )?;
    ready(&format!("{scheme}://{}", server.address()));
    server.join();
    Ok(())
}

fn collect(arguments: &Arguments, config: Config) -> Outcome {
    let untagged =
        if arguments.has("--delete-untagged") { Untagged::Removed } else { Untagged::Kept };
    let grace = arguments.duration("--grace", GRACE)?;
    let collection = Collection { untagged, grace, mode: arguments.mode() };
    let collected = Registry::new(config.driver, config.options).collect(&collection)?;
    println!(
        "{} manifests, {} links and {} blobs ({} bytes) {}",
        collected.manifests,
        collected.links,
        collected.blobs,
        collected.bytes,
        arguments.done("removed")
    );
    Ok(())
}

/// Removes the uploads that the registry knows about, and those that exist only in S3.
fn purge(registry: &Registry, s3: Option<&S3Driver>, age: Duration, mode: Mode) -> Outcome<usize> {
    let uploads = registry.purge(age, mode)?;
    match s3.filter(|_| mode == Mode::Remove) {
        Some(s3) => Ok(uploads + usize::try_from(s3.purge_uploads(UPLOADS, age)?.uploads)?),
        None => Ok(uploads),
    }
}

/// The arguments after the command: options, some of which have a value, and the configuration
/// file.
struct Arguments {
    options: Vec<(String, Option<String>)>,
    file: String,
}

impl Arguments {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let (mut options, mut file, mut rest) = (Vec::new(), None, arguments.iter());
        while let Some(argument) = rest.next() {
            if argument == "--grace" || argument == "--age" {
                options.push((argument.clone(), Some(rest.next().ok_or(USAGE)?.clone())));
            } else if argument.starts_with('-') {
                options.push((argument.clone(), None));
            } else if file.replace(argument.clone()).is_some() {
                return Err(USAGE.into());
            }
        }
        Ok(Self { options, file: file.ok_or(USAGE)? })
    }
    fn config(&self) -> Outcome<Config> {
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| format!("{}: {error}", self.file))?;
        let config = Config::read_with(&text, variables::environment()?);
        Ok(config.map_err(|error| format!("{}: {error}", self.file))?)
    }
    fn allow(&self, names: &[&str]) -> Outcome {
        if self.options.iter().all(|(name, _)| names.contains(&name.as_str())) {
            Ok(())
        } else {
            Err(USAGE.into())
        }
    }
    fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(known, _)| known == name)
    }
    fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.as_deref())
    }
    fn duration(&self, name: &str, default: &str) -> Outcome<Duration> {
        let text = self.value(name).unwrap_or(default);
        Ok(parse_with_days(text).map_err(|why| format!("{name}: {why}"))?)
    }
    fn mode(&self) -> Mode {
        if self.has("--dry-run") { Mode::DryRun } else { Mode::Remove }
    }
    fn done(&self, verb: &str) -> String {
        if self.has("--dry-run") { format!("would be {verb}") } else { verb.to_owned() }
    }
}
