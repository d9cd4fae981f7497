//! Promise: a guest can open execution contexts up to its limit, and another one only after it
//! drops one.
//!
//! Argument: the number of contexts at which the guest stops trying.

use mynah_test_guests::{Done, arg, graph, refused};

fn main() -> Done {
    let graph = graph()?;
    let limit = arg(1, 100_000);
    let mut contexts = Vec::new();
    while contexts.len() < limit {
        match graph.init_execution_context() {
            Ok(context) => contexts.push(context),
            Err(error) => {
                refused::<()>("context", &["too-large"], Err(error.into()))?;
                break;
            }
        }
    }
    println!("contexts={}", contexts.len());
    contexts.pop();
    contexts.push(
        graph
            .init_execution_context()
            .map_err(mynah_guest::Error::from)?,
    );
    println!("ok");
    Ok(())
}
