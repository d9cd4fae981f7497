//! The status over HTTP and in `mynah status`: all views agree with each other and with what
//! happened.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use mynah_settings::ModelConfig;
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{cargo_component_wasm, tiny};

use crate::support::command::run;
use crate::support::process::{Running, figure};

#[test]
fn all_views_show_the_same_and_it_is_what_happened() {
    let mut host = Running::chat();
    assert_eq!(host.get("healthz"), "ok\n");
    assert_eq!(host.get("readyz"), "ok\n");
    for _ in 0..3 {
        host.ask("marker-of-the-prompt");
    }
    // The component has read the end of its answers, so no event is pending.
    let report = host.report();
    assert_eq!((report.queue.completed, report.queue.accepted), (3, 3));
    assert_eq!(report.performance.generated_tokens, 24);

    let text = host.get("metrics");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let completed = r#"mynah_requests_total{model="default",outcome="completed"}"#;
    let number = |line: &str| figure(&text, line);
    assert!((number(completed) - 3.0).abs() < 0.5);
    let tokens = number(r#"mynah_tokens_total{model="default",type="output"}"#);
    assert!((tokens - 24.0).abs() < 0.5, "{tokens}");
    let first = number(r#"gen_ai_server_time_to_first_token_seconds_count{model="default"}"#);
    assert!((first - 3.0).abs() < 0.5, "{first}");
    let between = number(r#"gen_ai_server_time_per_output_token_seconds_count{model="default"}"#);
    assert!((between - 21.0).abs() < 0.5, "{between}");
    let last =
        number(r#"gen_ai_server_time_to_first_token_seconds_bucket{le="+Inf",model="default"}"#);
    assert!((last - 3.0).abs() < 0.5, "{last}");

    let said = run(&["status", host.address()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("3 completed, 0 refused"), "{said:?}");
    let said = run(&["status", host.address(), "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(json["models"]["default"]["queue"]["completed"], 3);

    for view in [&text, &host.get("status"), &said.stdout] {
        assert!(!view.contains("marker-of-the-prompt"), "{view}");
    }
    // The host ends with the component.
    assert!(host.end().success());
    let said = run(&["status", host.address()]);
    said.host_line("no host serves its status");
}

#[test]
fn keys_of_a_core_module_that_set_nothing_are_shown() {
    let settings = r#"{"n-predict": 4, "llama3": true, "tempp": 0.5}"#;
    for version in ["071", "080"] {
        let mut host = Running::guest(&format!("core_{version}_ask"), &[settings]);
        host.ask("marker-of-the-prompt");
        host.ask("marker-of-the-prompt");
        let keys = host.report().model.ignored_keys;
        let shown: Vec<_> = keys
            .iter()
            .map(|one| (one.key.as_str(), one.reports))
            .collect();
        assert_eq!(shown, [("llama3", 1), ("tempp", 1)]);
        assert!(keys[1].hint.contains("`sampling.temp`"), "{keys:?}");
        let said = run(&["status", host.address()]);
        assert!(
            said.stdout
                .contains("`tempp`: did you mean `sampling.temp`?"),
            "{said:?}"
        );
    }
}

#[test]
fn every_figure_of_the_documentation_is_there_and_the_other_way_round() {
    let host = Running::chat();
    let text = host.get("metrics");
    let page = include_str!("../../../docs/operations/README.md");
    let (_, table) = page.split_once("## Figures").unwrap();
    let documented: std::collections::BTreeSet<&str> = table
        .split('`')
        .map(|word| word.split('{').next().unwrap_or(word))
        .map(|word| word.strip_suffix("_total").unwrap_or(word))
        .filter(|word| word.starts_with("mynah_") || word.starts_with("gen_ai_"))
        .collect();
    let exported: std::collections::BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(documented, exported);
}

#[test]
fn an_address_that_is_taken_is_an_error_at_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let model = format!("default={}", path.display());
    let component = cargo_component_wasm("chat").display().to_string();
    let line = [
        "run",
        "--no-config",
        "--metrics",
        &address,
        "--model",
        &model,
        &component,
        "Hi",
    ];
    let said = run(&line);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.host_line("give another address with --metrics");
}

#[test]
fn a_model_is_alive_while_it_rests_and_while_it_is_out_of_memory() {
    assert!(tiny().is_alive());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let model = mynah_engine::load(&path, ModelConfig::default(), |_| {}).unwrap();
    assert!(model.is_alive());
    assert!(model.unload());
    assert!(model.is_alive());
}

/// The metric names in a Prometheus query, with the labels that it selects.
fn asked_for(query: &str) -> Vec<(String, Vec<String>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(at) = ["mynah_", "gen_ai_"]
        .iter()
        .filter_map(|of| rest.find(of))
        .min()
    {
        let (_, from) = rest.split_at(at);
        let end = from.find(|c: char| !is_name(c)).unwrap_or(from.len());
        let (name, after) = from.split_at(end);
        let labels = after
            .strip_prefix('{')
            .and_then(|after| after.split_once('}'))
            .map_or("", |(labels, _)| labels);
        let labels = labels
            .split(',')
            .filter_map(|label| label.split(['=', '!']).next());
        let labels = labels.filter(|label| !label.is_empty());
        found.push((name.to_owned(), labels.map(str::to_owned).collect()));
        rest = after;
    }
    found
}

/// The labels that a query groups by.
fn grouped_by(query: &str) -> Vec<String> {
    let groups = query.split("by (").skip(1);
    let names = groups
        .filter_map(|group| group.split_once(')'))
        .flat_map(|(names, _)| names.split(','));
    names.map(|name| name.trim().to_owned()).collect()
}

#[test]
fn every_query_of_the_dashboard_asks_for_what_the_host_exports() {
    let mut host = Running::chat();
    host.ask("something");
    let text = host.get("metrics");
    // The exported series by name, with their labels.
    let mut exported: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let labels = line
            .split_once('{')
            .map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
        let names = labels
            .split("\",")
            .filter_map(|label| label.split('=').next());
        exported
            .entry(name)
            .or_default()
            .extend(names.map(str::to_owned));
    }
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let described: Vec<&str> = types.filter_map(|line| line.split(' ').next()).collect();
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../../docs/operations/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let mut queries: Vec<&str> = targets
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variables = variables
        .iter()
        .filter_map(|variable| variable["definition"].as_str());
    queries.extend(variables);
    assert!(queries.len() > 40, "{}", queries.len());
    let mut shown: Vec<String> = Vec::new();
    for query in queries {
        let asked = asked_for(query);
        assert!(!asked.is_empty(), "{query}");
        for (name, mut labels) in asked {
            labels.extend(grouped_by(query));
            let Some(there) = exported.get(name.as_str()) else {
                // Only exported if there is such memory, which this machine may lack.
                assert!(described.contains(&name.as_str()), "`{name}` of: {query}");
                shown.push(name);
                continue;
            };
            for label in labels {
                assert!(there.contains(&label), "`{label}` of `{name}` in: {query}");
            }
            shown.push(name);
        }
    }
    // The dashboard leaves out no exported metric.
    for name in described {
        let is_shown = shown.iter().any(|shown| {
            let of = shown
                .strip_suffix("_total")
                .or(shown.strip_suffix("_bucket"));
            shown == name || of == Some(name)
        });
        assert!(is_shown, "`{name}` is on no panel");
    }
}

/// Case S2.
#[test]
fn peers_that_say_nothing_leave_the_host_its_answers_and_its_file_descriptors() {
    let mut host = Running::chat();
    let descriptors = |host: &Running| {
        let folder = format!("/proc/{}/fd", host.child.id());
        std::fs::read_dir(folder).map(Iterator::count).unwrap_or(0)
    };
    host.ask("something");
    let before = descriptors(&host);
    let (mut held_by_address, mut held_by_socket) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        let mut peer = TcpStream::connect(host.address()).unwrap();
        // Fails if it was closed already.
        let _ = peer.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n");
        held_by_address.push(peer);
        let mut peer = UnixStream::connect(host.socket()).unwrap();
        let _ = peer.write_all(b"PUT /log HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nw");
        held_by_socket.push(peer);
    }
    assert_eq!(host.get("healthz"), "ok\n");
    let said = run(&["status", &host.socket().display().to_string()]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let now = descriptors(&host);
    assert!(now <= before + 40, "{now} descriptors instead of {before}");
    host.ask("something else");
    host.said_with("too many connections");
    assert!(host.end().success());
}
