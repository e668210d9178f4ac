//! Whole conversations: the input is the server's side, and every operation of the client is the other one.
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

/// The longest that one conversation may take. A `hang` costs 0.2 s, a server hangs four times, and the machine may be
/// busy.
const LONGEST: Duration = Duration::from_secs(5);
/// The most memory that one conversation may add to what was ever used, and the most addresses that it may reserve. The
/// largest body has 8 MiB.
const MOST_MEMORY: u64 = 64 << 20;
const MOST_ADDRESSES: u64 = 1 << 30;

/// Whatever a server sends: a write is `Ok` only with a complete response to a request that was sent whole, an object that
/// was read is what was sent, no connection is used after surplus bytes, and time and memory are bounded.
pub fn conversation(data: &[u8]) {
    let _ = converse(data);
}

/// Runs the operation that the first line names against the server that the others describe, and returns its result.
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
        // Also when the operation panics: the server ends, and with it the scope.
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

/// Every text names an operation, so that no input is lost.
fn operation(name: &str) -> &'static Operation {
    let sum = name.bytes().fold(0_usize, |sum, byte| sum + usize::from(byte));
    let named = OPERATIONS.iter().find(|operation| operation.name == name);
    named.unwrap_or_else(|| &OPERATIONS[sum % OPERATIONS.len()])
}

fn client(port: u16) -> Client {
    let endpoint = Endpoint::custom(&format!("http://127.0.0.1:{port}"), Some("eu-west-1"), Scheme::Http);
    let short = Duration::from_millis(400);
    let config = Config::new(endpoint.expect("an endpoint"))
        .static_credentials(Credentials::new("AKIDEXAMPLE", SECRET).with_session_token(TOKEN))
        .payload_signing(PayloadSigning::Unsigned)
        .timeouts(Timeouts::default().connect(short).idle(Duration::from_millis(100)).stall(short).operation(short))
        .retry(RetryPolicy::default().max_attempts(2).base(Duration::ZERO).throttled_base(Duration::ZERO))
        .clock(Arc::<Skipping>::default());
    Client::new(config).expect("a client")
}

/// A clock that is moved by sleeping, which costs no time.
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
        self.nanos.fetch_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX >> 1), Ordering::Relaxed);
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
            let proved = record.unasked || record.exchanges.iter().any(|exchange| proves(operation, exchange));
            let exchanges: Vec<_> = record.exchanges.iter().map(Exchange::to_string).collect();
            assert!(proved, "{name} is Ok, and nothing proves it:\n{}", exchanges.join("\n"));
            if let ([exchange], true) = (record.exchanges.as_slice(), name.starts_with("get") && !record.unasked)
                && let Framing::Complete { status, body, .. } = exchange.framing()
            {
                let asked = if status == 206 { &*body } else { operation.range_of(&body) };
                assert!(content == asked, "{name} read other bytes than were sent: {exchange}");
            }
        }
        Err(error) => check_error(error),
    }
}

fn proves(operation: &Operation, exchange: &Exchange) -> bool {
    let proof = |status| {
        let holds =
            |(method, from, to): &(&str, u16, u16)| *method == exchange.method && (*from..=*to).contains(&status);
        operation.proofs.iter().any(holds)
    };
    !exchange.early
        && match exchange.framing() {
            Framing::Complete { status, .. } => proof(status),
            // A server that ignores the range may be cut off after the part that was wanted.
            Framing::Truncated => operation.name == "get-part",
            Framing::Unclear => true,
        }
}

/// An error is one line, and has no secret.
fn check_error(error: &Error) {
    let (line, debug) = (error.to_string(), format!("{error:?}"));
    assert!(!line.contains(['\n', '\r']), "{line:?}");
    assert!(![&line, &debug].into_iter().any(|text| text.contains(SECRET) || text.contains(TOKEN)), "{line}");
}

/// What this process has used at most, as far as the system says it.
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
        // The system counts pages with some delay, so that a peak can go down.
        let resident = now.resident.saturating_sub(self.resident);
        let addresses = now.addresses.saturating_sub(self.addresses);
        assert!(resident <= MOST_MEMORY, "{resident} more bytes in memory");
        assert!(addresses <= MOST_ADDRESSES, "{addresses} more bytes reserved");
    }
}
