//! The peer: llama.cpp's own server in its own process, called over HTTP on a loopback port.
//!
//! `peer.py` starts it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use ureq::Agent;

const PROGRAM: &str = include_str!("peer.py");
/// Time limit for the server to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// The server checks for closed connections once a second; this is twice that time.
const NOTICES: Duration = Duration::from_secs(2);

/// The configuration of the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serving<'a> {
    pub(crate) python: &'a Path,
    pub(crate) model: &'a Path,
    pub(crate) parallel: usize,
    /// Context tokens per sequence.
    pub(crate) ctx_size: u32,
    pub(crate) threads: usize,
    /// File for the server's log.
    pub(crate) log: &'a Path,
}

/// A running server. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Peer {
    process: Child,
    completion: String,
    agent: Agent,
}

impl Peer {
    /// Starts the server and waits until it has loaded its model.
    pub(crate) fn start(serving: Serving<'_>) -> Result<Self> {
        let log = std::fs::File::create(serving.log)?;
        let mut process = Command::new(serving.python)
            .args(["-c", PROGRAM])
            .arg(serving.model)
            .args([serving.parallel.to_string(), serving.ctx_size.to_string()])
            .arg(serving.threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} can't be started", serving.python.display()))?;
        let stdout = process.stdout.take();
        let agent = Agent::new_with_config(
            Agent::config_builder()
                // The server is on this machine.
                .proxy(None)
                // The server closes idle connections, and a new connection is cheap here.
                .max_idle_connections(0)
                .max_idle_connections_per_host(0)
                .build(),
        );
        // From here on, drop ends the process.
        let mut peer = Self {
            process,
            completion: String::new(),
            agent,
        };
        let mut address = String::new();
        BufReader::new(stdout.context("its stdout is not ours")?).read_line(&mut address)?;
        ensure!(
            address.starts_with("http://"),
            "the peer didn't start: see {}",
            serving.log.display()
        );
        peer.completion = format!("{}/completion", address.trim());
        Ok(peer)
    }

    /// Requests exactly `count` tokens after a prompt.
    pub(crate) fn request(&self, prompt: &[u32], count: u32) -> Request {
        self.ask(prompt, count, false)
    }

    /// As [`request`](Self::request), with the server's prompt cache, which is its default.
    pub(crate) fn request_remembered(&self, prompt: &[u32], count: u32) -> Request {
        self.ask(prompt, count, true)
    }

    fn ask(&self, prompt: &[u32], count: u32, cache_prompt: bool) -> Request {
        let body = json!({
            "prompt": prompt,
            "n_predict": count,
            "ignore_eos": true,
            "temperature": 0.0,
            "cache_prompt": cache_prompt,
            "stream": true,
        });
        let shared = Arc::new(Shared::default());
        let (agent, address) = (self.agent.clone(), self.completion.clone());
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || read(&agent, &address, &body.to_string(), &shared)
        });
        Request { thread, shared }
    }

    /// Waits until the server has noticed closed connections.
    pub(crate) fn settle(&self) {
        std::thread::sleep(NOTICES);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The program ends when its stdin is closed.
        drop(self.process.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < GRACE {
            if let Ok(Some(_)) = self.process.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // Fails if the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An answer that a thread of its own reads.
#[derive(Debug)]
pub(crate) struct Request {
    thread: JoinHandle<Result<()>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    arrivals: Mutex<Vec<Instant>>,
    stop: AtomicBool,
}

impl Request {
    /// Waits for the end of the answer and returns the time of each token.
    pub(crate) fn finish(self) -> Result<Vec<Instant>> {
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("the reader of an answer panicked"))??;
        let arrivals = self.shared.arrivals.lock();
        Ok(std::mem::take(
            &mut arrivals.unwrap_or_else(PoisonError::into_inner),
        ))
    }

    /// Closes the connection at the next token and returns the time of each token.
    pub(crate) fn stop(self) -> Result<Vec<Instant>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.finish()
    }
}

/// Reads an answer: server-sent events, one per token.
fn read(agent: &Agent, address: &str, body: &str, shared: &Shared) -> Result<()> {
    let response = agent
        .post(address)
        .header("content-type", "application/json")
        .send(body)
        .context("the peer refused a request")?;
    for line in BufReader::new(response.into_body().into_reader()).lines() {
        let line = line?;
        let arrived = Instant::now();
        if shared.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some(event) = line.strip_prefix("data: ") else {
            ensure!(!line.starts_with("error"), "the peer failed: {line}");
            continue;
        };
        let event: Value = serde_json::from_str(event)?;
        let tokens = event.get("tokens").and_then(Value::as_array);
        let count = tokens.map_or(0, Vec::len);
        let mut arrivals = shared
            .arrivals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        arrivals.extend(std::iter::repeat_n(arrived, count));
        if event.get("stop") == Some(&Value::Bool(true)) {
            return Ok(());
        }
    }
    Err(anyhow!("the peer's answer broke off"))
}
