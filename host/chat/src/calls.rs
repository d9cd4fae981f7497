//! Gives calls the form of templates that take one call a message, or ids of one form only.

use std::collections::{HashMap, HashSet};

use super::adapt::{calls, has_calls, has_role};
use super::data::Data;

/// Length of an id that every template takes: letters and digits of ASCII.
const ID_LENGTH: usize = 9;

/// Whether a message has several calls.
pub(super) fn has_several(message: &Data) -> bool {
    calls(message).len() > 1
}

/// Gives each call of a message a message of its own, with its result behind it.
pub(super) fn split(messages: &mut Vec<Data>) {
    let mut rest: Vec<Data> = Vec::with_capacity(messages.len());
    let mut given = std::mem::take(messages).into_iter().peekable();
    while let Some(message) = given.next() {
        if !has_several(&message) {
            rest.push(message);
            continue;
        }
        let mut results = Vec::new();
        while let Some(result) = given.next_if(|next| has_role(next, "tool")) {
            results.push(result);
        }
        for (at, call) in calls(&message).iter().enumerate() {
            let mut one = message.clone();
            if let Some(of) = one.as_object_mut() {
                of.insert("tool_calls".to_owned(), Data::List(vec![call.clone()]));
                // What was said and thought came before the first call.
                if at > 0 {
                    of.retain(|key, _| matches!(key.as_str(), "role" | "tool_calls"));
                    of.insert("content".to_owned(), Data::Null);
                }
            }
            rest.push(one);
            let id = call.get("id").and_then(Data::as_text);
            let is_its = |result: &Data| match result.get("tool_call_id").and_then(Data::as_text) {
                Some(of) => Some(of) == id,
                None => true,
            };
            let result = results.iter().position(is_its);
            rest.extend(result.map(|at| results.remove(at)));
        }
        rest.append(&mut results);
    }
    *messages = rest;
}

/// Whether an id may be refused.
pub(super) fn has_unusual_id(message: &Data) -> bool {
    let of_calls = calls(message).iter().filter_map(|call| call.get("id"));
    let mut ids = of_calls.chain(message.get("tool_call_id"));
    ids.any(|id| id.as_text().is_some_and(|id| !is_usual(id)))
}

/// Gives all calls and results ids that every template takes. An id becomes the same each time.
pub(super) fn rename_ids(messages: &mut [Data]) {
    let mut names: HashMap<String, String> = HashMap::new();
    let mut taken: HashSet<String> = HashSet::new();
    each_id(messages, &mut |id| {
        if is_usual(id) {
            taken.insert(id.clone());
        }
    });
    let mut numbers = 1_u64..;
    each_id(messages, &mut |id| {
        if is_usual(id) {
            return;
        }
        let mut next = || {
            let mut names = numbers
                .by_ref()
                .map(|number| format!("{number:0ID_LENGTH$}"));
            names.find(|name| !taken.contains(name)).unwrap_or_default()
        };
        let name = names.entry(id.clone()).or_insert_with(&mut next);
        id.clone_from(name);
    });
}

fn is_usual(id: &str) -> bool {
    id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Calls `with` for the id of each call and of each result.
pub(super) fn each_id(messages: &mut [Data], with: &mut dyn FnMut(&mut String)) {
    let mut each = |of: Option<&mut Data>| {
        if let Some(Data::Text(id)) = of {
            with(id);
        }
    };
    for message in messages {
        let has_calls = has_calls(message);
        let Some(of) = message.as_object_mut() else {
            continue;
        };
        each(of.get_mut("tool_call_id"));
        let calls = of.get_mut("tool_calls").filter(|_| has_calls);
        for call in calls.and_then(Data::as_list_mut).into_iter().flatten() {
            each(call.as_object_mut().and_then(|call| call.get_mut("id")));
        }
    }
}
