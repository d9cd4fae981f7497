//! Promise: one component can use three snapshots of `wasi:nn` at once, and all give the same
//! answer.

use mynah_test_guests::{Done, PROMPT, compute, context, ensure};

mod august {
    mod bindings {
        wit_bindgen::generate!({
            path: "../../wit/older/nn-2024-08-19",
            world: "wasi:nn/ml@0.2.0-rc-2024-08-19",
            generate_all,
        });
    }
    use bindings::wasi::nn;

    mynah_test_guests::older_snapshot!(nn);
}

mod june {
    mod bindings {
        wit_bindgen::generate!({
            path: "../../wit/older/nn-2024-06-25",
            world: "wasi:nn/ml@0.2.0-rc-2024-06-25",
            generate_all,
        });
    }
    use bindings::wasi::nn;

    mynah_test_guests::older_snapshot!(nn);
}

fn main() -> Done {
    let today = context()?;
    let said = compute(&today, PROMPT)?;
    println!("{said}");
    // Each while the contexts of the others are open.
    let (august, june) = (august::open()?, june::open()?);
    august
        .set_input("prompt", august::bytes(PROMPT))
        .map_err(august::told)?;
    june.set_input("prompt", june::bytes(PROMPT))
        .map_err(june::told)?;
    august.compute().map_err(august::told)?;
    june.compute().map_err(june::told)?;
    let texts = [
        august::output(&august)?,
        june::output(&june)?,
        august::text(PROMPT, r#"{"temp": 0}"#)?,
        june::text(PROMPT, r#"{"temp": 0}"#)?,
        compute(&today, PROMPT)?,
    ];
    ensure!(
        texts.iter().all(|text| *text == said),
        "{said:?}, then {texts:?}"
    );
    august::check()?;
    june::check()?;
    Ok(())
}
