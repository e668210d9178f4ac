//! Plays complete conversations: the input is the server's side, and each operation of the client
//! is the other side.
mod framing;
mod operations;
mod script;
mod server;

use framing::Framing;
use operations::{OPERATIONS, Operation};
use s3driver::client::{Client, Config, Endpoint, PayloadSigning, RetryPolicy, Scheme, Timeouts};
use s3driver::clock::Clock;
use s3driver::sign::Credentials;
use s3driver::{Error, Result};
use script::Script;
use server::{Exchange, Record, Server, Shared};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

const SECRET: &str = "conversation+secret/key";
const TOKEN: &str = "a+session/token+of+this+conversation";

/// The maximum duration of one conversation. A `hang` costs 0.2 s, a server hangs at most four
/// times, and the machine may be busy.
const LONGEST: Duration = Duration::from_secs(5);
/// How far one conversation may raise the peak memory of the process, and its reserved address
/// space. The largest body has 8 MiB.
const MOST_MEMORY: u64 = 64 << 20;
const MOST_ADDRESSES: u64 = 1 << 30;

/// Checks that, for any server, a write is `Ok` only after a complete response to a request that
/// was sent in full, an object that was read equals what was sent, no connection is used after
/// surplus bytes, and time and memory are bounded.
pub fn conversation(data: &[u8]) {
    let _ = converse(data);
}

/// Runs the operation named in the first line against the server that the other lines describe, and
/// returns its result.
pub fn converse(data: &[u8]) -> Result<()> {
    let script = Script::parse(data);
    let operation = operation(&script.operation);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    let shared = Shared::default();
    let server = Server::new(listener, &shared).expect("a server");
    let before = Memory::now();
    let begun = Instant::now();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| server.play(&script.events, port));
        // This is also dropped if the operation panics, so that the server ends, and the scope with
        // it.
        let _end = End(&shared);
        (operation.run)(&client(port), &shared)
    });
    let took = begun.elapsed();
    assert!(took < LONGEST, "{} took {took:?}", operation.name);
    before.check();
    check(operation, &result, &shared.into_record());
    result.map(drop)
}

struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Maps every text to an operation, so that no input is wasted.
fn operation(name: &str) -> &'static Operation {
    let sum = name.bytes().fold(0_usize, |sum, byte| sum + usize::from(byte));
    let named = OPERATIONS.iter().find(|operation| operation.name == name);
    named.unwrap_or_else(|| &OPERATIONS[sum % OPERATIONS.len()])
}

fn client(port: u16) -> Client {
    let endpoint =
        Endpoint::custom(&format!("http://127.0.0.1:{port}"), Some("eu-west-1"), Scheme::Http);
    let short = Duration::from_millis(400);
    let config = Config::new(endpoint.expect("an endpoint"))
        .static_credentials(Credentials::new("AKIDEXAMPLE", SECRET).with_session_token(TOKEN))
        .payload_signing(PayloadSigning::Unsigned)
        .timeouts(
            Timeouts::default()
                .connect(short)
                .idle(Duration::from_millis(100))
                .stall(short)
                .operation(short),
        )
        .retry(
            RetryPolicy::default()
                .max_attempts(2)
                .base(Duration::ZERO)
                .throttled_base(Duration::ZERO),
        )
        .clock(Arc::<Skipping>::default());
    Client::new(config).expect("a client")
}

/// A clock that advances when the client sleeps, without any delay.
#[derive(Debug, Default)]
struct Skipping {
    nanos: AtomicU64,
}

impl Skipping {
    fn slept(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

impl Clock for Skipping {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + self.slept()
    }
    fn instant(&self) -> Instant {
        Instant::now() + self.slept()
    }
    fn sleep(&self, wait: Duration) {
        self.nanos
            .fetch_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX >> 1), Ordering::Relaxed);
    }
    fn random(&self) -> u64 {
        1 << 63
    }
}

fn check(operation: &Operation, result: &Result<Vec<u8>>, record: &Record) {
    let name = operation.name;
    assert!(record.reused.is_empty(), "{name}: requests after surplus bytes: {:?}", record.reused);
    match result {
        Ok(content) => {
            let proved = record.unasked
                || record.exchanges.iter().any(|exchange| proves(operation, exchange));
            let exchanges: Vec<_> = record.exchanges.iter().map(Exchange::to_string).collect();
            assert!(proved, "{name} is Ok, but no response proves it:\n{}", exchanges.join("\n"));
            if let ([exchange], true) =
                (record.exchanges.as_slice(), name.starts_with("get") && !record.unasked)
                && let Framing::Complete { status, body, .. } = exchange.framing()
            {
                let asked = if status == 206 { &*body } else { operation.range_of(&body) };
                assert!(
                    content == asked,
                    "{name} did not read the bytes that were sent: {exchange}"
                );
            }
        }
        Err(error) => check_error(error),
    }
}

fn proves(operation: &Operation, exchange: &Exchange) -> bool {
    let proof = |status| {
        let holds = |(method, from, to): &(&str, u16, u16)| {
            *method == exchange.method && (*from..=*to).contains(&status)
        };
        operation.proofs.iter().any(holds)
    };
    !exchange.early
        && match exchange.framing() {
            Framing::Complete { status, .. } => proof(status),
            // A server that ignores the range may be cut off after the requested part.
            Framing::Truncated => operation.name == "get-part",
            Framing::Unclear => true,
        }
}

/// Checks that an error is one line and contains no secret.
fn check_error(error: &Error) {
    let (line, debug) = (error.to_string(), format!("{error:?}"));
    assert!(!line.contains(['\n', '\r']), "{line:?}");
    assert!(
        ![&line, &debug].into_iter().any(|text| text.contains(SECRET) || text.contains(TOKEN)),
        "{line}"
    );
}

/// The peak memory of this process, as far as the system reports it.
struct Memory {
    resident: u64,
    addresses: u64,
}

impl Memory {
    fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
        };
        Self { resident: bytes("VmHWM:").unwrap_or(0), addresses: bytes("VmPeak:").unwrap_or(0) }
    }

    fn check(&self) {
        let now = Self::now();
        // The system counts pages with some delay, so a peak can appear to shrink.
        let resident = now.resident.saturating_sub(self.resident);
        let addresses = now.addresses.saturating_sub(self.addresses);
        assert!(resident <= MOST_MEMORY, "the conversation used {resident} more bytes of memory");
        assert!(
            addresses <= MOST_ADDRESSES,
            "the conversation reserved {addresses} more bytes of address space"
        );
    }
}
