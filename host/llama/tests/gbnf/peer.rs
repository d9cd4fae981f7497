//! llama.cpp's reader in a process of its own, and the lines between the processes.

use std::io::{BufRead, BufReader, Read as _, Seek, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use serde_json::{Value, json};

use super::words;

/// Set in the process of the reader: the file of the vocabulary.
const VOCABULARY: &str = "MYNAH_TEST_GBNF_VOCABULARY";
/// A line to the other process begins with it. The test harness prints lines of its own.
const MARK: &str = "@gbnf ";
/// The process ends by itself after so many grammars, before it has used up its processor time.
const GRAMMARS_PER_PROCESS: usize = 500;

/// How llama.cpp reads a grammar.
pub(crate) enum Read {
    /// Refused, with what it printed.
    Refused(String),
    /// Taken, with the texts.
    Taken(Vec<Text>),
}

/// A text, and how far llama.cpp allows it.
pub(crate) struct Text {
    pub(crate) ids: Vec<u32>,
    /// How many tokens are allowed.
    pub(crate) length: usize,
    /// Whether all are, and the answer may end after them.
    pub(crate) may_end: bool,
}

/// The process of the reader, as the test sees it.
pub(crate) struct Peer {
    folder: tempfile::TempDir,
    running: Option<Running>,
}

struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// What it prints to stderr: llama.cpp tells there why it refuses a grammar.
    stderr: std::fs::File,
    grammars: usize,
}

impl Peer {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        words::write(&folder.path().join("vocabulary.gguf"));
        Self {
            folder,
            running: None,
        }
    }

    fn run(&self) -> Running {
        let path = self.folder.path().join("stderr");
        let stderr = std::fs::File::create(&path).unwrap();
        // Bounds of memory and processor time, for grammars on which llama.cpp never ends.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "ulimit -v 4000000; ulimit -t 60; ulimit -c 0; exec \"$@\"",
                "sh",
            ])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "llama_cpp_reads", "--ignored", "--nocapture"])
            .env(VOCABULARY, self.folder.path().join("vocabulary.gguf"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        Running {
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            stderr: std::fs::File::open(&path).unwrap(),
            child,
            grammars: 0,
        }
    }

    /// Reads a grammar and follows the texts, and two that llama.cpp walks by itself. None if the
    /// process ended on it.
    pub(crate) fn read(&mut self, grammar: &str, texts: &[Vec<u32>], seed: u32) -> Option<Read> {
        let mut running = self.running.take().unwrap_or_else(|| self.run());
        let read = running.read(&json!([grammar, texts, seed]));
        running.grammars += 1;
        if read.is_some() && running.grammars < GRAMMARS_PER_PROCESS {
            self.running = Some(running);
        }
        read
    }
}

impl Running {
    fn read(&mut self, question: &Value) -> Option<Read> {
        self.stderr.seek(std::io::SeekFrom::End(0)).unwrap();
        writeln!(self.stdin, "{question}").ok()?;
        self.stdin.flush().ok()?;
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).ok()? == 0 {
                return None;
            }
            // The harness may print to the same line.
            let Some((_, answer)) = line.split_once(MARK) else {
                continue;
            };
            let answer: Value = serde_json::from_str(answer).unwrap();
            let Some(texts) = answer.as_array() else {
                let mut reason = Vec::new();
                self.stderr.read_to_end(&mut reason).unwrap();
                return Some(Read::Refused(String::from_utf8_lossy(&reason).into_owned()));
            };
            return Some(Read::Taken(texts.iter().map(Text::of).collect()));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Text {
    fn of(value: &Value) -> Self {
        let ids = value[0].as_array().unwrap().iter();
        Self {
            ids: ids
                .map(|id| id.as_u64().unwrap().try_into().unwrap())
                .collect(),
            length: value[1].as_u64().unwrap().try_into().unwrap(),
            may_end: value[2].as_bool().unwrap(),
        }
    }
}

/// Answers the test's lines until they end. Returns at once in a process that the test did not
/// start.
pub(crate) fn serve() {
    let Some(path) = std::env::var_os(VOCABULARY) else {
        return;
    };
    let backend = LlamaBackend::init().unwrap();
    let params = LlamaModelParams::default().with_vocab_only(true);
    let model = LlamaModel::load_from_file(&backend, path, &params).unwrap();
    for line in std::io::stdin().lines() {
        let question: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let grammar = question[0].as_str().unwrap();
        let answer = match LlamaSampler::grammar(&model, grammar, "root") {
            Ok(sampler) => {
                let texts = question[1].as_array().unwrap().iter();
                let texts = texts.map(|text| {
                    let ids = text.as_array().unwrap().iter();
                    ids.map(|id| id.as_u64().unwrap().try_into().unwrap())
                        .collect()
                });
                let seed: u32 = question[2].as_u64().unwrap().try_into().unwrap();
                let walks = (0..2).map(|walk| {
                    let mut sampler = sampler.clone();
                    words::walk(seed.wrapping_add(100 + walk), |id| next(&mut sampler, id))
                });
                let texts: Vec<Vec<u32>> = texts.chain(walks).collect();
                texts
                    .into_iter()
                    .map(|ids| follow(sampler.clone(), ids))
                    .collect()
            }
            Err(_) => Value::Null,
        };
        println!("{MARK}{answer}");
    }
}

fn is_allowed(sampler: &mut LlamaSampler, id: u32) -> bool {
    let token = LlamaTokenData::new(LlamaToken(id.cast_signed()), 0.0, 0.0);
    let mut candidates = LlamaTokenDataArray::new(vec![token], false);
    sampler.apply(&mut candidates);
    candidates.data[0].logit().is_finite()
}

/// Whether the token is allowed, which then comes next.
fn next(sampler: &mut LlamaSampler, id: u32) -> bool {
    let is_allowed = is_allowed(sampler, id);
    if is_allowed {
        // llama.cpp ends the process over a token that is not allowed.
        sampler.accept(LlamaToken(id.cast_signed()));
    }
    is_allowed
}

fn follow(mut sampler: LlamaSampler, ids: Vec<u32>) -> Value {
    let length = ids.iter().take_while(|&&id| next(&mut sampler, id)).count();
    let may_end = length == ids.len() && is_allowed(&mut sampler, words::END);
    json!([ids, length, may_end])
}
