//! A server for every host name: a client reaches it through a proxy, over TLS if the server has
//! names. It records each request, and a script responds.

use crate::server::Answer;
use crate::support::relay::Relay;
use crate::support::tls;
use s3driver::sign::verify::{Content, SignedBy, Verifier};
use s3driver::sign::{self, Credentials};
use s3driver::time::Timestamp;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// The path and the query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn host(&self) -> &str {
        self.header("host").unwrap()
    }

    pub(crate) fn has_query(&self, name: &str) -> bool {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| pair.split('=').next() == Some(name))
    }

    /// Verifies the signature with the keys of the server.
    pub(crate) fn verified(&self, keys: &[Credentials]) -> Result<SignedBy, String> {
        let find = |id: &str| keys.iter().find(|keys| keys.access_key_id() == id).cloned();
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let request = sign::Request::from_target(&self.method, &self.target)
            .map_err(|error| error.to_string())?
            .headers(&headers);
        // The clocks of the tests stand still or jump.
        let now = self.header("x-amz-date").and_then(Timestamp::parse_amz_date);
        let now = now.unwrap_or_else(|| std::time::SystemTime::now().into());
        Verifier::new(&find, now)
            .verify(&request, Content::Bytes(&self.body))
            .map_err(|refusal| refusal.to_string())
    }
}

type Script = dyn Fn(&Received) -> Answer + Send + Sync;

struct Shared {
    script: Box<Script>,
    seen: Mutex<Vec<Received>>,
    tls: Option<Arc<ServerConfig>>,
    stopped: AtomicBool,
}

/// A running server.
pub(crate) struct Hosts {
    address: SocketAddr,
    shared: Arc<Shared>,
    relay: Relay,
    ca_pem: Option<String>,
}

impl Hosts {
    /// Starts a server with TLS for these host names, or without TLS if there are none.
    pub(crate) fn start(
        names: &[&str],
        script: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let (tls, ca_pem) = (!names.is_empty()).then(|| tls::config(names).unwrap()).unzip();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::default(),
            tls,
            stopped: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if own.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&own);
                // An error means that the client has disconnected.
                thread::spawn(move || drop(shared.accept(stream)));
            }
        });
        Self { address, shared, relay: Relay::start(address), ca_pem }
    }

    /// Returns the URL of the server itself.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the URL of a proxy that leads to the server, for every host.
    pub(crate) fn proxy(&self) -> String {
        self.relay.url()
    }

    pub(crate) fn ca_pem(&self) -> &str {
        self.ca_pem.as_deref().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Received> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn accept(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        match &self.tls {
            None => self.serve(stream),
            Some(config) => {
                let connection =
                    ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                self.serve(StreamOwned::new(connection, stream))
            }
        }
    }

    fn serve(&self, stream: impl Read + Write) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read(&mut stream)? {
            let answer = (self.script)(&request);
            let bodiless = request.method == "HEAD";
            self.seen.lock().unwrap().push(request);
            let mut bytes = answer.bytes();
            if bodiless {
                bytes.truncate(bytes.len() - answer.body.len());
            }
            stream.get_mut().write_all(&bytes)?;
            stream.get_mut().flush()?;
        }
        Ok(())
    }
}

/// Reads a request, or returns `None` if the client has closed the connection.
fn read(stream: &mut impl BufRead) -> io::Result<Option<Received>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap());
    // A proxy receives the absolute form.
    let path = |rest: &str| rest[rest.find('/').unwrap()..].to_owned();
    let target = target.strip_prefix("http://").map_or_else(|| target.to_owned(), path);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    stream.read_exact(&mut body)?;
    Ok(Some(Received { method, target, headers, body }))
}
