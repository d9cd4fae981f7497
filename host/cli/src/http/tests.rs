//! Peers that say nothing, too little, too much, or never read.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use axum::routing::{get, put};
use tokio::runtime::Runtime;

use super::*;

/// A test waits for this long before it says that something never happened.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bounds in which nothing ends by itself within a test.
const PATIENT: Bounds = Bounds {
    connections: 8,
    head: Duration::from_secs(3600),
    answer: Duration::from_secs(3600),
    stall: Duration::from_secs(3600),
    age: Duration::from_secs(3600),
    head_bytes: 16 << 10,
    head_fields: 64,
    body_bytes: 1 << 10,
};

const SHORT: Duration = Duration::from_millis(50);

struct Served {
    address: SocketAddr,
    server: Option<Server>,
    runtime: Runtime,
}

/// Serves `/` with a few bytes, `/much` with many, and `/put`, which takes a body.
fn served(bounds: Bounds) -> Served {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let router = Router::new()
        .route("/", get("hello"))
        .route("/much", get(|| async { "x".repeat(64 << 20) }))
        .route("/put", put(|body: String| async move { body }));
    let (address, server) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, serve("test", listener, router, bounds))
    });
    Served {
        address,
        server: Some(server),
        runtime,
    }
}

impl Served {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends text on a connection of its own and reads until the server closes it.
    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        rest(&mut stream)
    }

    fn assert_answers(&self) {
        let answer = self.ask("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert!(answer.ends_with("hello"), "{answer:?}");
    }
}

/// Reads until the peer closes the connection, by whatever means.
fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut some = [0; 4096];
    loop {
        match stream.read(&mut some) {
            Ok(0) => break,
            Ok(length) => all.extend_from_slice(&some[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("the connection is never closed; so far: {all:?}")
            }
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Case S2.
#[test]
fn peers_that_say_nothing_keep_nobody_out() {
    let served = served(PATIENT);
    let mut held: Vec<TcpStream> = (0..200)
        .map(|number| {
            let mut stream = served.connect();
            // Half of them begin a request; a closed connection refuses that.
            if number % 2 == 0 {
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n");
            }
            stream
        })
        .collect();
    served.assert_answers();
    // All but the bound were closed.
    let over = held.len() - PATIENT.connections;
    for stream in &mut held[..over] {
        assert_eq!(rest(stream), "");
    }
}

#[test]
fn a_connection_that_asks_again_is_not_the_first_to_be_closed() {
    let served = served(PATIENT);
    let mut busy = served.connect();
    let mut ask = || {
        busy.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .unwrap();
        let (mut seen, mut some) = (String::new(), [0; 4096]);
        while !seen.ends_with("hello") {
            let length = busy.read(&mut some).unwrap();
            assert!(length > 0, "closed after {seen:?}");
            seen.push_str(&String::from_utf8_lossy(&some[..length]));
        }
    };
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(served.connect());
        ask();
    }
}

#[test]
fn a_head_that_comes_byte_by_byte_ends_the_connection() {
    let served = served(Bounds {
        head: SHORT,
        ..PATIENT
    });
    let mut drip = served.connect();
    // Writing fails when the server has closed the connection.
    let closed = (0..6000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        drip.write_all(b"G").is_err()
    });
    assert!(closed, "the head took as long as the peer wanted");
    // The same for one that is kept open after an answer.
    let answer = served.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(answer.ends_with("hello"), "{answer:?}");
    served.assert_answers();
}

#[test]
fn a_body_that_never_comes_ends_the_request() {
    let served = served(Bounds {
        answer: SHORT,
        ..PATIENT
    });
    let answer = served.ask("PUT /put HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer:?}");
}

#[test]
fn a_head_or_a_body_that_is_too_large_is_refused() {
    let served = served(PATIENT);
    let long = "x".repeat(PATIENT.head_bytes * 2);
    let answer = served.ask(&format!(
        "GET / HTTP/1.1\r\nhost: a\r\nlong: {long}\r\n\r\n"
    ));
    // A peer that still sends when the connection is closed may miss the answer.
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer:?}"
    );
    let fields = "a: b\r\n".repeat(PATIENT.head_fields + 1);
    let answer = served.ask(&format!("GET / HTTP/1.1\r\n{fields}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer:?}");
    let body = "x".repeat(PATIENT.body_bytes + 1);
    let length = body.len();
    let head = "PUT /put HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length:";
    let answer = served.ask(&format!("{head} {length}\r\n\r\n{body}"));
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer:?}");
    served.assert_answers();
}

