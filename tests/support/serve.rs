//! The network side: one thread with its own runtime, HTTP/1.1 by hyper, TLS by rustls.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, EXPECT, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::crypto::{Checksum as _, Md5};
use s3s::service::S3Service;
use s3s::{Body, HttpResponse, S3ErrorCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::body::Algorithm;
use super::gate::{Verdict, restore_v2_token};
use super::second::{Second, is_form};
use super::traffic::Traffic;

/// The maximum size of a body that is collected in memory before s3s sees it: a form, or a document
/// such as that of DeleteObjects (1000 keys of 1024 bytes fit, including escapes).
const MAX_COLLECTED_BODY: u64 = 8 << 20;
/// The operations whose bodies must have a digest, by method and query parameter.
const DIGESTED: [(Method, &str); 4] = [
    (Method::POST, "delete"),
    (Method::PUT, "object-lock"),
    (Method::PUT, "retention"),
    (Method::PUT, "legal-hold"),
];
/// How long the server waits after a failed accept, so that it does not spin when the process is
/// out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Everything a connection needs.
#[derive(Clone)]
pub struct Connections {
    pub service: S3Service,
    pub second: Second,
    pub traffic: Arc<Traffic>,
    pub tls: Option<TlsAcceptor>,
}

/// Serves until `stop` fires or its sender is dropped. All connections end when this function
/// returns.
pub fn run(listener: TcpListener, connections: Connections, stop: oneshot::Receiver<()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener =
            tokio::net::TcpListener::from_std(listener).expect("a non-blocking listener");
        tokio::spawn(accept(listener, connections));
        // An error means that the sender was dropped, which is also a reason to stop.
        let _ = stop.await;
    });
}

async fn accept(listener: tokio::net::TcpListener, connections: Connections) {
    loop {
        // Accepting fails for connections that are already gone and when descriptors run out;
        // neither ends the server.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        Traffic::add(&connections.traffic.connections, 1);
        let connections = connections.clone();
        tokio::spawn(async move {
            // Without this, a response's last packet may wait for an acknowledgement.
            let _ = stream.set_nodelay(true);
            match connections.tls.clone() {
                None => connections.serve(stream).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connections.serve(stream).await;
                    }
                }
            }
        });
    }
}

impl Connections {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service =
            service_fn(|request| async { Ok::<_, Infallible>(self.answer(request).await) });
        // A client that disconnects in the middle is not an error of the server.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> HttpResponse {
        let number = self.traffic.requests.fetch_add(1, Relaxed);
        let delay = self.traffic.delay();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }

        let (mut head, incoming) = request.into_parts();
        let mut body =
            SharedBody { incoming: Arc::new(Mutex::new(incoming)), traffic: self.traffic.clone() };
        let expects = head.headers.contains_key(EXPECT);
        let is_digested = |(method, parameter): &(Method, &str)| {
            let query = head.uri.query().unwrap_or_default();
            let mut names = query.split('&').map(|pair| pair.strip_suffix('=').unwrap_or(pair));
            head.method == *method && names.any(|name| name == *parameter)
        };
        let is_digested = DIGESTED.iter().any(is_digested);
        let is_form = is_form(&head);
        let collected = match is_digested || is_form {
            true => Some(body.collect(MAX_COLLECTED_BODY).await),
            false => None,
        };
        let opinion = self.second.opinion(&head, collected.as_deref().filter(|_| is_form));
        head.extensions.insert(opinion.clone());
        restore_v2_token(&mut head);
        if let Some(collected) = collected.as_ref().filter(|_| is_digested)
            && let Err(verdict) = check_digest(&head.headers, collected)
        {
            head.extensions.insert(verdict);
        }
        let s3_body = collected.map_or_else(|| Body::http_body(body.clone()), Body::from);
        let mut answer = match self.service.call(Request::from_parts(head, s3_body)).await {
            Ok(answer) => answer,
            Err(_) => hyper::Response::builder()
                .status(500)
                .body(Body::empty())
                .expect("a valid response"),
        };
        if opinion.disagrees(answer.status()) {
            let text = "s3s rejects a signature that the second verifier accepts";
            eprintln!("{text}: {answer:?}");
            answer = hyper::Response::builder()
                .status(500)
                .body(Body::from(text.to_owned()))
                .expect("a valid response");
        }
        // The body of a request that was rejected early is still read, so that the client finds the
        // response and not a reset connection.
        if !expects {
            body.collect(0).await;
        }
        // s3s does not set the status 206 for the HEAD of a range.
        if answer.status() == StatusCode::OK && answer.headers().contains_key(CONTENT_RANGE) {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        let length = answer
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        Traffic::add(
            &self.traffic.bytes_out,
            length.unwrap_or_else(|| answer.body().size_hint().lower()),
        );
        answer.headers_mut().insert("x-amz-request-id", request_id(number));
        answer
    }
}

fn request_id(number: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("{number:016X}")).unwrap_or(HeaderValue::from_static("0"))
}

/// Checks the digest of a body that must have one. s3s passes the body on only in parsed form.
fn check_digest(headers: &HeaderMap, body: &[u8]) -> Result<(), Verdict> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let md5 = header("content-md5").map(|sent| sent == BASE64_STANDARD.encode(Md5::checksum(body)));
    let mut checksums = Algorithm::ALL
        .into_iter()
        .filter_map(|algorithm| Some((algorithm, header(algorithm.header())?)));
    let checksum = checksums.next().map(|(algorithm, sent)| sent == algorithm.digest(body));
    match (md5, checksum) {
        (None, None) => Err(Verdict(
            S3ErrorCode::InvalidRequest,
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*".to_owned(),
        )),
        (Some(false), _) | (_, Some(false)) => Err(Verdict(
            S3ErrorCode::BadDigest,
            "The digest you specified did not match what we received".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// A request's body that can still be read after s3s has finished. It counts the bytes that arrive.
#[derive(Clone)]
struct SharedBody {
    incoming: Arc<Mutex<Incoming>>,
    traffic: Arc<Traffic>,
}

impl SharedBody {
    /// Reads to the end and keeps at most `limit` bytes.
    async fn collect(&mut self, limit: u64) -> Bytes {
        let mut collected = Vec::new();
        while let Some(Ok(frame)) =
            poll_fn(|context| Pin::new(&mut *self).poll_frame(context)).await
        {
            if let Ok(data) = frame.into_data()
                && (collected.len() + data.len()) as u64 <= limit
            {
                collected.extend_from_slice(&data);
            }
        }
        collected.into()
    }
}

impl HttpBody for SharedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = Pin::new(&mut *incoming).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            Traffic::add(&self.traffic.bytes_in, frame.data_ref().map_or(0, Bytes::len) as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}
