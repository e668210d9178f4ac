//! The choice among the addresses of a server, in a network namespace whose addresses are dark, or
//! refuse connections, as the test wants.

use super::*;
use crate::transport::race::{HEAD_START, race_with};
use std::net::SocketAddr;
use std::process::Command;

const CHILD: &str = "S3DRIVER_TEST_IN_A_NETWORK_NAMESPACE";

/// Prepares the namespace. Packets to an address that the loopback interface routes but does not
/// have are dropped without a response.
const NAMESPACE: &str = "
    ip link set lo up
    ip address add 192.0.2.1/32 dev lo
    ip route add 192.0.2.0/24 dev lo
    ip -6 address add 2001:db8::1/64 dev lo nodad
    mount --bind \"$1\" /etc/hosts
    shift
    exec \"$@\"
";

/// The names of the test. `2001:db8::2`, `192.0.2.8` and `192.0.2.9` are dark, `2001:db8::1`
/// refuses, and the server has `192.0.2.1`.
const HOSTS: &str = "2001:db8::2 dark-six.test\n192.0.2.1 dark-six.test\n\
                     2001:db8::1 refusing-six.test\n192.0.2.1 refusing-six.test\n\
                     2001:db8::2 dark.test\n192.0.2.9 dark.test\n\
                     192.0.2.8 silent.test\n192.0.2.9 silent.test\n\
                     2001:db8::1 half-dark.test\n192.0.2.9 half-dark.test\n";

/// Runs this program's test `name` in a namespace whose `/etc/hosts` is `hosts`. Where namespaces
/// are not permitted, it only prints why.
fn in_namespace(name: &str, hosts: &str) {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "--mount", "sh", "-ec"]);
        command
    };
    let probe = unshare().arg("ip link set lo up && ip -6 route show").output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        println!("skipped: {name}: a network namespace cannot be created here: {probe:?}");
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, hosts).unwrap();
    let output = unshare()
        .args([NAMESPACE, "sh"])
        .arg(file.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &format!("transport::tests::race::{name}")])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = format!("{output:?}");
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Counts the attempts to connect that are running.
fn connecting_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.trim() == "s3driver-connec").count()
}

#[test]
fn a_dark_family_costs_a_head_start_and_errors_name_every_address() {
    let name = "a_dark_family_costs_a_head_start_and_errors_name_every_address";
    if std::env::var_os(CHILD).is_none() {
        return in_namespace(name, HOSTS);
    }

    let listener = TcpListener::bind("192.0.2.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (seen, ahead) = (Arc::default(), Vec::new());
            let mut peer = Peer { stream: stream.unwrap(), number: 0, seen, ahead };
            peer.request().unwrap();
            peer.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let connect_timeout = Duration::from_secs(2);
    let transport = Transport::new(TransportOptions { connect_timeout, ..options() }).unwrap();
    let send = |host: &str| {
        let origin = Origin { scheme: Scheme::Http, host: host.to_owned(), port };
        let begun = Instant::now();
        let result = transport.send(&origin, &request("GET"), RequestBody::Empty);
        (result.map(|response| response.status), begun.elapsed())
    };

    let (status, took) = send("dark-six.test");
    assert_eq!(status.unwrap(), 200);
    assert!((HEAD_START..connect_timeout / 2).contains(&took), "{took:?}");
    // The address that won is tried first from now on, also after the next lookup.
    for round in 0..8 {
        if round % 4 == 0 {
            transport.connector().names().expire();
        }
        let (status, took) = send("dark-six.test");
        assert_eq!(status.unwrap(), 200);
        assert!(took < HEAD_START, "{round}: {took:?}");
    }
    // The first attempt to reach the dark address, and the last threads that are about to end.
    let running = connecting_threads();
    assert!(running <= 3, "{running} attempts are running");

    let (status, took) = send("refusing-six.test");
    assert_eq!(status.unwrap(), 200);
    assert!(took < HEAD_START, "{took:?}");

    for (host, addresses) in
        [("dark.test", ["[2001:db8::2]", "192.0.2.9"]), ("silent.test", ["192.0.2.8", "192.0.2.9"])]
    {
        let (result, took) = send(host);
        let error = result.unwrap_err();
        assert_eq!(error.phase, Phase::Connect);
        assert!((connect_timeout..connect_timeout * 2).contains(&took), "{took:?}");
        // Linux may report a dark IPv6 address of this namespace as unreachable after a while.
        assert!(error.is_timeout() || host == "dark.test", "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("no connection to the server {host}:{port}: ")), "{text}");
        for address in addresses {
            assert!(text.contains(&format!("{address}:{port}: ")), "{text}");
        }
    }

    let (result, _) = send("half-dark.test");
    let error = result.unwrap_err();
    let Failure::Connect(failure) = &error.failure else { panic!("{error}") };
    assert_eq!((failure.obstacle, error.is_timeout()), (Obstacle::Tcp, false));
    let text = error.to_string();
    assert!(text.contains(&format!("[2001:db8::1]:{port}: Connection refused")), "{text}");
    assert!(text.contains(&format!("192.0.2.9:{port}: ")), "{text}");
}

/// Without threads, a dark address takes only its share of the time, and the next one is tried.
#[test]
fn a_dark_address_leaves_time_for_the_next_when_no_thread_can_be_started() {
    let name = "a_dark_address_leaves_time_for_the_next_when_no_thread_can_be_started";
    if std::env::var_os(CHILD).is_none() {
        return in_namespace(name, HOSTS);
    }

    let listener = TcpListener::bind("192.0.2.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    let dark = SocketAddr::new([192, 0, 2, 9].into(), open.port());
    let deadline = Instant::now() + Duration::from_secs(4);
    let none = |_: Box<dyn FnOnce() + Send>| Err(io::ErrorKind::WouldBlock.into());
    let connected = race_with(&[dark, open], deadline, none).unwrap();
    assert_eq!(connected.0, open);
}