#[test]
fn a_peer_that_never_reads_its_answer_is_closed() {
    let served = served(Bounds {
        stall: SHORT,
        ..PATIENT
    });
    let mut deaf = served.connect();
    deaf.write_all(b"GET /much HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    served.assert_answers();
    // The answer is larger than what the system holds for a peer, so it cannot have arrived whole.
    std::thread::sleep(SHORT * 10);
    let mut length = 0;
    let mut some = vec![0; 1 << 20];
    while let Ok(more @ 1..) = deaf.read(&mut some) {
        length += more;
    }
    assert!(
        length < 64 << 20,
        "{length} bytes were held for a peer that does not read"
    );
}

#[test]
fn a_connection_ends_with_its_age_whatever_its_peer_does() {
    let served = served(Bounds {
        age: SHORT,
        answer: SHORT,
        ..PATIENT
    });
    let mut lively = served.connect();
    let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let closed = (0..6000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        lively.write_all(request).is_err()
    });
    assert!(closed, "the connection lives as long as its peer wants");
}

#[test]
fn thousands_of_requests_at_once_are_answered_one_by_one() {
    let served = served(PATIENT);
    let count = 5000;
    let mut stream = served.connect();
    let mut writer = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(count - 1);
        writer.write_all(request.as_bytes()).unwrap();
        writer
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .unwrap();
    });
    served.assert_answers();
    let answers = rest(&mut stream);
    sender.join().unwrap();
    assert_eq!(answers.matches("hello").count(), count);
}

#[test]
fn what_is_no_http_and_half_a_connection_harm_nobody() {
    let served = served(PATIENT);
    for sent in [
        "\x16\x03\x01\x02",
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "\0\0\0\0 / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = served.connect();
        stream.write_all(sent.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = rest(&mut stream);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{answer:?}"
        );
        served.assert_answers();
    }
}

#[test]
fn a_server_that_is_dropped_closes_its_connections() {
    let mut served = served(PATIENT);
    let mut open = served.connect();
    served.assert_answers();
    served.server = None;
    assert_eq!(rest(&mut open), "");
    served.runtime.shutdown_background();
}

/// A listener that fails as one does without file descriptors.
struct Exhausted(tokio::sync::mpsc::UnboundedSender<()>);

impl Listener for Exhausted {
    type Stream = tokio::net::TcpStream;

    async fn accept(&self) -> io::Result<Self::Stream> {
        let _ = self.0.send(());
        // EMFILE.
        Err(io::Error::from_raw_os_error(24))
    }
}

#[test]
fn a_listener_without_file_descriptors_does_not_spin() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let begun = Instant::now();
        let _server = serve("test", Exhausted(tell), Router::new(), PATIENT);
        for _ in 0..10 {
            told.recv().await.unwrap();
        }
        assert!(begun.elapsed() >= RETRY * 9);
    });
}

#[test]
fn trouble_is_logged_once_and_counted() {
    let mut trouble = Occasion::default();
    assert_eq!(trouble.happened(), Some(1));
    assert!((0..1000).all(|_| trouble.happened().is_none()));
    trouble.logged_at = Instant::now().checked_sub(QUIET);
    assert_eq!(trouble.happened(), Some(1002));
}
