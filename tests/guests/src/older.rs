//! The promises for guests of older snapshots of `wasi:nn`. A macro, because each snapshot has its
//! own types.

/// Checks the promises of every older snapshot with the bindings in module `$nn`.
///
/// Generates the functions `text`, which queries the model `default`, and `check`, which tests the
/// other functions.
#[macro_export]
macro_rules! older_snapshot {
    ($nn:ident) => {
        use $nn::errors::{Error, ErrorCode};
        use $nn::graph::{ExecutionTarget, Graph, GraphEncoding, load, load_by_name};
        use $nn::inference::GraphExecutionContext;
        use $nn::tensor::{Tensor, TensorType};

        type Answer<T> = ::std::result::Result<T, $crate::Failure>;

        pub(crate) fn told(error: Error) -> $crate::Failure {
            $crate::Failure(format!("{:?}: {}", error.code(), error.data()))
        }

        pub(crate) fn bytes(text: &str) -> Tensor {
            Tensor::new(&[text.len() as u32], TensorType::U8, text.as_bytes())
        }

        pub(crate) fn open() -> Answer<GraphExecutionContext> {
            let graph: Graph = load_by_name("default").map_err(told)?;
            graph.init_execution_context().map_err(told)
        }

        pub(crate) fn output(context: &GraphExecutionContext) -> Answer<String> {
            let output = context.get_output("output").map_err(told)?;
            let data = output.data();
            $crate::ensure!(
                output.ty() == TensorType::U8 && output.dimensions() == [data.len() as u32],
                "{:?} {:?}",
                output.ty(),
                output.dimensions()
            );
            Ok(String::from_utf8_lossy(&data).into_owned())
        }

        pub(crate) fn text(prompt: &str, config: &str) -> Answer<String> {
            let context = open()?;
            context.set_input("config", bytes(config)).map_err(told)?;
            context.set_input("prompt", bytes(prompt)).map_err(told)?;
            context.compute().map_err(told)?;
            output(&context)
        }

        fn refused<T>(
            case: &str,
            code: ErrorCode,
            answer: ::std::result::Result<T, Error>,
        ) -> $crate::Done {
            let Err(error) = answer else {
                return Err($crate::Failure(format!("{case}: was not refused")));
            };
            let text = error.data();
            println!("{case}: {:?}: {}", error.code(), text.replace('\n', "\\n"));
            $crate::ensure!(
                error.code() == code && !text.is_empty(),
                "{case}: {:?}",
                error.code()
            );
            Ok(())
        }

        pub(crate) fn check() -> $crate::Done {
            let context = open()?;
            // There is no output before the computation, and none with another name.
            refused(
                "early",
                ErrorCode::InvalidArgument,
                context.get_output("output"),
            )?;
            refused("nothing", ErrorCode::InvalidArgument, context.compute())?;
            // A single tensor is the prompt, whatever its name. Another one with the same name
            // replaces it.
            context.set_input("0", bytes("Water is")).map_err(told)?;
            context
                .set_input("0", bytes($crate::PROMPT))
                .map_err(told)?;
            context.compute().map_err(told)?;
            let first = output(&context)?;
            $crate::ensure!(
                first == output(&context)?,
                "the output is there as often as it is asked for"
            );
            refused("name", ErrorCode::InvalidArgument, context.get_output("0"))?;
            // Inputs are kept.
            context.compute().map_err(told)?;
            $crate::ensure!(first == output(&context)?, "{first}");
            // A second input without a known name is refused, and a failure leaves no output.
            context.set_input("1", bytes("more")).map_err(told)?;
            refused("two", ErrorCode::InvalidArgument, context.compute())?;
            refused(
                "late",
                ErrorCode::InvalidArgument,
                context.get_output("output"),
            )?;
            // Settings out of range, and an input that is not text.
            let context = open()?;
            context
                .set_input("prompt", bytes($crate::PROMPT))
                .map_err(told)?;
            context
                .set_input("config", bytes(r#"{"temp": -1}"#))
                .map_err(told)?;
            refused("config", ErrorCode::InvalidArgument, context.compute())?;
            context.set_input("config", bytes("{}")).map_err(told)?;
            context
                .set_input("prompt", Tensor::new(&[1], TensorType::Fp32, &[0; 4]))
                .map_err(told)?;
            refused("type", ErrorCode::InvalidArgument, context.compute())?;
            // Unknown names, and models from bytes.
            refused("model", ErrorCode::NotFound, load_by_name("no-such-model"))?;
            refused(
                "load",
                ErrorCode::Security,
                load(
                    &[b"GGUF".to_vec()],
                    GraphEncoding::Ggml,
                    ExecutionTarget::Cpu,
                ),
            )?;
            // Copies of an output are limited like everything that a guest holds.
            let context = open()?;
            context
                .set_input("prompt", bytes($crate::PROMPT))
                .map_err(told)?;
            context.compute().map_err(told)?;
            let mut copies = Vec::new();
            let refusal = loop {
                match context.get_output("output") {
                    Ok(copy) => copies.push(copy),
                    Err(error) => break error,
                }
                $crate::ensure!(copies.len() < 10_000, "{} copies are held", copies.len());
            };
            $crate::ensure!(refusal.code() == ErrorCode::TooLarge, "{}", told(refusal).0);
            refused(
                "full",
                ErrorCode::TooLarge,
                context.set_input("prompt", bytes($crate::PROMPT)),
            )?;
            drop(copies);
            output(&context)?;
            Ok(())
        }
    };
}
