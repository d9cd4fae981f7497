//! Promise: a guest that cuts its model's file short gets an error for what it asks then, and a
//! guest that puts the file back gets answers again. `/m` holds the file as `m.gguf`.

use std::fs::{self, File};

use mynah_guest::{Model, Options};
use mynah_test_guests::{Done, ensure, prompt};

fn main() -> Done {
    let path = "/m/m.gguf";
    let whole = fs::read(path)?;
    let session = Model::load("default")?.session()?;
    let ask = || session.generate_with(prompt(), Options::greedy().max_tokens(8));
    let before = ask()?.text;
    File::options().write(true).open(path)?.set_len(1 << 10)?;
    let error = match ask() {
        Ok(answer) => return Err(format!("an answer of half a model: {answer:?}").into()),
        Err(error) => error.to_string(),
    };
    ensure!(error.contains("m.gguf"), "{error}");
    fs::write(path, whole)?;
    let after = ask()?.text;
    ensure!(after == before, "{before:?} and {after:?}");
    println!("{error}");
    Ok(())
}
