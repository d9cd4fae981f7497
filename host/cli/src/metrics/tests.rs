//! What the host answers while it loads models, afterwards, and when it ends.

use std::io::{Read, Write};
use std::net::TcpStream;

use mynah_core::testing::Scripted;

use super::*;

/// The status and the body of an answer.
fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "HTTP/1.1\r\nhost: a\r\nconnection: close";
    write!(stream, "{method} {path} {head}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// A host to which a model is granted, with its registry, while the test looks at its address.
fn with_host(test: impl FnOnce(SocketAddr, &Registry, Arc<Serving>)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let models = Registry::new();
    let granted = vec!["default".to_owned(), "small".to_owned()];
    let serving = Serving::new(&models, granted, Path::new("guests/chat.wasm"));
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = runtime.block_on(serve(local, &serving)).unwrap();
    test(server.address, &models, serving);
}

/// Case S4.
#[test]
fn the_host_answers_while_it_loads_models_and_says_so() {
    with_host(|address, models, _serving| {
        let loading = "loading: default, small\n".to_owned();
        assert_eq!(ask(address, "GET", "/healthz"), (200, loading.clone()));
        assert_eq!(ask(address, "GET", "/readyz"), (503, loading));
        let (code, text) = ask(address, "GET", "/metrics");
        assert!(code == 200 && text.ends_with("# EOF\n"), "{text}");
        let status = || {
            let (code, text) = ask(address, "GET", "/status");
            assert_eq!(code, 200);
            serde_json::from_str::<HostStatus>(&text).unwrap()
        };
        assert_eq!(status().loading, ["default", "small"]);
        assert_eq!(status().component, "chat.wasm");
        let load = |name| models.insert(name, Scripted::echo().into_model()).unwrap();
        load("default");
        let loading = "loading: small\n".to_owned();
        assert_eq!(ask(address, "GET", "/readyz"), (503, loading));
        load("small");
        for path in ["/healthz", "/readyz"] {
            assert_eq!(ask(address, "GET", path), (200, "ok\n".to_owned()));
        }
        assert!(status().loading.is_empty());
        assert_eq!(status().models.len(), 2);
    });
}

#[test]
fn a_host_that_ends_is_not_ready_and_not_healthy() {
    with_host(|address, _models, serving| {
        drop(serving);
        for path in ["/healthz", "/readyz", "/status", "/metrics"] {
            assert_eq!(ask(address, "GET", path).0, 503, "{path}");
        }
    });
}

/// Newcomer 26.
#[test]
fn the_root_and_an_unknown_path_list_the_paths() {
    with_host(|address, _models, _serving| {
        for (path, code) in [("/", 200), ("/metric", 404), ("/status/", 404)] {
            let (told, list) = ask(address, "GET", path);
            assert_eq!(told, code, "{path}");
            for path in ["/metrics", "/status", "/healthz", "/readyz"] {
                assert!(list.contains(&format!("{path} ")), "{path} in {list}");
                assert_eq!(ask(address, "HEAD", path).1, "", "{path}");
            }
        }
        let (code, told) = ask(address, "POST", "/metrics");
        assert!(code == 405 && told.contains("no such method"), "{told}");
    });
}
