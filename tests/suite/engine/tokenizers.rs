//! Any text with any of llama.cpp's ways of splitting a text into words: an answer or an error.

use mynah_core::{Error, Model, Result};
use mynah_settings::{ModelConfig, Settings};
use mynah_tests::tiny_model::TinyBpe;
use mynah_tests::{greedy, wasm};

use crate::support::command::run;
use crate::support::generations::{finish, session, start, text};

/// A name for each way of splitting that llama.cpp knows (`llama-vocab.cpp`).
const PRE: [&str; 61] = [
    "default",
    "minicpm5",
    "llama3",
    "deepseek-llm",
    "deepseek-coder",
    "deepseek-v3",
    "spark2_5",
    "youtu",
    "falcon",
    "mpt",
    "starcoder",
    "gpt-2",
    "jais-2",
    "gemma4",
    "mmbert",
    "sarvam-moe",
    "roberta-bpe",
    "whitespace",
    "refact",
    "command-r",
    "qwen2",
    "qwen35",
    "stablelm2",
    "olmo",
    "dbrx",
    "smaug-bpe",
    "poro-chat",
    "chatglm-bpe",
    "glm4",
    "viking",
    "jais",
    "tekken",
    "smollm",
    "codeshell",
    "bloom",
    "gpt3-finnish",
    "exaone",
    "exaone4",
    "exaone-moe",
    "chameleon",
    "minerva-7b",
    "megrez",
    "gpt-4o",
    "granite-embed-multi-97m",
    "tiny_aya",
    "superbpe",
    "trillion",
    "granite-docling",
    "bailingmoe",
    "seed-coder",
    "hunyuan",
    "hunyuan-dense",
    "hy_v4",
    "joyai-llm",
    "kimi-k2",
    "ufakzeka",
    "grok-2",
    "afmoe",
    "laguna",
    "minimax-m2",
    "mellum2",
];

/// Those of them whose time or stack grows most.
const WORST: [&str; 4] = ["tekken", "superbpe", "jais-2", "exaone-moe"];

/// What the texts repeat, and how they end.
const TEXTS: [(&str, &str); 17] = [
    ("q", ""),
    ("Q", "q"),
    ("7", "a"),
    (" ", "x"),
    ("\n", "x"),
    ("\t", "7"),
    ("\u{a0}", "x"),
    ("字", ""),
    ("😀", ""),
    ("e\u{301}", ""),
    ("\u{301}", ""),
    ("!", "a"),
    ("'s", ""),
    ("a ", ""),
    ("\u{1}", ""),
    ("!\n", ""),
    ("я", "1"),
];

fn model(pre: &'static str, config: ModelConfig) -> Model {
    let file = tempfile::NamedTempFile::new().unwrap();
    TinyBpe { pre }.write_to(file.path()).unwrap();
    let config = ModelConfig {
        max_concurrent: 1,
        ..config
    };
    // llama.cpp maps the file, so it may be deleted.
    mynah_engine::load(file.path(), config, |_| {}).unwrap()
}

/// Settings with which the whole text is tokenised, however long it is.
fn shifting() -> Settings {
    let mut settings = greedy(1);
    settings.memory.context_shifting = Some(true);
    settings
}

/// Asks for one token after this text.
async fn ask(model: &Model, prompt: &str) -> Result<()> {
    let mut generation = start(model, text(prompt), shifting()).await?;
    finish(&mut generation).await;
    Ok(())
}

/// Case H1.
#[tokio::test]
async fn any_long_word_gets_an_answer_with_any_pre_tokenizer() {
    for pre in PRE {
        let model = model(pre, ModelConfig::default());
        for (repeated, end) in TEXTS {
            let text = format!("{}{end}", repeated.repeat(9000));
            match ask(&model, &text).await {
                // Some drop all text that is not in their vocabulary.
                Ok(()) | Err(Error::EmptyPrompt) => {}
                Err(Error::LongStretch { length, limit, .. }) if pre == "superbpe" => {
                    assert!(length == 9000 && limit < 9000, "{pre}: {length}, {limit}");
                }
                Err(other) => panic!("{pre}: {repeated:?}: {other}"),
            }
        }
    }
}

/// Case H1.
#[tokio::test]
async fn a_text_as_long_as_may_be_gets_an_answer_or_a_clear_error() {
    let most = ModelConfig::default().max_prompt_bytes as usize;
    for pre in WORST {
        let model = model(pre, ModelConfig::default());
        for repeated in ["q", "7", " ", "字"] {
            let mut text = repeated.repeat(most / repeated.len() - 1);
            text.push('a');
            match ask(&model, &text).await {
                Ok(()) | Err(Error::MemoryShort { .. }) => {}
                Err(Error::LongStretch { length, limit, .. }) => assert!(limit < length),
                Err(other) => panic!("{pre}: {repeated:?}: {other}"),
            }
        }
    }
}

/// Case H1.
#[tokio::test]
async fn where_the_operator_takes_more_a_word_beyond_all_stacks_is_refused_with_the_numbers() {
    let config = ModelConfig {
        max_prompt_bytes: u32::MAX,
        ..ModelConfig::default()
    };
    let model = model("tekken", config);
    let error = ask(&model, &"q".repeat(3 << 20)).await.unwrap_err();
    match error {
        Error::LongStretch { length, limit, .. } => assert!(length >= 3 << 20 && limit < length),
        Error::MemoryShort { .. } => {}
        other => panic!("{other}"),
    }
}

/// Case S1.
#[tokio::test]
async fn a_prompt_that_no_context_holds_is_refused_without_counting_its_tokens() {
    let model = model("gpt-2", ModelConfig::default());
    let context = model.info().context_size as usize;
    let refused = async |prompt: String| {
        let mut session = session(&model);
        match session.start(text(&prompt), greedy(1)).await {
            Err(Error::PromptTooLong {
                prompt, at_least, ..
            }) => (prompt, at_least),
            other => panic!("{other:?}"),
        }
    };
    let long = "plum ".repeat(10 * context);
    let counted = model
        .tokens(text(&"plum ".repeat(100)))
        .await
        .unwrap()
        .len();
    let (least, at_least) = refused(long).await;
    assert!(at_least && least > context, "{least}");
    // It is a lower bound.
    assert!(
        least <= counted * context / 10,
        "{least} of {counted} for each hundred"
    );
    // Just beyond, the tokens are counted.
    assert_eq!(refused("!".repeat(context)).await, (context, false));
}

/// Case H1: with the command, and other instances. A component of cargo-component cannot read its
/// arguments if they have more than 64 KiB.
#[test]
fn a_guest_with_a_long_word_gets_its_answer_and_the_host_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.gguf");
    TinyBpe { pre: "tekken" }.write_to(&file).unwrap();
    let grant = format!("default={}", file.display());
    for (example, letters, code) in [
        ("complete", 9000, 0),
        ("complete", 100_000, 0),
        // A single message can't be shortened.
        ("chat", 9000, 1),
    ] {
        let wasm = wasm(example).display().to_string();
        let mut args = vec!["run", "--no-config", "--control", "off", "--threads", "1"];
        args.extend(["--instances", "2", "--set", "context_shifting=true"]);
        let word = "q".repeat(letters);
        args.extend(["--max-tokens", "2", "--model", &grant, &wasm, &word]);
        let said = run(&args);
        assert_eq!(
            said.code,
            Some(code),
            "{example}, {letters}: {}",
            said.stderr
        );
    }
}
