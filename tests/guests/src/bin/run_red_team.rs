//! Promise: whatever a guest sends, it gets an answer or an error, and the host goes on.
//!
//! Arguments: the number of attacks, and a number from which their order follows. Prints the number
//! of requests that the host took.

use mynah_guest::{
    Conversation, Error, Message, Model, Options, OutputForm, Prompt, Session, Stream, Tool,
    ToolCall, ToolChoice,
};
use mynah_test_guests::{Done, arg, ensure};

/// An attack on the model. Returns the number of requests that the host took.
type Attack = fn(&Model) -> Result<u32, Error>;

const ATTACKS: [Attack; 8] = [
    hoard_sessions,
    flood_and_leave,
    never_read,
    bad_prompts,
    bad_forms,
    bad_settings,
    bad_templates,
    bad_texts,
];

fn main() -> Done {
    let (attacks, begin) = (arg(1, 16usize), arg(2, 0usize));
    let model = Model::load("default")?;
    let mut taken = 0;
    for number in 0..attacks {
        // Seven and eight have no common divisor, so all attacks come in turn.
        let attack = ATTACKS[(begin + 7 * number) % ATTACKS.len()];
        taken += attack(&model)?;
    }
    // A harmless request is served as before.
    let answer = loop {
        let session = model.session();
        match session.and_then(|session| session.generate_with("Hello", short())) {
            Err(error) if is_full(&error) => {}
            answer => break answer?,
        }
    };
    ensure!(answer.outcome.usage.generated_tokens <= 4, "{answer:?}");
    println!("taken={}", taken + 1);
    Ok(())
}

fn short() -> Options {
    Options::greedy().max_tokens(4)
}

/// Whether the host has no room for now.
fn is_full(error: &Error) -> bool {
    matches!(error, Error::Busy { .. }) || error.to_string().contains("sessions")
}

/// Opens as many sessions as it may.
fn hoard_sessions(model: &Model) -> Result<u32, Error> {
    let mut hoard = Vec::new();
    while hoard.len() < 1000 {
        match model.session() {
            Ok(session) => hoard.push(session),
            Err(error) if is_full(&error) => return Ok(0),
            Err(error) => return Err(error),
        }
    }
    Err(Error::InvalidArgument(
        "a thousand sessions are open".to_owned(),
    ))
}

/// Starts requests until there is no room for more.
fn flood(model: &Model) -> Result<Vec<Stream>, Error> {
    let mut streams = Vec::new();
    while streams.len() < 1000 {
        let started = model
            .session()
            .and_then(|session| session.stream_with("Once upon a time", short().max_tokens(300)));
        match started {
            Ok(stream) => streams.push(stream),
            Err(error) if is_full(&error) => return Ok(streams),
            Err(error) => return Err(error),
        }
    }
    Err(Error::InvalidArgument(
        "a thousand requests wait".to_owned(),
    ))
}

fn flood_and_leave(model: &Model) -> Result<u32, Error> {
    let streams = flood(model)?;
    Ok(u32::try_from(streams.len()).unwrap_or(u32::MAX))
}

/// Holds requests that it does not read while it does something else.
fn never_read(model: &Model) -> Result<u32, Error> {
    let streams = flood(model)?;
    let taken = u32::try_from(streams.len()).unwrap_or(u32::MAX);
    drop(model.session());
    std::thread::sleep(std::time::Duration::from_millis(50));
    drop(streams);
    Ok(taken)
}

