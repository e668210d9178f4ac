//! The registry with an embedded S3 server that keeps everything in memory, for a first look.
use crate::service::config::Config;
use crate::{Outcome, serve};
use std::net::TcpListener;

#[path = "../../tests/support/mod.rs"]
mod support;

use support::{Server, ServerOptions};

/// Docker's port for registries.
const PORT: u16 = 5000;

/// Serves until the process ends, and prints the commands that push and pull an image.
pub(crate) fn serve_embedded() -> Outcome {
    let server = Server::start(ServerOptions::default());
    // If another registry uses the default port, any free port is used.
    let port = if TcpListener::bind(("127.0.0.1", PORT)).is_ok() { PORT } else { 0 };
    let config = format!(
        "version: 0.1\n\
         storage:\n  s3: {{ regionendpoint: '{}', region: '{}', accesskey: '{}', secretkey: '{}', bucket: '{}' }}\n  \
         delete: {{ enabled: true }}\n\
         http: {{ addr: '127.0.0.1:{port}' }}\n\
         log: {{ accesslog: {{ disabled: true }} }}\n",
        server.endpoint(),
        server.region(),
        server.access_key(),
        server.secret_key(),
        server.bucket(),
    );
    println!("storage   {} (embedded, in memory, until this process ends)", server.endpoint());
    serve(Config::read(&config)?, |address| {
        let host = address.strip_prefix("http://").unwrap_or(address);
        println!("registry  {address}");
        println!();
        println!(
            "An image with skopeo and umoci (apt-get install skopeo umoci), pushed and pulled:"
        );
        println!();
        println!("  umoci init --layout hello && umoci new --image hello:latest");
        println!(
            "  skopeo copy --dest-tls-verify=false oci:hello:latest docker://{host}/hello:latest"
        );
        println!("  skopeo copy --src-tls-verify=false docker://{host}/hello:latest dir:pulled");
    })
}
