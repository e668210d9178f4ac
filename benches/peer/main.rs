//! Performs and measures one kind of work per run. It is used to compare S3 clients, and by
//! `scripts/guards` and `scripts/scaling` to count and time operations.
//!
//! ```text
//! upload FILE_OR_SIZE PART_MIB CONCURRENCY   a multipart upload; a number sends that many bytes from memory
//! download SIZE PART_MIB CONCURRENCY         of the object obj-SIZE; one stream with a concurrency of 1, otherwise ranges
//! put-small N SIZE THREADS                   N objects of SIZE bytes
//! get-small N SIZE THREADS
//! list N                                     the bucket list-N, every page into owned entries
//! delete N                                   N keys in batches of 1,000
//! repeat PIECE N                             one step of `micro/pieces.rs`, to count its instructions
//! serve [FILE]                               the server for all of the above, until its standard input ends; with a
//!                                            file, over https as well: the certificate to trust is written there
//! ```
//!
//! Environment: `BENCH_ENDPOINT`, `BENCH_CA` (a PEM file, for https), `BENCH_VIA=driver` to use the
//! storage driver instead of the client, `BENCH_UNSIGNED` to leave bodies unsigned,
//! `BENCH_OBSERVED` (`metrics`, or `idle` for an observer that does nothing), `BENCH_CHECKSUM`
//! (`crc64nvme`, `crc32c`), `BENCH_TRANSPORT=ureq` to let the client send through an agent (feature
//! `ureq`). The last line of the output is JSON: the amount of work, the elapsed time, the
//! processor time, and the peak memory of the process.

mod meter;
mod order;
#[path = "../micro/pieces.rs"]
mod pieces;
mod route;
mod serve;
mod threads;
mod through_client;
mod through_driver;
mod tls;

use meter::Meter;
use order::{Order, Setting, Work};
use pieces::PIECES;
use route::{Outcome, Route};
use through_client::ThroughClient;
use through_driver::ThroughDriver;

fn main() -> Outcome {
    match Order::from_arguments(std::env::args().skip(1))? {
        Order::Serve { certificate } => serve::run(certificate.as_deref()),
        Order::Repeat { piece, count } => repeat(&piece, count),
        Order::Work(work) => {
            let setting = Setting::from_environment()?;
            let route: Box<dyn Route> = match std::env::var("BENCH_VIA").as_deref() {
                Ok("driver") => Box::new(ThroughDriver::new(&setting, &work)?),
                _ => Box::new(ThroughClient::new(&setting)?),
            };
            measured(&work, &*route)
        }
    }
}

fn repeat(piece: &str, count: u64) -> Outcome {
    let (_, make) =
        PIECES.iter().find(|(name, _)| *name == piece).ok_or("there is no piece with this name")?;
    let mut work = make();
    (0..count).for_each(|_| work());
    Ok(())
}

/// Performs the work and prints the closing line.
fn measured(work: &Work, route: &dyn Route) -> Outcome {
    let data = work.data();
    let meter = Meter::start();
    let (operations, bytes) = match work {
        Work::Upload { source, part, concurrency } => {
            route.upload(source, &data, *part, *concurrency)?;
            (1, source.len())
        }
        Work::Download { size, part, concurrency } => {
            let received = route.download(*size, *part, *concurrency)?;
            expect(received, *size)?;
            (1, received)
        }
        Work::PutSmall { count, threads, .. } => {
            threads::share(*count, *threads, |index, key| {
                route.put(order::small_key(key, index, data.len()), &data)
            })?;
            (*count, count * data.len() as u64)
        }
        Work::GetSmall { count, size, threads } => {
            threads::share(*count, *threads, |index, key| {
                expect(route.get(order::small_key(key, index, *size))?, *size as u64)
            })?;
            (*count, count * *size as u64)
        }
        Work::List { count } => {
            let found = route.list(&order::listed_bucket(*count))?;
            expect(found, *count)?;
            (found, 0)
        }
        Work::Delete { count } => {
            route.delete(&order::listed_bucket(*count), *count)?;
            (*count, 0)
        }
    };
    println!("{}", meter.line(operations, bytes)?);
    Ok(())
}

fn expect(found: u64, expected: u64) -> Outcome {
    if found == expected {
        Ok(())
    } else {
        Err(format!("the work covered {found} keys or bytes instead of {expected}").into())
    }
}