/// A session, unless all are taken.
fn session(model: &Model) -> Result<Option<Session>, Error> {
    match model.session() {
        Ok(session) => Ok(Some(session)),
        Err(error) if is_full(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a request that may fail in any way but one that breaks off. Returns 1 if it was taken.
fn send(session: &Session, prompt: impl Into<Prompt>, options: Options) -> Result<u32, Error> {
    match session.stream_with(prompt, short().max_tokens(2).or(options)) {
        Ok(stream) => stream.finish().map(|_| 1),
        Err(Error::RuntimeError { message, .. }) => Err(Error::InvalidArgument(message)),
        Err(_) => Ok(0),
    }
}

fn bad_prompts(model: &Model) -> Result<u32, Error> {
    let Some(session) = session(model)? else {
        return Ok(0);
    };
    let prompts = [
        Prompt::from(""),
        "\0".into(),
        "q".repeat(200_000).into(),
        " ".repeat(60_000).into(),
        "a1!".repeat(60_000).into(),
        "<|im_start|>".repeat(2000).into(),
        "\u{202e}\u{feff}é".repeat(3000).into(),
        vec![u32::MAX].into(),
        vec![0; 5000].into(),
        Vec::<Message>::new().into(),
        vec![Message::user(""); 3000].into(),
    ];
    let mut taken = 0;
    for prompt in prompts {
        taken += send(&session, prompt, Options::new())?;
    }
    Ok(taken)
}

fn bad_forms(model: &Model) -> Result<u32, Error> {
    let Some(session) = session(model)? else {
        return Ok(0);
    };
    let forms = [
        OutputForm::Regex("(a*)*b{1000}".repeat(50)),
        OutputForm::Regex("(".to_owned()),
        OutputForm::JsonSchema("{\"items\":".repeat(5000)),
        OutputForm::JsonSchema("{\"$ref\": \"#\"}".to_owned()),
        OutputForm::JsonSchema(format!("{{\"enum\": [{}]}}", "\"a\",".repeat(9000) + "1")),
        OutputForm::Lark("start: start \"a\"".to_owned()),
        OutputForm::Gbnf("root ::= root".to_owned()),
        OutputForm::Gbnf("root ::= (\"a\"* )* root | \"\"".to_owned()),
        OutputForm::Gbnf("(".repeat(60_000)),
    ];
    let mut taken = 0;
    for form in forms {
        taken += send(&session, "Say", form.into())?;
    }
    Ok(taken)
}

fn bad_settings(model: &Model) -> Result<u32, Error> {
    let Some(session) = session(model)? else {
        return Ok(0);
    };
    for json in [
        "",
        "[]",
        "{\"temperature\": -1}",
        "{\"max_tokens\": 1e99, \"top_k\": \"\\u0000\"}",
        &"{\"a\":".repeat(10_000),
        &format!("{{\"stop\": [{}\"\"]}}", "\"x\",".repeat(5000)),
        &format!(
            "{{\"logit_bias\": {{{}\"1\": 5}}}}",
            "\"2\": 1e30,".repeat(500)
        ),
    ] {
        // Refused or taken, it must not harm what follows.
        drop(session.configure_json(json, true));
    }
    let stops = Options::new().stop(["x".repeat(100_000)]);
    send(&session, "Say", stops)
}

fn bad_templates(model: &Model) -> Result<u32, Error> {
    let Some(session) = session(model)? else {
        return Ok(0);
    };
    let conversation = || Conversation::new([Message::user("Hello")]);
    let mut taken = 0;
    for json in ["[", "7", "{\"messages\": 5}", &"[".repeat(20_000)] {
        let tool = || [Tool::new("x", json).parameters(json).strict(true)];
        taken += send(&session, conversation().tools(tool()), Options::new())?;
        let required = conversation()
            .tools(tool())
            .tool_choice(ToolChoice::Required);
        taken += send(&session, required, Options::new())?;
        taken += send(&session, conversation().variables(json), Options::new())?;
        let call = ToolCall {
            id: json.to_owned(),
            name: json.to_owned(),
            arguments: json.to_owned(),
        };
        let called = [
            Message::assistant(json).with_tool_calls(vec![call.clone(); 100]),
            Message::tool_result(&call, json),
        ];
        taken += send(&session, called, Options::new())?;
    }
    let picture = Message::user("").with_image("x".repeat(10_000), vec![0; 1 << 16]);
    taken += send(&session, picture, Options::new())?;
    let many = vec![Tool::new("", ""); 4000];
    taken += send(&session, conversation().tools(many), Options::new())?;
    let unknown = conversation().tool_choice(ToolChoice::Named("\u{0}".to_owned()));
    Ok(taken + send(&session, unknown, Options::new())?)
}

fn bad_texts(model: &Model) -> Result<u32, Error> {
    let Some(session) = session(model)? else {
        return Ok(0);
    };
    let mut taken = 0;
    let long = "parrot ".repeat(3000);
    for texts in [
        vec![""],
        vec![long.as_str()],
        vec!["a"; 10_000],
        vec!["a"; 256],
    ] {
        taken += u32::from(session.embed(texts).is_ok());
    }
    Ok(taken)
}
