//! A small vocabulary for both readers.

use std::path::Path;

use mynah_core::TokenId;
use mynah_grammar::Vocabulary;

/// The token that ends an answer.
pub(crate) const END: u32 = 2;
/// The first of [`TINY`].
const FIRST: u32 = 3 + 256;

/// The tokens after the control tokens and the bytes. The last is found by its name.
pub(crate) const TINY: [&str; 16] = [
    "a", "b", "c", "é", "ü", "😀", "-", "\"", "\\", "]", "^", "0", "ab", "x", "\u{e000}", "<x>",
];

/// A token: its text, and its type in llama.cpp.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) kind: u32,
}

/// All tokens.
pub(crate) fn all() -> Vec<Word> {
    let word = |text: &str, kind| Word {
        text: text.to_owned(),
        kind,
    };
    // Types as in `llama_token_type`: 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte.
    let mut all = vec![word("<unk>", 2), word("<s>", 3), word("</s>", 3)];
    all.extend((0..=255u8).map(|byte| word(&format!("<0x{byte:02X}>"), 6)));
    all.extend(TINY.map(|text| word(text, if text == "<x>" { 4 } else { 1 })));
    all
}

/// The token of a character or word by its place among those that texts have.
pub(crate) fn character(place: usize) -> u32 {
    match place {
        // A line feed has only a byte.
        0 => 3 + 10,
        place => FIRST + u32::try_from((place - 1) % TINY.len()).unwrap(),
    }
}

/// The tokens as a person reads them.
pub(crate) fn text(ids: &[u32]) -> Vec<String> {
    let all = all();
    ids.iter()
        .map(|&id| all[id as usize].text.clone())
        .collect()
}

/// Takes up to 12 random tokens of those that are accepted.
pub(crate) fn walk(seed: u32, mut accept: impl FnMut(u32) -> bool) -> Vec<u32> {
    let mut state = seed;
    let mut ids = Vec::new();
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize
    };
    for _ in 0..12 {
        let begin = random();
        let tried = (0..=TINY.len()).map(|place| character((begin + place) % (TINY.len() + 1)));
        match tried.into_iter().find(|&id| accept(id)) {
            Some(id) => ids.push(id),
            None => break,
        }
        if random() % 8 == 0 {
            break;
        }
    }
    ids
}

/// The vocabulary for Mynah.
pub(crate) struct Words;

impl Vocabulary for Words {
    fn token_count(&self) -> u32 {
        FIRST + TINY.len() as u32
    }

    fn text(&self, token: TokenId) -> Vec<u8> {
        match token.0.cast_unsigned() {
            0..3 => Vec::new(),
            byte @ 3..FIRST => vec![u8::try_from(byte - 3).unwrap()],
            word => TINY[(word - FIRST) as usize].as_bytes().to_vec(),
        }
    }

    fn name(&self, token: TokenId) -> Vec<u8> {
        let names = ["<unk>", "<s>", "</s>"];
        let name = names.get(token.0.cast_unsigned() as usize);
        name.map_or_else(Vec::new, |name| name.as_bytes().to_vec())
    }

    fn is_end(&self, token: TokenId) -> bool {
        token.0.cast_unsigned() == END
    }

    fn find(&self, name: &str) -> Option<TokenId> {
        let all = all();
        let special = |word: &Word| matches!(word.kind, 2..=4) && word.text == name;
        let id = all.iter().position(special)?;
        i32::try_from(id).ok().map(TokenId)
    }
}

/// Writes the vocabulary as a GGUF file for llama.cpp.
pub(crate) fn write(path: &Path) {
    fn string(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }
    const U32: u32 = 4;
    const I32: u32 = 5;
    const F32: u32 = 6;
    const BOOL: u32 = 7;
    const STRING: u32 = 8;
    const ARRAY: u32 = 9;
    let all = all();
    let array = |kind: u32, elements: Vec<u8>| {
        let length = (all.len() as u64).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, &elements].concat()
    };
    let texts = all.iter().flat_map(|word| string(&word.text)).collect();
    let scores = all.iter().flat_map(|_| 0f32.to_le_bytes()).collect();
    let kinds = all
        .iter()
        .flat_map(|word| word.kind.to_le_bytes())
        .collect();
    let values = [
        ("general.architecture", STRING, string("llama")),
        ("tokenizer.ggml.model", STRING, string("llama")),
        ("tokenizer.ggml.tokens", ARRAY, array(STRING, texts)),
        ("tokenizer.ggml.scores", ARRAY, array(F32, scores)),
        ("tokenizer.ggml.token_type", ARRAY, array(I32, kinds)),
        (
            "tokenizer.ggml.unknown_token_id",
            U32,
            0u32.to_le_bytes().to_vec(),
        ),
        (
            "tokenizer.ggml.bos_token_id",
            U32,
            1u32.to_le_bytes().to_vec(),
        ),
        (
            "tokenizer.ggml.eos_token_id",
            U32,
            END.to_le_bytes().to_vec(),
        ),
        ("tokenizer.ggml.add_space_prefix", BOOL, vec![0]),
    ];
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend((values.len() as u64).to_le_bytes());
    for (key, kind, value) in values {
        file.extend(string(key));
        file.extend(kind.to_le_bytes());
        file.extend(value);
    }
    std::fs::write(path, file).unwrap();
}
