//! The examples, run as their READMEs show it, on the real model.

use mynah_tests::cargo_component_wasm;

use crate::support::command::{chat, real_model, run};

#[test]
fn the_chat_example_answers_with_the_real_model() {
    let question = "Why is the sky blue? Answer in one sentence.";
    let said = run(&[
        "run",
        "--model",
        &real_model(),
        &chat(),
        "--temperature",
        "0",
        question,
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("blue"), "{said:?}");
    assert!(
        said.stderr.contains("tokens/s") && said.stderr.contains("end-of-generation"),
        "{said:?}"
    );
}

#[test]
fn the_complete_example_takes_its_settings_from_the_operator() {
    let example = cargo_component_wasm("complete").display().to_string();
    let args = ["--temperature", "0", "--max-tokens", "3"];
    let model = real_model();
    let line = [
        &["run", "--model", &model][..],
        &args,
        &[&example, "The capital of France is"],
    ];
    let said = run(&line.concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("Paris"), "{said:?}");
}

#[test]
fn the_monitor_example_shows_all_five_kinds() {
    let example = cargo_component_wasm("monitor").display().to_string();
    let model = real_model();
    let said = run(&[
        "run",
        "--no-config",
        "--model",
        &model,
        "--allow-host-status",
        &example,
    ]);
    assert_eq!(said.code, Some(0), "{said:?}");
    for line in [
        "model\n",
        "sessions\n",
        "queue\n",
        "memory\n",
        "performance\n",
        "of Q4_1",
        "1 of 1",
    ] {
        assert!(said.stdout.contains(line), "`{line}` in: {said:?}");
    }
    let said = run(&[
        "run",
        "--no-config",
        "--model",
        &model,
        &example,
        "--json",
        "queue",
    ]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("--allow-host-status"), "{said:?}");
}

/// The example's second run continues the conversation, and the host reuses its computation.
#[test]
fn the_assistant_example_remembers_from_run_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let memory = folder.path().join("memory");
    std::fs::create_dir(&memory).unwrap();
    let states = folder.path().join("states").display().to_string();
    let example = cargo_component_wasm("assistant").display().to_string();
    let dir = format!("{}::/memory", memory.display());
    let model = real_model();
    let say = |guest: &[&str]| {
        let host = ["run", "--no-config", "--model", &model, "--dir", &dir];
        let states = ["--owner", "ada", "--state-dir", &states, &example];
        let options = ["--max-tokens", "12", "--temperature", "0"];
        run(&[&host[..], &states, &options, guest].concat())
    };
    let first = say(&[
        "My name is Ada, I live on an island, and I have a grey parrot who can count to twelve. \
        Tell me something about grey parrots, about islands, and about counting.",
    ]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(
        first.stderr.contains(", 0 of them computed before"),
        "{first:?}"
    );
    let second = say(&["What is my name?"]);
    assert_eq!(second.code, Some(0), "{second:?}");
    assert!(
        second.stderr.contains("[2 messages remembered]"),
        "{second:?}"
    );
    let cached = second
        .stderr
        .split("read, ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let cached: u32 = cached.unwrap().parse().unwrap();
    assert!(cached > 40, "{second:?}");
    let saved = std::fs::read_to_string(memory.join("conversation.json")).unwrap();
    assert!(
        saved.contains("Ada") && saved.contains(second.stdout.trim_end()),
        "{saved}"
    );

    // A file that is not a conversation is left unchanged until the user discards it.
    std::fs::write(memory.join("conversation.json"), "{").unwrap();
    let refused = say(&["Hello"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("/memory/conversation.json") && refused.stderr.contains("--new"),
        "{refused:?}"
    );
    assert_eq!(
        std::fs::read(memory.join("conversation.json")).unwrap(),
        b"{"
    );
    let anew = say(&["--new", "Hello"]);
    assert_eq!(anew.code, Some(0), "{anew:?}");
    assert!(!anew.stderr.contains("remembered"), "{anew:?}");
    let nameless = ["run", "--model", &model, "--state-dir", &states, &example];
    let nameless = run(&[&nameless[..], &["--max-tokens", "1", "--memory", "/x", "a"]].concat());
    assert!(
        nameless.stderr.contains("give it one with --owner"),
        "{nameless:?}"
    );
    let nowhere = run(&["run", "--no-config", "--model", &model, &example, "Hello"]);
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    assert!(
        nowhere.stderr.contains("--dir FOLDER::/memory"),
        "{nowhere:?}"
    );
}

#[test]
fn the_batch_example_answers_every_line_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let prompts = "The capital of France is\n\nThe capital of Italy is\n";
    std::fs::write(folder.path().join("prompts.txt"), prompts).unwrap();
    let example = cargo_component_wasm("batch").display().to_string();
    let dir = format!("{}::/data", folder.path().display());
    let model = real_model();
    let line = |file: &'static str| {
        let host = ["run", "--model", &model, "--dir", &dir, &example];
        let guest = ["--max-tokens", "6", "--temperature", "0", file];
        run(&[&host[..], &guest].concat())
    };
    let said = line("/data/prompts.txt");
    assert_eq!(said.code, Some(0), "{said:?}");
    let mut lines: Vec<&str> = said.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 2, "{said:?}");
    assert!(
        lines[0].contains("\"index\":0") && lines[0].contains("Paris"),
        "{said:?}"
    );
    assert!(
        lines[1].contains("\"index\":1") && lines[1].contains("Rome"),
        "{said:?}"
    );
    assert!(said.stderr.contains("[2 answered, 0 failed, "), "{said:?}");

    let said = line("/data/none.txt");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("none.txt"), "{said:?}");
}
