//! Encoder models (`bert`): their vectors, and that they refuse everything else.

use std::path::PathBuf;

use llama_cpp_2::context::params::LlamaPoolingType;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use mynah_core::{Error, Model, Prompt};
use mynah_engine::model::optimize::divergence;
use mynah_settings::{ModelConfig, Output, Settings};
use mynah_tests::Guest;
use mynah_tests::tiny_model::TinyEncoder;

use crate::support::command::run;
use crate::support::generations::{session, text};
use crate::support::vectors::{bare, cosine, prompts};

/// Number of the model's positions.
const CONTEXT: u32 = 128;

struct Encoder {
    // Removes the file when dropped.
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Encoder {
    fn new(pooling: u32) -> Self {
        Self::of(&TinyEncoder {
            context_length: CONTEXT,
            pooling,
            ..TinyEncoder::default()
        })
    }

    fn of(encoder: &TinyEncoder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("encoder.gguf");
        encoder.write_to(&path).unwrap();
        Self {
            _folder: folder,
            path,
        }
    }

    fn load(&self) -> Model {
        mynah_engine::load(&self.path, ModelConfig::default(), |_| {}).unwrap()
    }
}

/// A text with this number of tokens, including those that the tokenizer adds.
fn of_tokens(tokens: u32) -> String {
    let letters = ('a'..='z').cycle().take(tokens as usize - 2);
    letters.flat_map(|letter| [letter, ' ']).collect()
}

/// Short texts and texts that fill the context, more than fit into one batch.
fn texts() -> Vec<String> {
    let lengths = [3, 9, CONTEXT, 40, 90, 5, 17, 60, 61, 62, 3, 4, 100, 20];
    lengths.map(of_tokens).to_vec()
}

fn deterministic() -> Settings {
    let mut settings = Settings::default();
    settings.scheduling.deterministic = Some(true);
    settings
}

#[tokio::test]
async fn its_vectors_are_those_of_llama_cpps_own_pooling() {
    for (number, pooling) in [(1, LlamaPoolingType::Mean), (2, LlamaPoolingType::Cls)] {
        let encoder = Encoder::new(number);
        let model = encoder.load();
        let mut session = session(&model);
        let found = session
            .embed(&prompts(&texts()), Settings::default())
            .await
            .unwrap();
        let backend = mynah_engine::llama_backend().unwrap();
        let params = LlamaModelParams::default();
        let llama = LlamaModel::load_from_file(backend, &encoder.path, &params).unwrap();
        for (text, vector) in texts().iter().zip(&found.vectors) {
            let alike = cosine(vector, &bare(&llama, pooling, text));
            assert!((alike - 1.0).abs() < 1e-5, "{alike} of {text:?}");
        }
        // The vectors of different texts differ.
        let different = cosine(&found.vectors[0], &found.vectors[1]);
        assert!(different < 0.999, "{different}");
    }
}

#[tokio::test]
async fn deterministic_ones_are_the_same_alone_and_together() {
    let model = Encoder::new(1).load();
    let mut session = session(&model);
    let all = session
        .embed(&prompts(&texts()), deterministic())
        .await
        .unwrap();
    for (text, vector) in texts().into_iter().zip(all.vectors) {
        let alone = session
            .embed(&[Prompt::Text(text)], deterministic())
            .await
            .unwrap();
        assert_eq!(alone.vectors, [vector]);
    }
    let status = model.status();
    assert_eq!((status.cells_total, status.cells_used), (0, 0));
    assert_eq!(status.embedding.texts, 2 * texts().len() as u64);
}

#[tokio::test]
async fn a_text_may_fill_the_positions_and_no_more() {
    let config = ModelConfig {
        ctx_size: Some(4096),
        ..ModelConfig::default()
    };
    let model = mynah_engine::load(&Encoder::new(1).path, config, |_| {}).unwrap();
    assert_eq!(model.info().context_size, CONTEXT);
    let mut session = session(&model);
    let mut embed = async |tokens| {
        let prompt = Prompt::Text(of_tokens(tokens));
        let found = session.embed(&[prompt], Settings::default()).await;
        found.map(|found| found.prompt_tokens)
    };
    assert_eq!(embed(CONTEXT).await.unwrap(), CONTEXT);
    let refused = embed(CONTEXT + 1).await;
    assert!(
        matches!(
            refused,
            Err(Error::PromptTooLong {
                prompt: 129,
                at_least: false,
                context: CONTEXT
            })
        ),
        "{refused:?}"
    );
    // The limit is the same for token ids from a guest.
    let ids = Prompt::Tokens(vec![5; CONTEXT as usize + 1]);
    let refused = session.embed(&[ids], Settings::default()).await;
    assert!(
        matches!(refused, Err(Error::PromptTooLong { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn it_generates_nothing_and_says_so() {
    let model = Encoder::new(1).load();
    assert!(model.info().vectors_only);
    let mut session = session(&model);
    let refused = session
        .start(text("a b"), Settings::default())
        .await
        .map(drop);
    assert!(
        matches!(&refused, Err(Error::VectorsOnly { architecture, .. }) if architecture == "bert"),
        "{refused:?}"
    );
    // A request without an explicit kind gets what the model can do.
    let asked = |embedding| Settings {
        output: Output {
            embedding,
            ..Output::default()
        },
        ..Settings::default()
    };
    let wanted = [None, Some(true), Some(false)].map(|one| session.wants_vectors(&asked(one)));
    assert_eq!(wanted, [true, true, false]);
}

#[tokio::test]
async fn it_can_be_converted_but_not_compared() {
    let encoder = Encoder::new(1);
    let refused = divergence(&encoder.path, &encoder.path, 1);
    assert!(
        matches!(&refused, Err(Error::VectorsOnly { architecture, .. }) if architecture == "bert"),
        "{refused:?}"
    );
    let path = encoder.path.display().to_string();
    let said = run(&["models", "optimize", &path, "--to", "q8_0"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("predicts no words"), "{said:?}");
    let converted = encoder.path.with_file_name("encoder.Q8_0.gguf");
    let model = mynah_engine::load(&converted, ModelConfig::default(), |_| {}).unwrap();
    let mut before = session(&encoder.load());
    let mut after = session(&model);
    let texts = prompts(&texts());
    let before = before.embed(&texts, Settings::default()).await.unwrap();
    let after = after.embed(&texts, Settings::default()).await.unwrap();
    for (one, other) in before.vectors.iter().zip(&after.vectors) {
        let alike = cosine(one, other);
        assert!(alike > 0.99, "{alike}");
    }
}

#[tokio::test]
async fn it_is_found_out_where_its_file_does_not_say_so() {
    let encoder = Encoder::of(&TinyEncoder {
        context_length: CONTEXT,
        says_kind: false,
        ..TinyEncoder::default()
    });
    let model = encoder.load();
    assert!(model.info().vectors_only);
    let said = Encoder::new(1).load();
    let texts = prompts(&texts());
    let found = session(&model).embed(&texts, deterministic()).await;
    let expected = session(&said).embed(&texts, deterministic()).await;
    assert_eq!(found.unwrap().vectors, expected.unwrap().vectors);
    let path = encoder.path.display().to_string();
    let said = run(&["models", "optimize", &path, "--to", "q8_0"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("predicts no words"), "{said:?}");
}

#[tokio::test]
async fn guests_of_either_kind_get_its_vectors() {
    let model = Encoder::new(1).load();
    for version in ["071", "080"] {
        let guest = Guest::core(&format!("core_{version}_embed")).model(model.clone());
        assert_eq!(guest.stdout().await, "dimensions=32\n");
    }
    let asks_for_text = Guest::new("sdk_generate").model(model).run().await;
    assert!(
        asks_for_text.stderr.contains("generates none"),
        "{asks_for_text:#?}"
    );
}
